//! Steering a session that runs: messages join, interrupts cut, cancels stop.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, each_runtime, is, script};

each_runtime!(
    a_message_joins_the_running_turn_at_its_next_model_call,
    an_interrupt_cuts_the_command_that_runs,
    a_cancel_cuts_a_model_that_is_answering,
    deltas_are_streamed_as_named_frames_and_never_logged,
);

fn wait_for_file(file: &str) -> Value {
    json!({ "call": [{ "tool": "bash", "args": { "command": format!("until [ -e {file} ]; do sleep 0.02; done; echo seen") } }] })
}

async fn a_message_joins_the_running_turn_at_its_next_model_call(runtime: &'static str) {
    let server = Server::of(runtime);
    let session = server
        .play(json!([
            { "call": [{ "tool": "bash", "args": { "command": "sleep 1" } }] },
            { "say": "the newest was: {{last_user}}" }
        ]))
        .await;
    server.until(&session, is("tool.call")).await;
    let answer = server.say(&session, "and be quick").await;
    assert_eq!(answer["session"]["status"], "running");
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed");
    let row = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(
        row["status"], "idle",
        "the message was taken by the turn: {row}"
    );
    assert_eq!(row["input_cursor"], answer["event"]["seq"]);
}

async fn an_interrupt_cuts_the_command_that_runs(runtime: &'static str) {
    let server = Server::of(runtime);
    let session = server
        .play(json!([
            { "call": [{ "tool": "bash", "args": { "command": "echo begun; sleep 600" } },
                       { "tool": "bash", "args": { "command": "echo never" } }] },
            { "say": "one" }, { "say": "two" }
        ]))
        .await;
    server.until(&session, is("tool.call")).await;
    let path = format!("/v3/sessions/{session}/messages");
    server
        .post(
            &path,
            json!({ "text": script(json!([{ "say": "stopped" }])), "interrupt": true }),
        )
        .await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    assert_eq!(server.result(&session).await, "stopped");
    let events = server.events(&session).await;
    let calls = events.iter().filter(|e| e["type"] == "tool.call").count();
    assert_eq!(calls, 1, "the second call never began");
}

#[tokio::test]
async fn a_cancel_stops_a_command_and_its_children_and_keeps_what_it_printed() {
    let server = Server::start();
    let session = server
        .play(json!([
            { "call": [{ "tool": "bash", "args": { "command": "echo begun; (setsid sleep 600 &) ; sleep 600" } }] },
            { "say": "never" }
        ]))
        .await;
    server.until(&session, is("tool.call")).await;
    let path = format!("/v3/sessions/{session}/cancel");
    let (status, _) = server.send(Method::POST, &path, None).await;
    assert!(status.is_success());
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "canceled");
    let (again, row) = server.send(Method::POST, &path, None).await;
    assert!(again.is_success(), "a second cancel is no error");
    assert_eq!(row["status"], "idle");
    server
        .say(
            &session,
            &script(json!([
                { "call": [{ "tool": "bash", "args": { "command": "pgrep -c sleep || true" } }] },
                { "say": "{{last_result}}" }
            ])),
        )
        .await;
    server.turn_end(&session, 2).await;
    assert_eq!(
        server.result(&session).await,
        "0",
        "no child of the canceled command lives"
    );
}

async fn a_cancel_cuts_a_model_that_is_answering(runtime: &'static str) {
    let server = Server::of(runtime);
    let session = server.play(json!([{ "fail": "hang" }])).await;
    server.until(&session, is("turn.started")).await;
    server
        .send(
            Method::POST,
            &format!("/v3/sessions/{session}/cancel"),
            None,
        )
        .await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "canceled");
}

