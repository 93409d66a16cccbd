//! Programs that are talked to, and ports inside.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hands::{DriverKind, Error, HandsConfig, KillReason, Pipe, Piped, STDERR_CAP, Sandbox, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};

use crate::support::{Bench, Folder, lives, members, pids, says};

/// Leaves its session and its parent, and hears no signal that can be ignored.
const CLINGING: &str = "trap '' TERM HUP INT; \
    setsid sh -c 'setsid sleep 671 & sleep 672' & sleep 673 & echo up; sleep 674";

fn shell(line: &str) -> Pipe {
    Pipe {
        argv: ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
        ..Pipe::default()
    }
}

async fn piped(sandbox: &Arc<dyn Sandbox>, line: &str) -> Piped {
    sandbox.pipe(shell(line)).await.unwrap()
}

async fn said(stream: &mut Box<dyn Stream>, bytes: usize) -> String {
    let mut said = vec![0; bytes];
    stream.read_exact(&mut said).await.unwrap();
    String::from_utf8(said).unwrap()
}

async fn all(mut piped: Piped) -> (String, hands::PipeEnd) {
    let mut said = String::new();
    piped.stream.read_to_string(&mut said).await.unwrap();
    (said, piped.end.await.unwrap())
}

async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn process() -> Bench {
    Bench::with(|config| HandsConfig {
        driver: DriverKind::Process,
        ..config
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_carries_all_bytes_both_ways() {
    const LONG: usize = 100 << 20;
    for bench in [Bench::new().await, process().await] {
        let sandbox = bench.sandbox("a").await;
        let Piped { stream, end } = piped(&sandbox, "exec cat").await;
        let (mut reads, mut writes) = split(stream);
        let piece: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
        let sent = piece.clone();
        let writer = tokio::spawn(async move {
            for _ in 0..LONG / sent.len() {
                writes.write_all(&sent).await.unwrap();
            }
            writes
        });
        let mut back = vec![0; piece.len()];
        for _ in 0..LONG / piece.len() {
            reads.read_exact(&mut back).await.unwrap();
            assert!(back == piece);
        }
        // It is not over until the host says so.
        let mut writes = writer.await.unwrap();
        writes.write_all(b"more").await.unwrap();
        let mut more = [0; 4];
        reads.read_exact(&mut more).await.unwrap();
        writes.shutdown().await.unwrap();
        assert_eq!(reads.read(&mut more).await.unwrap(), 0);
        let end = end.await.unwrap();
        let killed = (end.exit_code, end.signal, end.killed);
        assert_eq!(killed, (None, Some(9), Some(KillReason::Canceled)));
        bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_read_holds_its_writer_back_and_nobody_else() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    says(&sandbox, "mkfifo /tmp/gate").await;
    let line = "cat /tmp/gate > /dev/null; exec head -c 100000000 | wc -c";
    let (mut reads, mut writes) = split(piped(&sandbox, line).await.stream);
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let writer = tokio::spawn(async move {
        let piece = vec![b'x'; 1 << 16];
        while let Ok(n) = writes.write(&piece).await {
            counted.fetch_add(n, Ordering::Relaxed);
        }
    });
    for _ in 0..50 {
        says(&sandbox, "echo works").await;
    }
    let now = taken.load(Ordering::Relaxed);
    assert!(now > 0 && now < 2 << 20, "{now} bytes are on their way");
    says(&sandbox, "echo > /tmp/gate").await;
    let mut told = String::new();
    reads.read_to_string(&mut told).await.unwrap();
    assert_eq!(told, "100000000\n");
    writer.await.unwrap();
    bench.end().await;
}

#[tokio::test]
async fn a_program_ends_with_all_it_started_when_the_host_lets_go() {
    for bench in [Bench::new().await, process().await] {
        let sandbox = bench.sandbox("a").await;
        let mut dropped = piped(&sandbox, CLINGING).await;
        let mut closed = piped(&sandbox, CLINGING).await;
        assert_eq!(said(&mut dropped.stream, 3).await, "up\n");
        assert_eq!(said(&mut closed.stream, 3).await, "up\n");
        drop(dropped);
        closed.stream.shutdown().await.unwrap();
        let (_, end) = all(closed).await;
        assert_eq!(end.killed, Some(KillReason::Canceled), "{end:?}");
        let left = "while pgrep -f '^sleep 67[1234]'; do :; done > /dev/null; echo gone";
        assert_eq!(says(&sandbox, left).await, "gone");
        bench.end().await;
    }
}

#[tokio::test]
async fn a_program_ends_with_all_it_started_when_the_server_is_killed() {
    let dir = Folder::new();
    let mut server = Command::new(env!("CARGO_BIN_EXE_hands-launcher"))
        .args(["talk", dir.path().to_str().unwrap(), "a", "x", CLINGING])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut id = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut id)
        .unwrap();
    let state = dir.state(id.trim());
    until(|| members(&state).len() > 4).await;
    server.kill().unwrap();
    server.wait().unwrap();
    until(|| pids(&state).len() == 1).await;
    assert!(lives(state["pid"].as_i64().unwrap() as i32));
}

#[tokio::test]
async fn what_a_program_leaves_running_ends_with_it() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let line = "setsid sh -c 'echo left; exec sleep 600' & read x; echo \"heard $x\"; exit 7";
    let mut talk = piped(&sandbox, line).await;
    assert_eq!(said(&mut talk.stream, 5).await, "left\n");
    talk.stream.write_all(b"word\n").await.unwrap();
    let (said, end) = all(talk).await;
    assert_eq!(said, "heard word\n");
    assert_eq!((end.exit_code, end.killed), (Some(7), None));
    let state = bench.dir.state(sandbox.id());
    until(|| pids(&state).len() == 1).await;
    bench.end().await;
}

#[tokio::test]
async fn the_end_of_standard_error_is_told_and_never_holds_the_program_back() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let line = "seq 1 200000 >&2; printf 'last words' >&2; echo out; kill -SEGV $$";
    let (said, end) = all(piped(&sandbox, line).await).await;
    assert_eq!(said, "out\n");
    assert_eq!((end.exit_code, end.signal), (None, Some(11)));
    assert_eq!(end.stderr.len(), STDERR_CAP);
    assert!(end.stderr.ends_with("200000\nlast words"), "{end:?}");
    bench.end().await;
}

#[tokio::test]
async fn the_environment_is_what_was_asked_for_and_nothing_else() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    for env in [
        BTreeMap::new(),
        BTreeMap::from([("TOKEN".to_owned(), "x".repeat(100_000))]),
    ] {
        let argv = vec!["env".to_owned()];
        let pipe = Pipe {
            argv,
            env: env.clone(),
            cwd: None,
        };
        let (said, _) = all(sandbox.pipe(pipe).await.unwrap()).await;
        let wanted: String = env.iter().map(|(k, v)| format!("{k}={v}\n")).collect();
        assert!(said == wanted, "{} bytes", said.len());
    }
    let (said, _) = all(piped(&sandbox, "pwd").await).await;
    assert_eq!(said, "/workspace\n");
    bench.end().await;
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_refused_with_the_reason() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let absent = Pipe {
        argv: vec!["/opt/nothing".to_owned()],
        ..Pipe::default()
    };
    let nowhere = Pipe {
        cwd: Some("/nowhere".to_owned()),
        ..shell("true")
    };
    let huge = Pipe {
        argv: vec!["/bin/true".to_owned(), "x".repeat(3 << 20)],
        ..Pipe::default()
    };
    for (pipe, word) in [
        (absent, "/opt/nothing: No such file"),
        (nowhere, "/nowhere: No such file"),
        (huge, "too long"),
        (Pipe::default(), "no command"),
    ] {
        match sandbox.pipe(pipe).await {
            Err(Error::Refused(why)) => assert!(why.contains(word), "{why}"),
            other => panic!("{:?}", other.err()),
        }
    }
    bench.end().await;
}

