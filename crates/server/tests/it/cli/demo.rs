//! `oc demo`, the README's first command: from nothing to a result, twice, with
//! everything it prints being true.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::{Run, bare};
use crate::harness::Server;

/// A demo's folder; its server ends with the test.
struct Demo {
    folder: TempDir,
}

impl Demo {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(&["demo", "--listen", "127.0.0.1:0", "--data"]);
        command
            .arg(self.data())
            .args(arguments)
            .env("OC_SANDBOX_WARM", "0");
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.command(&["--stop"]).output();
    }
}

/// The lines after a heading, up to the next blank one.
fn below(text: &str, heading: &str) -> Vec<String> {
    let from = text.lines().skip_while(|line| *line != heading).skip(1);
    from.take_while(|line| !line.is_empty())
        .map(|line| line.trim().to_owned())
        .collect()
}

fn shell(lines: &[String]) -> Run {
    let mut command = Command::new("bash");
    command.args(["-euc", &lines.join("\n")]);
    for name in ["OPENCOMPUTER_API_URL", "OPENCOMPUTER_API_KEY"] {
        command.env_remove(name);
    }
    Run::of(command.output().unwrap())
}

#[test]
fn the_demo_runs_twice_and_what_it_prints_is_true() {
    let demo = Demo::new();
    let first = demo.run(&[]).well();
    for part in [
        "test/demo",
        "you ▸ Write a script",
        "$ ",
        "2 3 5 7 11 13",
        "61 67 71",
        "✓ turn completed",
        "The server goes on running",
    ] {
        assert!(first.out.contains(part), "{part}: {}", first.out);
    }
    assert!(
        !first.out.contains('\u{1b}'),
        "no colours in a pipe: {:?}",
        first.out
    );

    let (exports, next) = (
        below(&first.out, "To use it from this shell"),
        below(&first.out, "Then try"),
    );
    assert_eq!((exports.len(), next.len()), (2, 3), "{}", first.out);
    let steered = shell(&[exports.clone(), next[..2].to_vec()].concat()).well();
    assert!(
        steered.out.contains("you ▸ Do it again, please.") && steered.out.contains("idle"),
        "{}",
        steered.out
    );

    let second = demo.run(&[]).well();
    assert!(second.err.contains("since an earlier demo"), "{second:?}");
    assert_eq!(
        below(&second.out, "To use it from this shell"),
        exports,
        "the same server and key"
    );

    let stopped = shell(&next[2..]).well();
    assert!(stopped.out.starts_with("Stopped the server"), "{stopped:?}");
    assert!(
        !shell(&[exports, next[..1].to_vec()].concat())
            .err
            .is_empty(),
        "it is gone"
    );
    assert!(
        demo.run(&["--stop"])
            .well()
            .out
            .starts_with("No demo server")
    );

    let third = demo.run(&["--json"]).json();
    assert!(
        third["result"].as_str().unwrap().contains("2 3 5 7 11"),
        "{third}"
    );
    assert_eq!(
        third["started"], true,
        "what was kept is used by a new server"
    );
}

#[test]
fn a_strangers_port_is_not_taken() {
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    let hang_up = std::thread::spawn(move || {
        // One connection to see that somebody is there, and the one that asks who.
        for connection in stranger.incoming().take(4) {
            drop(connection);
        }
    });
    let demo = Demo::new();
    let mut command = bare(&["demo", "--listen", &address, "--data"]);
    let run = Run::of(command.arg(demo.data()).output().unwrap());
    assert!(
        run.code == 1 && run.err.contains("--listen 127.0.0.1:8090"),
        "{run:?}"
    );
    assert!(!demo.data().exists(), "a new folder without a server goes");
    hang_up.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_servers_port_is_told_from_the_demos_own() {
    let server = Server::start();
    let demo = Demo::new();
    let mut command = bare(&[
        "demo",
        "--listen",
        server.url.strip_prefix("http://").unwrap(),
        "--data",
    ]);
    let run = Run::of(command.arg(demo.data()).output().unwrap());
    assert!(
        run.code == 1 && run.err.contains("does not know this demo's key"),
        "{run:?}"
    );
}

#[test]
fn a_server_that_cannot_start_says_why_and_leaves_nothing() {
    let demo = Demo::new();
    let run = Run::of(
        demo.command(&[])
            .env("OC_LEASE_SECONDS", "1")
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, 1, "{run:?}");
    for part in ["the server ended at once", "lease_seconds", "oc doctor"] {
        assert!(run.err.contains(part), "{part}: {run:?}");
    }
    assert!(!demo.data().join("server.pid").exists());
    let nowhere = Run::of(bare(&["demo", "--data", "/proc/oc"]).output().unwrap());
    assert!(
        nowhere.code == 1 && nowhere.err.contains("--data"),
        "{nowhere:?}"
    );
}
