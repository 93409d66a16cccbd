//! `session logs --follow`: nothing is missed and nothing is shown twice, across
//! a server that is killed and started again.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::program;
use crate::harness::{PATIENCE, Server};

/// One address for a server that comes back on another port.
struct Door {
    url: String,
    to: Arc<Mutex<SocketAddr>>,
    _tasks: JoinSet<()>,
}

impl Door {
    async fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let to = Arc::new(Mutex::new(address(server)));
        let (mut tasks, target) = (JoinSet::new(), to.clone());
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                let address = *target.lock().unwrap();
                open.spawn(async move {
                    if let Ok(mut to) = TcpStream::connect(address).await {
                        let _ = copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
        Self {
            url,
            to,
            _tasks: tasks,
        }
    }
}

fn address(server: &Server) -> SocketAddr {
    server.url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A follower that prints an event a line.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(server: &Server, url: &str, arguments: &[&str]) -> Self {
        let mut command = Command::from(program(server, arguments));
        command
            .env("OPENCOMPUTER_API_URL", url)
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn next(&mut self) -> Option<Value> {
        let line = timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("the follower is silent")
            .unwrap()?;
        Some(serde_json::from_str(&line).unwrap())
    }

    async fn until(&mut self, seen: &mut Vec<Value>, kind: &str) {
        loop {
            let event = self.next().await.expect("the follower ended first");
            seen.push(event);
            if seen.last().is_some_and(|event| event["type"] == kind) {
                return;
            }
        }
    }

    async fn code(mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("the follower goes on")
            .unwrap()
            .code()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_outlives_the_server_and_ends_with_the_session() {
    let mut server = Server::start();
    let door = Door::before(&server).await;
    let steps: Vec<Value> = (0..4)
        .map(
            |n| json!({ "call": [{ "tool": "bash", "args": { "command": format!("echo {n}") } }] }),
        )
        .chain([json!({ "say": "the end" })])
        .collect();
    let id = server.play(Value::Array(steps)).await;
    let mut follower = Follower::start(
        &server,
        &door.url,
        &["session", "logs", &id, "--follow", "--json"],
    );
    let mut seen = Vec::new();
    follower.until(&mut seen, "tool.call").await;

    server.kill9();
    server.launch();
    *door.to.lock().unwrap() = address(&server);
    follower.until(&mut seen, "turn.completed").await;
    server
        .post(&format!("/v3/sessions/{id}/archive"), json!({}))
        .await;
    while let Some(event) = follower.next().await {
        seen.push(event);
    }

    assert_eq!(
        follower.code().await,
        Some(0),
        "it ends well once the session is archived"
    );
    let numbers: Vec<u64> = seen
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    let head = server.get(&format!("/v3/sessions/{id}")).await["head"]
        .as_u64()
        .unwrap();
    assert_eq!(
        numbers,
        (1..=head).collect::<Vec<_>>(),
        "no gap and no repeat"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_follower_ends_with_the_session_too() {
    let server = Server::start();
    let id = server.play(json!([{ "say": "one" }])).await;
    server.turn_end(&id, 1).await;
    server
        .post(&format!("/v3/sessions/{id}/archive"), json!({}))
        .await;
    let mut follower = Follower::start(
        &server,
        &server.url,
        &[
            "session",
            "logs",
            &id,
            "--follow",
            "--json",
            "--type",
            "*.message",
        ],
    );
    let mut kinds = Vec::new();
    while let Some(event) = follower.next().await {
        kinds.push(event["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds, ["user.message", "agent.message"]);
    assert_eq!(follower.code().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_follower() {
    let server = Server::start();
    let id = server.play(json!([{ "say": "one" }])).await;
    let mut follower = Follower::start(
        &server,
        &server.url,
        &["session", "logs", &id, "--follow", "--json"],
    );
    follower.until(&mut Vec::new(), "turn.completed").await;
    let number = i32::try_from(follower.child.id().unwrap()).unwrap();
    kill(Pid::from_raw(number), Signal::SIGINT).unwrap();
    assert_eq!(follower.code().await, Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_words_are_seen_as_they_come() {
    let server = Server::start();
    let agent = server.agent("talker", "test/script").await;
    let id = server.session(&agent, "hello").await;
    let mut follower = Follower::start(
        &server,
        &server.url,
        &["session", "logs", &id, "--follow", "--deltas", "--json"],
    );
    let mut seen = Vec::new();
    follower.until(&mut seen, "turn.completed").await;
    // The follower listens now: what is said from here on it hears.
    let play = crate::harness::script(
        json!([{ "say": "one two three four", "chunks": 4, "chunk_ms": 20 }]),
    );
    server.say(&id, &play).await;
    seen.clear();
    follower.until(&mut seen, "turn.completed").await;
    let pieces: String = seen
        .iter()
        .filter_map(|line| line["delta"]["text"].as_str())
        .collect();
    assert_eq!(pieces, "one two three four");
}
