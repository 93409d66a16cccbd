//! The command line from outside: the real binary against a real server.

mod client;
mod demo;
mod docs;
mod ends;
mod follow;
mod hooks;
mod keep;
mod local;
mod login;
mod runtime;
mod schedules;
mod secrets;
mod skills;
mod vault;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{KEY, Server};

/// The program, talking to this server with its first key.
fn program(server: &Server, arguments: &[&str]) -> Command {
    let mut command = bare(arguments);
    command
        .env("OPENCOMPUTER_API_URL", &server.url)
        .env("OPENCOMPUTER_API_KEY", KEY);
    command
}

/// The program without a server or a key, and without the caller's own.
fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(Server::program());
    command.args(arguments).stdin(Stdio::null());
    // No home: what the caller's own commands remember stays out of it.
    command.env("HOME", "/nonexistent");
    for name in [
        "OPENCOMPUTER_API_URL",
        "OPENCOMPUTER_API_KEY",
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "NO_COLOR",
    ] {
        command.env_remove(name);
    }
    command
}

/// What a run of the program came to.
#[derive(Debug)]
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// The same, if it went well.
    fn well(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The one JSON document it printed.
    fn json(self) -> Value {
        let run = self.well();
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
    }
}

/// Runs the program to its end. The server of a test lives in a process of its
/// own, so that waiting here holds nobody up.
fn oc(server: &Server, arguments: &[&str]) -> Run {
    Run::of(program(server, arguments).output().unwrap())
}

/// The same, with something on its standard input.
fn oc_reads(server: &Server, arguments: &[&str], input: &str) -> Run {
    let mut command = program(server, arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    Run::of(child.wait_with_output().unwrap())
}

/// The error a program reads on standard error.
fn error(run: &Run) -> Value {
    assert_eq!(run.out, "", "{run:?}");
    serde_json::from_str(&run.err).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}
