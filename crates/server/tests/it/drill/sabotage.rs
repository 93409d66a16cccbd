//! A build that breaks one promise fails the drill, each for its own reason; and
//! no build that anybody gets can be told to.

use serde_json::Value;

use super::{Held, drill};
use crate::arrows::metadata;

fn broken(sabotage: &str, arguments: &[&str]) -> Held {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let held = drill(&data, arguments, &[("OC_SABOTAGE", sabotage)]);
    assert_eq!(held.code, 1, "{sabotage}: {:#}", held.report);
    assert_eq!(held.report["passed"], false);
    held
}

#[test]
fn a_name_that_is_not_kept_runs_an_effect_twice() {
    let held = broken(
        "dedupe_off",
        &[
            "--seed",
            "1",
            "--runs",
            "6",
            "--point",
            "exec.finished",
            "--point",
            "exec.started",
        ],
    );
    assert!(held.all("twice") > 0, "{:#}", held.report);
}

#[test]
fn a_stream_that_leaves_one_out_has_gaps() {
    let held = broken(
        "stream_off_by_one",
        // By then the reader has seen some, and comes back for the rest.
        &["--seed", "1", "--runs", "1", "--point", "exec.finished"],
    );
    assert!(held.all("gaps") > 0, "{:#}", held.report);
}

#[test]
fn a_receipt_before_its_effect_speaks_of_what_never_happened() {
    let held = broken(
        "receipt_before_effect",
        &["--seed", "1", "--runs", "8", "--point", "append.durable"],
    );
    assert!(held.all("lost") > 0, "{:#}", held.report);
}

#[test]
fn a_commit_that_is_not_synced_is_lost_with_the_power() {
    let folder = tempfile::tempdir().unwrap();
    let held = drill(
        &folder.path().join("data"),
        &["--seed", "2", "--runs", "1", "--point", "power.lost"],
        &[("OC_SABOTAGE", "fsync_off")],
    );
    assert_eq!(held.code, 1);
    let skipped = held.report["skipped"].as_array().unwrap();
    if skipped.is_empty() {
        assert!(held.all("lost") > 0, "{:#}", held.report);
    } else {
        assert!(!is_root(), "root can cut the power: {skipped:?}");
    }
}

#[test]
fn a_cap_that_nobody_reserves_under_is_passed() {
    let held = broken(
        "budget_off",
        &["--seed", "5", "--runs", "1", "--point", "budget.shared"],
    );
    assert!(held.all("overshoot") > 0, "{:#}", held.report);
}

#[test]
fn a_call_that_a_crash_cut_and_nobody_charges_passes_a_cap() {
    let held = broken(
        "budget_forgotten",
        &["--seed", "5", "--runs", "1", "--point", "budget.shared"],
    );
    assert!(held.all("overshoot") > 0, "{:#}", held.report);
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line == "Uid:\t0\t0\t0\t0")
}

#[test]
fn nobody_gets_a_build_that_can_be_sabotaged() {
    for package in metadata().workspace_packages() {
        for (name, features) in &package.features {
            let brings = features.iter().any(|feature| feature.contains("sabotage"));
            assert!(!brings || name == "sabotage", "{}: {name}", package.name);
        }
        for dependency in &package.dependencies {
            let brings = dependency.features.iter().any(|name| name == "sabotage");
            let for_tests = dependency.kind == cargo_metadata::DependencyKind::Development;
            assert!(!brings || for_tests, "{} brings it along", package.name);
        }
    }
    assert!(!store::sabotaged(store::Sabotage::DedupeOff));
}

#[test]
fn a_build_for_tests_keeps_its_promises_unless_it_is_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let held = drill(
        &folder.path().join("data"),
        &["--seed", "1", "--runs", "2", "--point", "exec.finished"],
        &[("OC_SABOTAGE", "")],
    );
    assert_eq!(held.all("twice"), 0);
    assert_eq!(
        held.report["passed"],
        Value::Bool(true),
        "{:#}",
        held.report
    );
}
