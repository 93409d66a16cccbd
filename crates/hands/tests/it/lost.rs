//! Sandboxes that stop answering, or end, under whoever uses them.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use hands::{Error, Exec, FileOp, HandsConfig, Known, Launcher, Limits, Receipt, Sandbox};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::support::{Bench, groups, lives, pids, says, signal};

/// An exec that is waited for aside, and its output as it comes.
type Waiting = (JoinHandle<Result<Receipt, Error>>, mpsc::Receiver<Vec<u8>>);

fn waiting(sandbox: &Arc<dyn Sandbox>, line: &str) -> Waiting {
    let (live, chunks) = mpsc::channel(1);
    let (sandbox, exec) = (Arc::clone(sandbox), Exec::shell("waiting", line));
    let task = tokio::spawn(async move { sandbox.exec(exec, Some(live)).await });
    (task, chunks)
}

/// The next sandbox of that owner is another one and works.
async fn is_replaced(bench: &Bench, sandbox: &Arc<dyn Sandbox>) {
    let again = bench.hands.obtain("a", None, None).await.unwrap();
    assert!(again.fresh && again.sandbox.id() != sandbox.id());
    assert_eq!(says(&again.sandbox, "echo works").await, "works");
    let folder = bench.dir.path().join("sandboxes").join(sandbox.id());
    assert!(!folder.exists(), "nothing is left of the old one");
}