#[tokio::test]
async fn an_archived_session_takes_no_more_and_runs_no_more() {
    let server = Server::start();
    let session = server
        .play(json!([wait_for_file("never"), { "say": "never" }]))
        .await;
    server.until(&session, is("tool.call")).await;
    let archive = format!("/v3/sessions/{session}/archive");
    let (status, row) = server.send(Method::POST, &archive, None).await;
    assert_eq!(
        (status.as_u16(), row["status"].as_str()),
        (200, Some("archived"))
    );
    let (again, _) = server.send(Method::POST, &archive, None).await;
    assert!(again.is_success());
    let (refused, error) = server
        .send(
            Method::POST,
            &format!("/v3/sessions/{session}/messages"),
            Some(json!({ "text": "hello?" })),
        )
        .await;
    assert_eq!(refused.as_u16(), 409, "{error}");
    // The stream of an archived session ends by itself.
    let mut stream = server.follow(&session, 0).await;
    let mut last = Value::Null;
    while let Some(event) = stream.next().await {
        last = event;
    }
    assert_eq!(last["type"], "session.archived");
}

#[tokio::test]
async fn a_repeated_key_says_a_message_once() {
    let server = Server::start();
    let session = server.play(json!([{ "say": "one" }])).await;
    server.turn_end(&session, 1).await;
    let path = format!("/v3/sessions/{session}/messages");
    let body = json!({ "text": "hello", "idempotency_key": "k1" });
    let (first, a) = server.send(Method::POST, &path, Some(body.clone())).await;
    let (second, b) = server.send(Method::POST, &path, Some(body)).await;
    assert_eq!((first.as_u16(), second.as_u16()), (202, 200));
    assert_eq!(a["event"], b["event"]);
    server.turn_end(&session, 2).await;
    let events = server.events(&session).await;
    let said = events
        .iter()
        .filter(|e| e["body"]["text"] == "hello")
        .count();
    assert_eq!(said, 1);
}

#[tokio::test]
async fn one_message_sent_sixteen_times_at_once_is_said_once() {
    let server = Server::start();
    let session = server.play(json!([wait_for_file("never")])).await;
    server.until(&session, is("tool.call")).await;
    let path = format!("/v3/sessions/{session}/messages");
    let body = json!({ "text": "hello", "idempotency_key": "k1" });
    let one = || server.send(Method::POST, &path, Some(body.clone()));
    let all = futures::future::join_all((0..16).map(|_| one())).await;
    let new = all.iter().filter(|(status, _)| status.as_u16() == 202);
    let replays = all.iter().filter(|(status, _)| status.as_u16() == 200);
    assert_eq!((new.count(), replays.count()), (1, 15), "{all:#?}");
    assert!(
        all.iter()
            .all(|(_, answer)| answer["event"] == all[0].1["event"])
    );
    let events = server.events(&session).await;
    let said = events.iter().filter(|e| e["body"]["text"] == "hello");
    assert_eq!(said.count(), 1, "{events:#?}");
}

async fn deltas_are_streamed_as_named_frames_and_never_logged(runtime: &'static str) {
    let server = Server::of(runtime);
    let agent = server.agent("talker", "test/script").await;
    let session = server.session(&agent, "hello").await;
    server.turn_end(&session, 1).await;
    let head = server.events(&session).await.len() as u64;
    let path = format!("/v3/sessions/{session}/events?stream=sse&deltas=1&after={head}");
    let request = server
        .http()
        .get(server.at(&path))
        .bearer_auth(crate::harness::KEY);
    let mut stream = crate::harness::Stream::open(request).await;
    server
        .say(
            &session,
            &script(json!([{ "say": "one two three four", "chunks": 4, "chunk_ms": 30 }])),
        )
        .await;
    let (mut text, mut deltas) = (String::new(), 0);
    loop {
        let frame = stream.frame().await.expect("the stream goes on");
        let data = frame
            .lines()
            .find_map(|line| line.strip_prefix("data: "))
            .unwrap_or("{}");
        let data: Value = serde_json::from_str(data).unwrap();
        if frame.starts_with("event: delta") {
            assert!(!frame.contains("\nid:"), "a delta has no id: {frame}");
            // Behind an API a rehearsal thinks aloud, too.
            if data["kind"] == "text" {
                text.push_str(data["text"].as_str().unwrap());
                deltas += 1;
            }
        } else if data["type"] == "turn.completed" {
            break;
        }
    }
    assert_eq!((text.as_str(), deltas > 1), ("one two three four", true));
    let logged = server.events(&session).await;
    assert!(logged.iter().all(|e| e["type"] != "delta"));
}
