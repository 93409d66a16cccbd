//! `oc doctor --canary` from outside: no secret is found on this build, and a
//! build that lets one out in any way is caught, with the place named.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Server, runtimes};

/// What was found, with those runtimes and this environment besides; whether
/// the command ended well.
fn look(runtimes: &Path, env: &[(&str, &str)]) -> (Value, bool) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let done = Command::new(Server::program())
        .args(["doctor", "--canary", "--json", "--data"])
        .arg(&data)
        .arg("--runtimes")
        .arg(runtimes)
        .envs(env.iter().copied())
        .env_remove("OC_DATABASE_URL")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(!data.exists(), "nothing is left behind");
    let report = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}\n{told}"));
    (report, done.status.success())
}

fn place<'a>(report: &'a Value, name: &str) -> &'a Value {
    let places = report["places"].as_array().unwrap();
    let found = places.iter().find(|place| place["place"] == name);
    found.unwrap_or_else(|| panic!("no place {name}: {report:#}"))
}

fn arrived(report: &Value) -> usize {
    let all = report["arrived"].as_array().unwrap();
    assert!(all.iter().all(|one| one["arrived"] == true), "{report:#}");
    all.len()
}

#[test]
fn no_secret_is_anywhere_whoever_thinks() {
    let (report, well) = look(&runtimes(), &[("OC_SABOTAGE", "")]);
    assert!(well && report["passed"] == true, "{report:#}");
    assert_eq!(arrived(&report), 6, "a key and a secret of each runtime");
    for place in report["places"].as_array().unwrap() {
        assert!(place["bytes"].as_u64().unwrap() > 0, "{place}");
        assert_eq!(place["hits"], 0, "{place}");
    }
}

/// A build that lets secrets out like this is caught there.
fn caught(leak: &str, name: &str) {
    let empty = tempfile::tempdir().unwrap();
    let (report, well) = look(empty.path(), &[("OC_SABOTAGE", leak)]);
    assert!(!well && report["passed"] == false, "{leak}: {report:#}");
    assert_eq!(arrived(&report), 2, "native alone is there");
    let place = place(&report, name);
    assert!(place["hits"].as_u64().unwrap() > 0, "{leak}: {report:#}");
    assert!(!place["at"].as_array().unwrap().is_empty(), "{place}");
}

#[test]
fn a_secret_in_the_environment_is_caught() {
    caught("leak_environment", "environment of processes inside");
}

#[test]
fn a_secret_in_a_file_is_caught() {
    caught("leak_file", "files inside");
}

#[test]
fn a_secret_on_a_disk_is_caught() {
    caught("leak_file", "disks of sandboxes");
}

#[test]
fn a_secret_in_an_event_is_caught() {
    caught("leak_event", "answers of the API and events");
}

#[test]
fn a_secret_in_the_log_is_caught() {
    caught("leak_log", "log of the server");
}

#[test]
fn a_secret_in_the_database_is_caught() {
    caught("leak_database", "database");
}

#[test]
fn a_secret_in_a_metric_is_caught() {
    caught("leak_metric", "metrics");
}

#[test]
fn a_secret_beside_a_checkpoint_is_caught() {
    caught("leak_checkpoint", "checkpoints and blobs");
}