async fn why_lost(task: JoinHandle<Result<Receipt, Error>>) -> String {
    match task.await.unwrap() {
        Err(Error::Lost(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stopped_guest_is_an_error_for_every_request_and_is_replaced() {
    let bench = Bench::with(|config| HandsConfig {
        answer_deadline: Duration::from_secs(2),
        ..config
    })
    .await;
    let sandbox = bench.sandbox("a").await;
    let (task, mut chunks) = waiting(&sandbox, "echo before; sleep 600");
    assert_eq!(chunks.recv().await.unwrap(), b"before\n");
    signal(&pids(&bench.dir.state(sandbox.id())), "STOP");
    let late =
        |error: Option<Error>| assert!(matches!(error, Some(Error::Deadline(_))), "{error:?}");
    let read = FileOp::Read {
        path: "/etc/hostname".to_owned(),
        span: hands::Span::Bytes {
            offset: 0,
            limit: 9,
        },
    };
    let (known, kill, ack, output, stats, start, file, exec) = tokio::join!(
        sandbox.known("waiting"),
        sandbox.kill("waiting"),
        sandbox.ack("waiting"),
        sandbox.output("waiting", 0),
        sandbox.stats(),
        sandbox.start(Exec::shell("other", "true")),
        sandbox.file("f", read),
        sandbox.exec(Exec::shell("another", "true"), None),
    );
    late(known.err());
    late(kill.err());
    late(ack.err());
    late(output.err());
    late(stats.err());
    late(start.err());
    late(file.err());
    late(exec.err());
    late(task.await.unwrap().err());
    is_replaced(&bench, &sandbox).await;
    bench.end().await;
}

#[tokio::test]
async fn a_guest_that_was_stopped_and_goes_on_is_kept() {
    let bench = Bench::with(|config| HandsConfig {
        answer_deadline: Duration::from_secs(2),
        ..config
    })
    .await;
    let sandbox = bench.sandbox("a").await;
    let all = pids(&bench.dir.state(sandbox.id()));
    signal(&all, "STOP");
    assert!(matches!(sandbox.known("x").await, Err(Error::Deadline(_))));
    signal(&all, "CONT");
    let again = bench.hands.obtain("a", None, None).await.unwrap();
    assert_eq!((again.fresh, again.sandbox.id()), (false, sandbox.id()));
    assert_eq!(sandbox.known("x").await.unwrap(), Known::Unknown);
    bench.end().await;
}

#[tokio::test]
async fn a_frozen_and_stopped_sandbox_is_ended_all_the_same() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    sandbox.start(Exec::shell("x", "sleep 600")).await.unwrap();
    let state = bench.dir.state(sandbox.id());
    signal(&pids(&state), "STOP");
    for group in groups(&state) {
        let freeze = group.join("cgroup.freeze");
        if freeze.exists() {
            std::fs::write(freeze, "1").unwrap();
        }
    }
    bench.hands.destroy("a").await.unwrap();
    assert!(!sandbox.alive());
    let gone = sandbox.known("x").await;
    assert!(
        matches!(&gone, Err(Error::Lost(why)) if why == "it was ended"),
        "{gone:?}"
    );
    bench.end().await;
}

#[tokio::test]
async fn what_a_command_wrote_before_its_guest_was_killed_has_all_come() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let line = "echo one; cat /tmp/gate; dd if=/dev/zero bs=60000 count=1 status=none; sleep 600";
    says(&sandbox, "mkfifo /tmp/gate").await;
    let (task, mut chunks) = waiting(&sandbox, line);
    assert_eq!(chunks.recv().await.unwrap(), b"one\n");
    says(&sandbox, "echo > /tmp/gate").await;
    // Nobody reads what comes now, until the sandbox is gone.
    let all = 4 + 1 + 60000;
    loop {
        match sandbox.known("waiting").await.unwrap() {
            Known::Running { total_bytes, .. } if total_bytes == all => break,
            Known::Running { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let state = bench.dir.state(sandbox.id());
    signal(&[state["pid"].as_i64().unwrap() as i32], "KILL");
    let mut rest = 0;
    while let Some(chunk) = chunks.recv().await {
        rest += chunk.len() as u64;
    }
    assert_eq!(4 + rest, all);
    assert_eq!(why_lost(task).await, "its first process ended");
    is_replaced(&bench, &sandbox).await;
    bench.end().await;
}

#[tokio::test]
async fn a_sandbox_whose_folder_is_gone_ends_and_is_replaced() {
    let bench = Bench::new().await;
    for wait in [true, false] {
        let sandbox = bench.sandbox("a").await;
        let (task, mut chunks) = waiting(&sandbox, "echo up; sleep 600");
        assert_eq!(chunks.recv().await.unwrap(), b"up\n");
        let folder = bench.dir.path().join("sandboxes").join(sandbox.id());
        std::fs::remove_dir_all(folder).unwrap();
        if wait {
            assert_eq!(why_lost(task).await, "its first process ended");
        }
        is_replaced(&bench, &sandbox).await;
    }
    bench.end().await;
}

#[tokio::test]
async fn a_guest_that_falls_to_the_memory_limit_says_so() {
    let memory_bytes = 64 << 20;
    let limits = Limits {
        memory_bytes,
        ..Limits::default()
    };
    let bench = Bench::with(|config| HandsConfig { limits, ..config }).await;
    let sandbox = bench.sandbox("a").await;
    says(&sandbox, "mkfifo /tmp/gate").await;
    // Half of it is taken by a file: the hog cannot outweigh the guest.
    let hog = "head -c 30M /dev/zero > /tmp/fill; echo $$; cat /tmp/gate; exec python3 -c 'x = bytearray(200 << 20)'";
    let (task, mut chunks) = waiting(&sandbox, hog);
    chunks.recv().await.unwrap();
    let state = bench.dir.state(sandbox.id());
    let first = state["pid"].as_i64().unwrap() as i32;
    for pid in pids(&state) {
        // The kernel is told to take the guest before anything else.
        let score = if pid == first { "1000" } else { "0" };
        std::fs::write(format!("/proc/{pid}/oom_score_adj"), score).unwrap();
    }
    sandbox
        .start(Exec::shell("go", "echo > /tmp/gate"))
        .await
        .unwrap();
    assert_eq!(
        why_lost(task).await,
        "its first process ended, and it had run out of memory, limit 64 MiB"
    );
    is_replaced(&bench, &sandbox).await;
    bench.end().await;
}

#[tokio::test]
async fn a_start_that_takes_too_long_is_given_up_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stuck = dir.path().join("launcher");
    std::fs::write(&stuck, "#!/bin/sh\nexec sleep 600\n").unwrap();
    std::fs::set_permissions(&stuck, std::fs::Permissions::from_mode(0o755)).unwrap();
    let bench = Bench::with(|config| HandsConfig {
        launcher: Launcher::Program(stuck),
        boot_deadline: Duration::from_secs(1),
        ..config
    })
    .await;
    let late = bench.hands.obtain("a", None, None).await.err().unwrap();
    assert!(matches!(late, Error::Deadline(_)), "{late}");
    let stats = bench.hands.stats();
    assert_eq!((stats.alive, stats.starting, stats.failed), (0, 0, 1));
    bench.end().await;
}

#[tokio::test]
async fn a_guest_that_does_not_come_up_is_a_failed_start_and_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let stopping = dir.path().join("launcher");
    // Takes the order, has it carried out, and stops the guest before it answers.
    let script = format!(
        "#!/usr/bin/python3
import json, os, signal, socket, subprocess, sys
orders = socket.socket(fileno=0)
spec, fds, _, _ = socket.recv_fds(orders, 1 << 17, 2)
command = ['{}', sys.argv[1], spec]
state = subprocess.run(command, stdin=fds[1], stdout=subprocess.PIPE).stdout
os.kill(json.loads(state)['pid'], signal.SIGSTOP)
open('{}', 'wb').write(state)
os.write(fds[0], state)
",
        env!("CARGO_BIN_EXE_hands-launcher"),
        dir.path().join("state").display(),
    );
    std::fs::write(&stopping, script).unwrap();
    std::fs::set_permissions(&stopping, std::fs::Permissions::from_mode(0o755)).unwrap();
    let bench = Bench::with(|config| HandsConfig {
        launcher: Launcher::Program(stopping),
        boot_deadline: Duration::from_secs(8),
        ..config
    })
    .await;
    let late = bench.hands.obtain("a", None, None).await.err().unwrap();
    assert!(matches!(late, Error::Deadline(_)), "{late}");
    let state = std::fs::read(dir.path().join("state")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    assert!(pids(&state).into_iter().all(|pid| !lives(pid)));
    assert!(groups(&state).iter().all(|group| !group.exists()));
    assert_eq!(bench.hands.stats().alive, 0);
    bench.end().await;
}
