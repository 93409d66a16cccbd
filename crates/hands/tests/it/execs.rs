//! Commands: run once, watched, killed, and their output kept.

use hands::{Error, Exec, KillReason, Known, Sandbox};
use tokio::sync::mpsc;

use crate::support::{Bench, fresh, run, says, text};

#[tokio::test]
async fn a_command_runs_once_under_its_id_however_often_it_is_asked_for() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let exec = Exec::shell("once", "echo run >> log; sleep 0.3; cat log");
    assert_eq!(sandbox.known("once").await.unwrap(), Known::Unknown);
    sandbox.start(exec.clone()).await.unwrap();
    assert!(matches!(
        sandbox.known("once").await.unwrap(),
        Known::Running { .. }
    ));
    let (one, two) = tokio::join!(
        sandbox.exec(exec.clone(), None),
        sandbox.exec(exec.clone(), None)
    );
    let receipt = one.unwrap();
    assert_eq!(text(&receipt), "run\n");
    assert_eq!(two.unwrap(), receipt);
    assert_eq!(sandbox.exec(exec.clone(), None).await.unwrap(), receipt);
    assert_eq!(
        sandbox.known("once").await.unwrap(),
        Known::Done(Box::new(receipt))
    );
    sandbox.ack("once").await.unwrap();
    assert_eq!(sandbox.known("once").await.unwrap(), Known::Acked);
    assert!(matches!(
        sandbox.exec(exec, None).await,
        Err(Error::Acked(_))
    ));
    assert_eq!(says(&sandbox, "cat log").await, "run");
    bench.end().await;
}

#[tokio::test]
async fn how_a_command_ended_is_told_as_a_shell_would() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    for (argv, code, signal, output) in [
        (&["true"][..], Some(0), None, ""),
        (&["sh", "-c", "exit 3"], Some(3), None, ""),
        (&["sh", "-c", "kill -TERM $$"], None, Some(15), ""),
        (&["no-such-program"], Some(127), None, "no-such-program"),
        (&["/etc/passwd"], Some(126), None, "/etc/passwd"),
        (&["/etc"], Some(126), None, "/etc"),
        (&[], Some(127), None, "no command"),
        (&["a\0b"], Some(126), None, "NUL"),
        (&["printf", "\\377\\000x"], Some(0), None, ""),
    ] {
        let receipt = sandbox.exec(Exec::new(fresh(), argv), None).await.unwrap();
        assert_eq!(
            (receipt.exit_code, receipt.signal),
            (code, signal),
            "{argv:?} {receipt:?}"
        );
        assert!(
            text(&receipt).contains(output),
            "{argv:?}: {}",
            text(&receipt)
        );
        assert_eq!(receipt.killed, None);
    }
    let bytes = run(&sandbox, "printf '\\377\\000x'").await;
    assert_eq!(bytes.output.head, b"\xff\0x");
    bench.end().await;
}

#[tokio::test]
async fn a_command_gets_its_folder_variables_and_input_and_both_outputs_in_order() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let exec = Exec {
        cwd: Some("/usr".to_owned()),
        env: [("WHO".to_owned(), "me".to_owned())].into(),
        stdin: vec![b'x'; 3_000_000],
        ..Exec::shell(fresh(), "pwd; echo $WHO >&2; wc -c; echo $HOME; tty")
    };
    let receipt = sandbox.exec(exec, None).await.unwrap();
    assert_eq!(text(&receipt), "/usr\nme\n3000000\n/root\nnot a tty\n");
    let exec = Exec {
        cwd: Some("/none".to_owned()),
        ..Exec::shell(fresh(), "true")
    };
    let receipt = sandbox.exec(exec, None).await.unwrap();
    assert_eq!(receipt.exit_code, Some(126));
    assert!(text(&receipt).contains("/none"), "{}", text(&receipt));
    bench.end().await;
}

#[tokio::test]
async fn output_comes_live_from_its_beginning_even_to_who_attaches_late() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let exec = Exec::shell("live", "echo first; cat /tmp/gate; echo last");
    says(&sandbox, "mkfifo /tmp/gate").await;
    sandbox.start(exec.clone()).await.unwrap();
    let (live, mut chunks) = mpsc::channel(1);
    let waiting = sandbox.exec(exec, Some(live));
    let reading = async {
        assert_eq!(chunks.recv().await.unwrap(), b"first\n");
        says(&sandbox, "echo between > /tmp/gate").await;
        let mut rest = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            rest.extend(chunk);
        }
        assert_eq!(rest, b"between\nlast\n");
    };
    let (receipt, ()) = tokio::join!(waiting, reading);
    assert_eq!(text(&receipt.unwrap()), "first\nbetween\nlast\n");
    bench.end().await;
}

#[tokio::test]
async fn a_gibibyte_of_output_is_counted_and_not_kept() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let exec = Exec::shell(
        "big",
        "echo start; head -c 1073741824 /dev/zero; echo; echo end",
    );
    let receipt = sandbox.exec(exec, None).await.unwrap();
    assert_eq!(receipt.exit_code, Some(0), "{receipt:?}");
    assert_eq!(receipt.total_bytes, (1 << 30) + 11);
    assert_eq!(receipt.spooled_bytes, hands::SPOOL_CAP);
    assert!(!receipt.full_available());
    assert!(receipt.output.head.starts_with(b"start\n\0"));
    assert!(receipt.output.tail.ends_with(b"\0\nend\n"));
    let shown = receipt.output.head.len() + receipt.output.tail.len();
    assert_eq!(shown, hands::OUTPUT_CAP as usize);
    assert_eq!(receipt.output.omitted + shown as u64, receipt.total_bytes);
    let mut at = 0;
    loop {
        let part = sandbox.output("big", at).await.unwrap();
        assert_eq!((part.spooled, part.running), (hands::SPOOL_CAP, false));
        if part.bytes.is_empty() {
            break;
        }
        at += part.bytes.len() as u64;
    }
    assert_eq!(at, hands::SPOOL_CAP);
    let stats = sandbox.stats().await.unwrap();
    assert!(stats.disk_bytes.unwrap() < 32 << 20, "{stats:?}");
    sandbox.ack("big").await.unwrap();
    assert!(matches!(
        sandbox.output("big", 0).await,
        Err(Error::Acked(_))
    ));
    bench.end().await;
}

