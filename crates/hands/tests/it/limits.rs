//! Limits: met, reported in clear words, and survived.

use std::sync::Arc;
use std::time::Duration;

use hands::{Exec, Exhausted, KillReason, Limits, Sandbox};

use crate::support::{Bench, fresh, run, says, text};

const MEMORY: u64 = 64 << 20;
const DISK: u64 = 64 << 20;

async fn small() -> Bench {
    let limits = Limits {
        memory_bytes: MEMORY,
        cpus: 1.0,
        pids: 64,
        disk_bytes: DISK,
    };
    Bench::with(|config| hands::HandsConfig { limits, ..config }).await
}

const HOG: &str = "python3 -c 'x = bytearray(200 << 20); print(len(x))'";

#[tokio::test]
async fn a_memory_hog_is_killed_alone_and_the_receipt_says_why() {
    let bench = small().await;
    let sandbox = bench.sandbox("a").await;
    for line in [
        HOG.to_owned(),
        format!("{HOG}; exit 1"),
        format!("sh -c \"{}\"; exit $?", HOG.replace('"', "\\\"")),
    ] {
        let receipt = run(&sandbox, &line).await;
        assert_eq!(
            receipt.killed,
            Some(KillReason::Oom { limit: MEMORY }),
            "{line} {receipt:?}"
        );
        assert_eq!(
            receipt.note().unwrap(),
            "killed: out of memory, limit 64 MiB"
        );
    }
    let receipt = run(&sandbox, &format!("{HOG} || true")).await;
    assert_eq!((receipt.exit_code, receipt.killed), (Some(0), None));
    assert_eq!(receipt.exhausted, [Exhausted::Memory { limit: MEMORY }]);
    // A full /tmp is memory as well.
    let receipt = run(&sandbox, "head -c 300M /dev/zero > /tmp/x; rm -f /tmp/x").await;
    assert!(
        receipt.note().is_some() || text(&receipt).contains("No space"),
        "{receipt:?}"
    );
    assert_eq!(says(&sandbox, "echo fine").await, "fine");
    bench.end().await;
}

/// Starts processes until no more can be, says so, and waits.
const FULL: &str = "python3 -c '
import os, time
while True:
    try:
        if os.fork() == 0: time.sleep(600)
    except OSError: break
