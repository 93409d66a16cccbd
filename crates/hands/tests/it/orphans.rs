//! Sandboxes nobody can want any more.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use hands::{Exec, Hands, HandsConfig, Pieces};

use crate::support::{
    Bench, Folder, config, groups, lives, members, no_dial, no_resolve, says, signal,
};

/// A sandbox whose server has gone away, and its first process.
async fn left_alone(dir: &Folder, alone: Duration) -> i32 {
    let config = HandsConfig {
        alone,
        ..config(dir.path())
    };
    let hands = Hands::open(config, no_dial(), no_resolve(), Pieces::none())
        .await
        .unwrap();
    let sandbox = hands.obtain("a", None, None).await.unwrap().sandbox;
    sandbox.start(Exec::shell("x", "sleep 600")).await.unwrap();
    let pid = dir.state(sandbox.id())["pid"].as_i64().unwrap() as i32;
    hands.close().await;
    pid
}

async fn until_ended(pid: i32) {
    while lives(pid) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_sandbox_without_a_server_ends_after_its_time() {
    let dir = Folder::new();
    let pid = left_alone(&dir, Duration::from_millis(200)).await;
    until_ended(pid).await;
    // The next server clears away what is left.
    let hands = Hands::open(config(dir.path()), no_dial(), no_resolve(), Pieces::none())
        .await
        .unwrap();
    assert!(hands.find("a").is_none());
    let left = std::fs::read_dir(dir.path().join("sandboxes")).unwrap();
    assert_eq!(left.count(), 0);
    hands.close().await;
}

#[tokio::test]
async fn a_sandbox_ends_when_its_data_folder_is_deleted() {
    let dir = Folder::new();
    let pid = left_alone(&dir, Duration::from_secs(3600)).await;
    std::fs::remove_dir_all(dir.path()).unwrap();
    until_ended(pid).await;
}

#[tokio::test]
async fn cgroups_of_sandboxes_long_gone_are_removed_and_those_of_living_ones_are_not() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let state = bench.dir.state(sandbox.id());
    let old = format!("sbx_1_0_{:04x}", std::process::id() as u16);
    let beside = |group: &PathBuf| group.parent().unwrap().join(&old);
    let living = groups(&state);
    assert!(!living.is_empty());
    for group in &living {
        std::fs::create_dir_all(beside(group)).unwrap();
    }
    let next = Bench::new().await;
    for group in &living {
        assert!(group.exists() && !beside(group).exists(), "{group:?}");
    }
    assert_eq!(says(&sandbox, "echo works").await, "works");
    next.end().await;
    bench.end().await;
}

/// Processes whose parent is `parent`, and whether only their remains are there.
fn children(parent: i32) -> Vec<(i32, bool)> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = all.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let text = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut fields = text.rsplit_once(") ")?.1.split(' ');
        let dead = fields.next()? == "Z";
        (fields.next()?.parse() == Ok(parent)).then_some((pid, dead))
    });
    stats.collect()
}

/// A server that is the first process of a container.
#[tokio::test]
async fn who_is_the_first_process_takes_in_what_has_ended_and_passes_signals_on() {
    let dir = Folder::new();
    let hold = [env!("CARGO_BIN_EXE_hands-launcher"), "hold"];
    let mut container = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc"])
        .args(hold)
        .args([dir.path().to_str().unwrap(), "a", "x", "sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut id = String::new();
    BufReader::new(container.stdout.take().unwrap())
        .read_line(&mut id)
        .unwrap();
    let folder = dir.path().join("sandboxes").join(id.trim());
    let state = dir.state(id.trim());
    let (first, _) = children(container.id() as i32)[0];
    // The number in its state is that of the container.
    signal(&members(&state), "KILL");
    let gone = || !folder.exists() && groups(&state).iter().all(|group| !group.exists());
    let cleared = tokio::time::timeout(Duration::from_secs(60), until(gone)).await;
    assert!(cleared.is_ok(), "remains of a sandbox hold its cgroups");
    assert!(children(first).iter().all(|(_, dead)| !dead));
    signal(&[first], "TERM");
    assert_eq!(container.wait().unwrap().code(), Some(143));
}