/// A line that leaves a process in another session, without its parent, and
/// without its environment, which says in a file that it lives.
const RUNAWAY: &str = "setsid sh -c 'env -i sh -c \"echo x > /tmp/away; exec sleep 600\" &' & wait; \
    until test -e /tmp/away; do :; done; echo up; sleep 600";

#[tokio::test]
async fn a_timeout_ends_everything_the_command_started() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let exec = Exec {
        timeout_ms: Some(700),
        ..Exec::shell(fresh(), RUNAWAY)
    };
    let receipt = sandbox.exec(exec, None).await.unwrap();
    assert!(
        receipt.timed_out && receipt.killed == Some(KillReason::TimedOut),
        "{receipt:?}"
    );
    assert_eq!(text(&receipt), "up\n");
    assert_eq!(says(&sandbox, "pgrep -c sleep || true").await, "0");
    assert!(receipt.note().unwrap().contains("timed out"));
    let deaf = "trap '' TERM INT HUP; echo deaf; while :; do sleep 1; done";
    let exec = Exec {
        timeout_ms: Some(100),
        ..Exec::shell(fresh(), deaf)
    };
    let receipt = sandbox.exec(exec, None).await.unwrap();
    assert_eq!(
        (receipt.timed_out, receipt.signal),
        (true, Some(9)),
        "{receipt:?}"
    );
    bench.end().await;
}

#[tokio::test]
async fn a_kill_ends_everything_the_command_started_and_says_so() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let (live, mut chunks) = mpsc::channel(4);
    let exec = Exec::shell("victim", RUNAWAY);
    let running = sandbox.exec(exec, Some(live));
    let killing = async {
        assert_eq!(chunks.recv().await.unwrap(), b"up\n");
        sandbox.kill("victim").await.unwrap();
        assert_eq!(says(&sandbox, "pgrep -c sleep || true").await, "0");
    };
    let (receipt, ()) = tokio::join!(running, killing);
    assert_eq!(receipt.unwrap().killed, Some(KillReason::Canceled));
    sandbox.kill("nobody").await.unwrap();
    bench.end().await;
}

#[tokio::test]
async fn what_is_left_in_the_background_neither_holds_up_the_receipt_nor_escapes() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let exec = Exec::shell("server", "(while :; do echo noise; done) & echo started");
    let receipt = sandbox.exec(exec, None).await.unwrap();
    assert_eq!(receipt.exit_code, Some(0));
    assert!(text(&receipt).contains("started"));
    assert_eq!(
        says(&sandbox, "pgrep -c -f noise >/dev/null && echo alive").await,
        "alive"
    );
    sandbox.kill("server").await.unwrap();
    assert_eq!(
        sandbox.known("server").await.unwrap(),
        Known::Done(Box::new(receipt))
    );
    assert_eq!(
        says(&sandbox, "ps ax | grep -c '[w]hile' || true").await,
        "0"
    );
    bench.end().await;
}

#[tokio::test]
async fn dropping_who_waits_does_not_end_the_command() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    says(&sandbox, "mkfifo /tmp/gate").await;
    let exec = Exec::shell("kept", "cat /tmp/gate; echo done");
    sandbox.start(exec.clone()).await.unwrap();
    {
        let waiting = sandbox.exec(exec.clone(), None);
        tokio::select! {
            receipt = waiting => panic!("{receipt:?}"),
            _ = says(&sandbox, "true") => {}
        }
    }
    says(&sandbox, "echo go > /tmp/gate").await;
    assert_eq!(text(&sandbox.exec(exec, None).await.unwrap()), "go\ndone\n");
    bench.end().await;
}

#[tokio::test]
async fn many_commands_run_side_by_side() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let lines: Vec<String> = (0..100)
        .map(|n| format!("echo {n}; head -c 100000 /dev/zero"))
        .collect();
    let all = lines.iter().map(|line| run(&sandbox, line));
    for (n, receipt) in futures::future::join_all(all).await.iter().enumerate() {
        assert_eq!(receipt.exit_code, Some(0), "{receipt:?}");
        assert!(receipt.output.head.starts_with(format!("{n}\n").as_bytes()));
    }
    let stats = sandbox.stats().await.unwrap();
    assert_eq!((stats.running, stats.unacked), (0, 100), "{stats:?}");
    assert!(
        stats.memory_bytes.is_some() && stats.cpu_ms.is_some(),
        "{stats:?}"
    );
    bench.end().await;
}

/// The trait is what everybody else holds.
#[tokio::test]
async fn a_sandbox_that_is_gone_says_so() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let running = sandbox.exec(Exec::shell("x", "sleep 600"), None);
    let ending = async {
        sandbox.start(Exec::shell("x", "sleep 600")).await.unwrap();
        bench.hands.destroy("a").await.unwrap();
    };
    let (receipt, ()) = tokio::join!(running, ending);
    assert!(matches!(receipt, Err(Error::Lost(_))), "{receipt:?}");
    assert!(!Sandbox::alive(&*sandbox));
    assert!(matches!(sandbox.known("x").await, Err(Error::Lost(_))));
    bench.end().await;
}