print(\"full\", flush=True)
time.sleep(600)'";

#[tokio::test]
async fn a_fork_bomb_ends_at_its_limit_and_at_its_timeout() {
    let bench = small().await;
    let sandbox = bench.sandbox("a").await;
    let bomb = "b() { b | b & }; b; sleep 600";
    let exec = Exec {
        timeout_ms: Some(1500),
        ..Exec::shell("bomb", bomb)
    };
    let receipt = sandbox.exec(exec, None).await.unwrap();
    assert!(receipt.timed_out, "{receipt:?}");
    assert!(
        receipt.exhausted.contains(&Exhausted::Pids { limit: 64 }),
        "{receipt:?}"
    );
    assert_eq!(
        says(&sandbox, "echo fine; ls /proc | grep -c '^[0-9]'")
            .await
            .lines()
            .next(),
        Some("fine")
    );
    let (live, mut chunks) = tokio::sync::mpsc::channel(4);
    let full = sandbox.exec(Exec::shell("full", FULL), Some(live));
    let meanwhile = async {
        assert_eq!(chunks.recv().await.unwrap(), b"full\n");
        let receipt = run(&sandbox, "true").await;
        sandbox.kill("full").await.unwrap();
        receipt
    };
    let (_, receipt) = tokio::join!(full, meanwhile);
    assert_eq!(receipt.exit_code, Some(126), "{receipt:?}");
    assert!(
        receipt
            .note()
            .unwrap()
            .contains("too many processes, limit 64"),
        "{receipt:?}"
    );
    assert_eq!(says(&sandbox, "echo fine").await, "fine");
    bench.end().await;
}

/// Leaves a process behind that a moment later starts as many as it can.
const LEFT: &str = "python3 -c '
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(1)
    try:
        while True:
            if os.fork() == 0: time.sleep(600)
    except OSError: time.sleep(600)'; echo gone";

#[tokio::test]
async fn what_a_command_leaves_running_makes_no_sandbox_useless() {
    let bench = small().await;
    let sandbox = bench.sandbox("a").await;
    // One that met the limit before it ended takes along what it started.
    let receipt = run(&sandbox, "b() { b | b & }; b; sleep 1; echo done").await;
    assert!(
        receipt.exhausted.contains(&Exhausted::Pids { limit: 64 }),
        "{receipt:?}"
    );
    assert_eq!(says(&sandbox, "echo fine").await, "fine");
    // What was left before it met the limit goes when it leaves no room.
    assert_eq!(says(&sandbox, LEFT).await, "gone");
    until_it_ends_with(&sandbox, 126).await;
    until_it_ends_with(&sandbox, 0).await;
    assert_eq!(says(&sandbox, "echo fine").await, "fine");
    bench.end().await;
}

/// Waits until a command ends so.
async fn until_it_ends_with(sandbox: &Arc<dyn Sandbox>, code: i32) {
    while run(sandbox, "true").await.exit_code != Some(code) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_full_disk_is_the_sandboxs_own_and_the_receipt_says_so() {
    let bench = small().await;
    let sandbox = bench.sandbox("a").await;
    let receipt = run(&sandbox, "head -c 500M /dev/zero > big").await;
    assert_ne!(receipt.exit_code, Some(0));
    assert!(
        text(&receipt).contains("No space left"),
        "{}",
        text(&receipt)
    );
    assert_eq!(
        receipt.exhausted,
        [Exhausted::Disk { limit: DISK }],
        "{receipt:?}"
    );
    assert_eq!(receipt.note().unwrap(), "disk full, limit 64 MiB");
    let receipt = run(&sandbox, "head -c 1M /dev/zero > /usr/lib/more").await;
    assert!(
        text(&receipt).contains("No space left"),
        "/usr is on the same disk"
    );
    let image = bench
        .dir
        .path()
        .join("sandboxes")
        .join(sandbox.id())
        .join("disk.ext4");
    let used = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(image).unwrap()) * 512;
    assert!(used <= DISK + (4 << 20), "{used}");
    // What a command prints is told even when nothing can be kept of it.
    let receipt = run(&sandbox, "head -c 1M /dev/zero").await;
    assert_eq!(receipt.total_bytes, 1 << 20);
    let receipt = run(&sandbox, "rm big; echo works > small; cat small").await;
    assert_eq!((text(&receipt).as_str(), receipt.note()), ("works\n", None));
    bench.end().await;
}

#[tokio::test]
async fn a_busy_loop_gets_its_share_of_the_processors_and_no_more() {
    let limits = Limits {
        cpus: 0.2,
        ..Limits::default()
    };
    let bench = Bench::with(|config| hands::HandsConfig { limits, ..config }).await;
    let sandbox = bench.sandbox("a").await;
    let exec = Exec {
        timeout_ms: Some(2000),
        ..Exec::shell(fresh(), "while :; do :; done")
    };
    let receipt = sandbox.exec(exec, None).await.unwrap();
    let used = sandbox.stats().await.unwrap().cpu_ms.unwrap();
    assert!(
        used < receipt.duration_ms / 2,
        "{used} of {} ms",
        receipt.duration_ms
    );
    bench.end().await;
}

#[tokio::test]
async fn there_are_never_more_sandboxes_than_allowed() {
    let bench = Bench::with(|config| hands::HandsConfig {
        max_sandboxes: 2,
        ..config
    })
    .await;
    let (one, two) = (bench.sandbox("a").await, bench.sandbox("b").await);
    assert_ne!(one.id(), two.id());
    let full = bench.hands.obtain("c", None, None).await.err().unwrap();
    assert!(matches!(full, hands::Error::Refused(_)), "{full}");
    bench.hands.destroy("a").await.unwrap();
    assert!(bench.hands.obtain("c", None, None).await.is_ok());
    bench.end().await;
}
