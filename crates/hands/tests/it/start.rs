//! Starting, finding and ending sandboxes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use hands::{Hands, Pieces, Started};

use crate::support::{Bench, Folder, config, no_dial, no_resolve, says};

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
