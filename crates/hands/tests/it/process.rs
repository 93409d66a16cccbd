//! The process driver: the same promises about execs, and no isolation.

use hands::{DriverKind, Exec, HandsConfig, Isolation, KillReason};

use crate::support::{Bench, Folder, config, fresh, run, says, text};

async fn bench() -> Bench {
    Bench::with(|config| HandsConfig {
        driver: DriverKind::Process,
        ..config
    })
    .await
}

#[tokio::test]
async fn commands_run_in_a_folder_of_their_own_and_once() {
    let bench = bench().await;
    let sandbox = bench.sandbox("a").await;
    let exec = Exec::shell("once", "echo run >> log; cat log; cat /proc/self/status");
    let receipt = sandbox.exec(exec.clone(), None).await.unwrap();
    assert!(text(&receipt).starts_with("run\n"), "{receipt:?}");
    assert_eq!(sandbox.exec(exec, None).await.unwrap(), receipt);
    let workspace = bench
        .dir
        .path()
        .join("sandboxes")
        .join(sandbox.id())
        .join("workspace");
    assert_eq!(
        std::fs::read_to_string(workspace.join("log")).unwrap(),
        "run\n"
    );
    let write = hands::FileOp::Write {
        path: "/workspace/f".to_owned(),
        bytes: b"x".to_vec(),
    };
    sandbox.file("w", write).await.unwrap();
    assert_eq!(says(&sandbox, "cat f").await, "x");
    bench.end().await;
}

#[tokio::test]
async fn a_timeout_ends_what_can_be_traced_to_the_command() {
    let bench = bench().await;
    let sandbox = bench.sandbox("a").await;
    let line = "setsid sleep 601 & sh -c 'sleep 602 & wait' & echo up; sleep 603";
    let exec = Exec {
        timeout_ms: Some(500),
        ..Exec::shell(fresh(), line)
    };
    let receipt = sandbox.exec(exec, None).await.unwrap();
    assert_eq!(receipt.killed, Some(KillReason::TimedOut), "{receipt:?}");
    let left = run(&sandbox, "ps ax | grep 'sleep 60[123]' | grep -v grep").await;
    assert_eq!(text(&left), "");
    bench.end().await;
}

#[tokio::test]
async fn it_says_that_it_isolates_nothing() {
    let dir = Folder::new();
    let config = HandsConfig {
        driver: DriverKind::Process,
        ..config(dir.path())
    };
    let caps = hands::Hands::probe(&config).await;
    assert_eq!(
        (caps.works.clone(), caps.isolation),
        (Ok(()), Isolation::None),
        "{caps:?}"
    );
    assert!(
        caps.weaker
            .iter()
            .any(|words| words.contains("isolates nothing")),
        "{caps:?}"
    );
}
