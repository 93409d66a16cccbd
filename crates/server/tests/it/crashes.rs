//! `kill -9` of the server at moments that hurt: nothing acknowledged is lost,
//! and no finished or running command runs a second time.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, each_runtime, is, script};

each_runtime!(
    a_command_that_runs_through_a_crash_runs_once_and_its_output_is_whole,
    a_call_whose_sandbox_died_with_the_server_is_reported_not_repeated,
);

/// A server whose leases run out soon, since a killed one cannot give them back.
fn server(runtime: &'static str) -> Server {
    let mut server = Server::with(&[("OC_LEASE_SECONDS", "2")]);
    server.think_in(runtime);
    server
}

fn bash(command: &str) -> Value {
    json!({ "call": [{ "tool": "bash", "args": { "command": command } }] })
}

/// Whether an event is the intent of a command that begins so.
fn begins(command: &str) -> impl Fn(&Value) -> bool + '_ {
    move |event| {
        let summary = event["body"]["args_summary"].as_str().unwrap_or_default();
        event["type"] == "tool.call" && summary.starts_with(command)
    }
}

fn marks(events: &[Value]) -> Vec<&Value> {
    events
        .iter()
        .filter(|e| e["type"] == "exec.completed")
        .collect()
}

async fn a_command_that_runs_through_a_crash_runs_once_and_its_output_is_whole(
    runtime: &'static str,
) {
    let mut server = server(runtime);
    let session = server
        .play(json!([
            bash("true"),
            bash("echo mark >> marks; echo begun; sleep 4; wc -l < marks"),
            { "say": "marks: {{last_result}}" }
        ]))
        .await;
    server.until(&session, begins("echo mark")).await;
    server.kill9();
    server.launch();
    let path = format!("/v3/sessions/{session}/messages");
    let (status, _) = server
        .send(Method::POST, &path, Some(json!({ "text": "still there?" })))
        .await;
    assert!(status.is_success());
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    let events = server.events(&session).await;
    let done = marks(&events);
    assert_eq!(done.len(), 2, "one receipt for each: {events:#?}");
    assert_eq!(done[1]["body"]["output"], "begun\n1");
}

#[tokio::test]
async fn a_finished_call_is_never_repeated_and_the_log_stays_gapless() {
    let mut server = server("native");
    let session = server
        .play(json!([
            { "call": [{ "tool": "bash", "args": { "command": "echo x >> marks" } }] },
            { "say": "slowly", "chunks": 40, "chunk_ms": 100, "call": [{ "tool": "bash", "args": { "command": "echo x >> marks" } }] },
            { "call": [{ "tool": "bash", "args": { "command": "wc -l < marks" } }] },
            { "say": "{{last_result}}" }
        ]))
        .await;
    // In the middle of the second answer: its partial text is no fact.
    server.until(&session, is("exec.completed")).await;
    server.kill9();
    server.launch();
    server.turn_end(&session, 1).await;
    assert_eq!(server.result(&session).await, "2");
    let events = server.events(&session).await;
    let seqs: Vec<_> = events.iter().filter_map(|e| e["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    let slow = events
        .iter()
        .filter(|e| e["body"]["text"] == "slowly")
        .count();
    assert_eq!(slow, 1);
}

async fn a_call_whose_sandbox_died_with_the_server_is_reported_not_repeated(runtime: &'static str) {
    let mut server = server(runtime);
    let session = server
        .play(json!([
            bash("true"),
            bash("echo begun; sleep 600"),
            { "say": "told: {{last_result}}" }
        ]))
        .await;
    server.until(&session, begins("echo begun")).await;
    server.kill9();
    server.kill_sandboxes();
    server.launch();
    let unknown = server.until(&session, is("tool.indeterminate")).await;
    assert_eq!(unknown["level"], "progress");
    server.turn_end(&session, 1).await;
    let result = server.result(&session).await;
    assert!(result.starts_with("told: "), "{result}");
    assert!(result.contains("Outcome unknown"), "{result}");
}

#[tokio::test]
async fn sessions_that_were_queued_or_thinking_go_on_after_a_restart() {
    let mut server = server("native");
    let mut sessions = Vec::new();
    let agent = server.agent("many", "test/script").await;
    for n in 0..20 {
        let text = script(json!([{ "delay_ms": 500, "say": format!("n{n}") }]));
        sessions.push(server.session(&agent, &text).await);
    }
    server.kill9();
    server.launch();
    for (n, session) in sessions.iter().enumerate() {
        server.turn_end(session, 1).await;
        assert_eq!(server.result(session).await, format!("n{n}"));
        let ends = server
            .events(session)
            .await
            .iter()
            .filter(|e| e["type"] == "turn.completed")
            .count();
        assert_eq!(ends, 1);
    }
}

#[tokio::test]
async fn a_drain_hands_over_within_its_time_and_a_restart_goes_on() {
    let mut server = server("native");
    let session = server
        .play(json!([
            bash("true"),
            bash("sleep 8; echo done"),
            { "say": "{{last_result}}" }
        ]))
        .await;
    server.until(&session, begins("sleep 8")).await;
    assert!(server.terminate(), "a drained server ends well");
    server.launch();
    server.turn_end(&session, 1).await;
    assert_eq!(server.result(&session).await, "done");
    let events = server.events(&session).await;
    assert_eq!(marks(&events).len(), 2);
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused_in_words() {
    let server = Server::start();
    let second = std::process::Command::new(Server::program())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(server.data.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success());
    assert!(said.contains("another server runs on"), "{said}");
}
