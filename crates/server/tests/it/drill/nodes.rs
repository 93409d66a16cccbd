//! The same promises on PostgreSQL: with a database that goes away and with
//! another node that takes over.

use std::process::Command;

use super::drill;

#[test]
fn promises_are_kept_on_postgresql_and_nothing_is_left_there() {
    let database = store::testing::database();
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = vec!["--seed", "5", "--runs", "4", "--database-url", &database];
    for point in [
        "append.durable",
        "exec.finished",
        "server.stopped",
        "database.away",
    ] {
        arguments.extend(["--point", point]);
    }
    let held = drill(&folder.path().join("data"), &arguments, &[]);
    assert_eq!(held.report["passed"], true, "{:#}", held.report);
    for point in ["server.stopped", "database.away"] {
        assert_eq!(held.point(point)["reached"], 1, "{:#}", held.report);
    }
    // How long it took until the other node had taken over is among the figures.
    let taken_over = &held.point("server.stopped")["recover_max_ms"];
    assert!(taken_over.is_u64(), "{:#}", held.report);
    let listed = Command::new("psql")
        .args([&database, "-Atc", "SELECT datname FROM pg_database"])
        .output()
        .unwrap();
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        names.contains("test_") && !names.contains("oc_drill"),
        "{names}"
    );
}

#[test]
fn what_needs_the_servers_own_disk_is_not_drilled_there() {
    let database = store::testing::database();
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--point", "power.lost", "--database-url", &database];
    let held = drill(&folder.path().join("data"), &arguments, &[]);
    assert_eq!(held.code, 1, "nothing was drilled");
    assert_eq!(held.report["skipped"][0]["point"], "power.lost");
}
