//! Sandboxes nobody can want any more.

use std::time::Duration;

use hands::{Exec, Hands, HandsConfig, Pieces};

use crate::support::{Folder, config, lives, no_dial, no_resolve};

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

async fn ended(pid: i32) {
    while lives(pid) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_sandbox_without_a_server_ends_after_its_time() {
    let dir = Folder::new();
    let pid = left_alone(&dir, Duration::from_millis(200)).await;
    ended(pid).await;
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
    ended(pid).await;
}
