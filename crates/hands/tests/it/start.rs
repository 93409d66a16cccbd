//! Starting, finding and ending sandboxes.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hands::{Hands, HandsConfig, Launcher, Pieces, Started};

use crate::support::{Bench, Folder, config, lives, no_dial, no_resolve, says, signal};

#[tokio::test]
async fn an_owner_gets_one_sandbox_and_keeps_it_until_it_is_destroyed() {
    let bench = Bench::new().await;
    assert!(bench.hands.find("a").is_none());
    let first = bench.hands.obtain("a", None, None).await.unwrap();
    assert_eq!((first.fresh, first.started), (true, Started::Cold));
    assert_eq!(
        says(&first.sandbox, "echo hello; pwd; id -u").await,
        "hello\n/workspace\n0"
    );
    let again = bench.hands.obtain("a", None, None).await.unwrap();
    assert_eq!((again.fresh, again.started), (false, Started::Found));
    assert_eq!(again.sandbox.id(), first.sandbox.id());
    bench.hands.destroy("a").await.unwrap();
    assert!(!first.sandbox.alive() && bench.hands.find("a").is_none());
    bench.end().await;
}

/// As on a machine without loop devices, or without what makes file systems.
#[tokio::test]
async fn a_host_that_can_make_no_disks_has_sandboxes_all_the_same() {
    let dir = Folder::new();
    let hold = ["hold", dir.path().to_str().unwrap(), "a", "x", "sleep 600"];
    let mut server = Command::new(env!("CARGO_BIN_EXE_hands-launcher"))
        .args(hold)
        .env("PATH", "/nowhere")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut id = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut id)
        .unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(dir.state(id.trim())["own_disk"], false);
    let hands = Hands::open(config(dir.path()), no_dial(), no_resolve(), Pieces::none())
        .await
        .unwrap();
    let sandbox = hands.find("a").unwrap();
    // More than a receipt holds: the rest goes to the spool.
    let line = "echo kept > /usr/kept; cat /usr/kept; seq 1 100000";
    let receipt = crate::support::run(&sandbox, line).await;
    assert!(receipt.output.head.starts_with(b"kept\n"), "{receipt:?}");
    assert!(receipt.full_available(), "{receipt:?}");
    hands.close().await;
}

/// A launcher that notes which processes it was.
fn noted(dir: &Path) -> Launcher {
    let program = dir.join("launcher");
    let (pids, real) = (dir.join("pids"), env!("CARGO_BIN_EXE_hands-launcher"));
    let script = format!(
        "#!/bin/sh\necho $$ >> {}\nexec {real} \"$@\"\n",
        pids.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    Launcher::Program(program)
}

fn pids(dir: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(dir.join("pids")).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

async fn until_gone(pid: i32) {
    while lives(pid) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn one_launcher_starts_all_and_another_comes_when_it_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let launcher = noted(dir.path());
    let bench = Bench::with(|config| HandsConfig { launcher, ..config }).await;
    let first = bench.sandbox("a").await;
    let second = bench.sandbox("b").await;
    let one = pids(dir.path());
    assert_eq!(one.len(), 1);
    signal(&one, "KILL");
    until_gone(one[0]).await;
    for sandbox in [first, second, bench.sandbox("c").await] {
        assert_eq!(says(&sandbox, "echo works").await, "works");
    }
    let two = pids(dir.path());
    assert_eq!(two.len(), 2);
    bench.end().await;
    until_gone(two[1]).await;
}

#[tokio::test]
async fn a_launcher_ends_with_its_server_and_the_sandboxes_do_not() {
    let dir = Folder::new();
    let hold = ["hold", dir.path().to_str().unwrap(), "a", "x", "sleep 600"];
    let mut server = Command::new(env!("CARGO_BIN_EXE_hands-launcher"))
        .args(hold)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut id = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut id)
        .unwrap();
    let launcher = |pid: &i32| {
        let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        text.windows(16).any(|part| part == b"--oc-launch-sand")
    };
    let found: Vec<i32> = std::fs::read_dir(format!("/proc/{}/task", server.id()))
        .unwrap()
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap())
        .flat_map(|text| {
            text.split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .filter(launcher)
        .collect();
    assert_eq!(found.len(), 1);
    server.kill().unwrap();
    server.wait().unwrap();
    until_gone(found[0]).await;
    assert!(lives(dir.state(id.trim())["pid"].as_i64().unwrap() as i32));
}
