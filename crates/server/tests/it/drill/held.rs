//! The promises, drilled for a short time with seeds that never change.

use serde_json::Value;

use super::drill;

fn skipped(report: &Value) -> Vec<&str> {
    let all = report["skipped"].as_array().unwrap().iter();
    all.map(|one| one["point"].as_str().unwrap()).collect()
}

/// What cannot be drilled without PostgreSQL; and by whom may not mount a disk.
fn impossible() -> Vec<&'static str> {
    if nix::unistd::geteuid().is_root() {
        vec!["database.away"]
    } else {
        vec!["disk.full", "database.away", "power.lost"]
    }
}

/// The first points, so many, once each with a seed that never changes.
fn held(seed: &str, runs: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let held = drill(&data, &["--seed", seed, "--runs", runs], &[]);
    assert_eq!(held.code, 0, "seed {seed}: {:#}", held.report);
    assert_eq!(held.report["passed"], true);
    for count in [
        "lost",
        "gaps",
        "repeats",
        "twice",
        "needless",
        "overshoot",
        "stuck",
    ] {
        assert_eq!(held.all(count), 0, "seed {seed}: {count}");
    }
    assert_eq!(skipped(&held.report), impossible(), "seed {seed}");
    assert!(!data.exists(), "nothing is left behind");
}

#[test]
fn every_promise_is_kept_at_every_point() {
    held("1", "19");
}

#[test]
fn and_so_it_is_at_other_moments() {
    held("7", "7");
}

#[test]
fn a_point_alone_is_reached_and_a_seed_means_the_same_drill() {
    let folder = tempfile::tempdir().unwrap();
    let held = drill(
        &folder.path().join("data"),
        &[
            "--seed",
            "3",
            "--runs",
            "2",
            "--point",
            "exec.started",
            "--keep",
        ],
        &[],
    );
    let row = held.point("exec.started");
    assert_eq!(
        (&row["runs"], &row["reached"]),
        (&Value::from(2), &Value::from(2))
    );
    assert!(row["recover_max_ms"].as_u64().is_some());
    assert_eq!(held.report["seed"], 3);
    assert!(
        folder.path().join("data/drill").is_dir(),
        "it was to be kept"
    );
}

#[test]
fn what_sessions_share_is_not_passed_by_what_the_provider_counts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--seed", "5", "--runs", "3", "--point", "budget.shared"];
    let held = drill(&data, &arguments, &[]);
    assert_eq!(held.code, 0, "{:#}", held.report);
    assert_eq!(held.point("budget.shared")["reached"], 3);
}

#[test]
fn a_fork_is_what_it_says_and_of_the_erased_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--seed", "9", "--runs", "3", "--point", "family.broken"];
    let held = drill(&data, &arguments, &[]);
    assert_eq!(held.code, 0, "{:#}", held.report);
    assert_eq!(held.point("family.broken")["reached"], 3);
}

#[test]
fn a_run_that_breaks_anywhere_is_replaced_and_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--seed", "11", "--runs", "5", "--point", "run.broken"];
    let held = drill(&data, &arguments, &[]);
    assert_eq!(held.code, 0, "{:#}", held.report);
    assert_eq!(held.point("run.broken")["reached"], 5);
    assert_eq!(held.all("needless"), 0, "its sandboxes live through it");
}

#[test]
fn a_point_that_is_none_is_a_wrong_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let done = std::process::Command::new(crate::harness::Server::program())
        .args(["drill", "--point", "nowhere", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(
        told.contains("exec.started"),
        "it names those there are: {told}"
    );
}