#[tokio::test]
async fn a_sandbox_that_ends_breaks_its_pipes() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let mut talk = piped(&sandbox, "echo up; exec cat").await;
    assert_eq!(said(&mut talk.stream, 3).await, "up\n");
    bench.hands.destroy("a").await.unwrap();
    assert!(talk.stream.read_u8().await.is_err());
    drop(talk.stream);
    assert!(matches!(talk.end.await, Err(Error::Lost(_))));
    bench.end().await;
}

const GREETER: &str = "import socket
s = socket.create_server(('127.0.0.1', 8123))
print('up', flush=True)
c, _ = s.accept()
f = c.makefile('rw')
f.write('hello ' + f.read())
f.flush()
";

#[tokio::test]
async fn a_port_inside_is_reached_and_each_side_ends_its_own_half() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let refused = sandbox.port(8123).await;
    assert!(matches!(refused, Err(Error::Refused(_))));
    let argv = ["python3", "-c", GREETER].map(str::to_owned).to_vec();
    let pipe = Pipe {
        argv,
        ..Pipe::default()
    };
    let mut talk = sandbox.pipe(pipe).await.unwrap();
    assert_eq!(said(&mut talk.stream, 3).await, "up\n");
    let mut stream = sandbox.port(8123).await.unwrap();
    stream.write_all(b"world").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.unwrap();
    assert_eq!(told, "hello world");
    bench.end().await;
}
