//! Nothing hangs in silence: what is stuck is replaced, what waits says so, and
//! what goes in circles comes to an end.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, is};

fn bash(command: &str) -> Value {
    json!({ "call": [{ "tool": "bash", "args": { "command": command } }] })
}

#[tokio::test]
async fn a_run_that_does_not_move_is_replaced_and_the_session_says_so() {
    let server = Server::with(&[
        ("OC_LEASE_SECONDS", "2"),
        ("OC_DRILL_POINT", "model.streaming:1:wait=600000"),
    ]);
    let steps = json!([{ "say": "one two three", "chunks": 3, "chunk_ms": 10 }]);
    let session = server.play(steps).await;
    let recovered = server.until(&session, is("session.recovered")).await;
    assert_eq!(recovered["body"]["reason"], "stuck", "{recovered}");
    assert_eq!(recovered["level"], "progress");
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    assert_eq!(server.result(&session).await, "one two three");
}

#[tokio::test]
async fn a_run_that_panics_is_replaced_at_once_and_the_session_says_so() {
    // Between a call and its receipt: the new run finds what the sandbox kept.
    let mut server = Server::with(&[("OC_DRILL_POINT", "exec.finished:1:panic")]);
    let steps = json!([bash("echo once >> log; cat log"), { "say": "{{last_result}}" }]);
    let session = server.play(steps).await;
    let recovered = server.until(&session, is("session.recovered")).await;
    assert_eq!(recovered["body"]["reason"], "panicked", "{recovered}");
    assert_eq!(recovered["level"], "progress");
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    assert_eq!(
        server.result(&session).await,
        "once",
        "it was not run twice"
    );
    let events = server.events(&session).await;
    let lapses = events.iter().filter(|event| is("session.recovered")(event));
    assert_eq!(lapses.count(), 1, "{events:#?}");
    assert!(server.terminate(), "the server itself is well");
}

#[tokio::test]
async fn a_server_that_was_killed_says_that_it_went_on_and_one_that_drained_does_not() {
    let mut server = Server::with(&[("OC_LEASE_SECONDS", "2")]);
    let steps = json!([bash("echo begun; sleep 2; echo ended"), { "say": "done" }]);
    let killed = server.play(steps.clone()).await;
    server.until(&killed, is("tool.call")).await;
    server.kill9();
    server.launch();
    let recovered = server.until(&killed, is("session.recovered")).await;
    assert_eq!(recovered["body"]["reason"], "restarted", "{recovered}");
    server.turn_end(&killed, 1).await;

    let steps = json!([
        { "say": "slowly", "chunks": 100, "chunk_ms": 200, "call": [{ "tool": "bash", "args": { "command": "true" } }] },
        { "say": "done" }
    ]);
    let drained = server.play(steps).await;
    server.until(&drained, is("turn.started")).await;
    assert!(server.terminate());
    server.launch();
    let events = server.events(&drained).await;
    assert!(events.iter().any(is("session.handed_over")), "{events:#?}");
    let path = format!("/v3/sessions/{drained}/cancel");
    let (status, _) = server.send(Method::POST, &path, Some(json!({}))).await;
    assert!(status.is_success());
    server.turn_end(&drained, 1).await;
    let events = server.events(&drained).await;
    assert!(!events.iter().any(is("session.recovered")), "{events:#?}");
}

#[tokio::test]
async fn a_wait_that_lasts_is_told_once_with_what_comes_next() {
    let server = Server::with(&[("OC_WAITING_SECONDS", "1")]);
    let session = server
        .play(json!([bash("sleep 3"), { "say": "done" }]))
        .await;
    // On a busy machine the sandbox is waited on first.
    let tool =
        |event: &Value| event["type"] == "session.waiting" && event["body"]["what"] == "tool";
    let waiting = server.until(&session, tool).await;
    assert_eq!(waiting["level"], "progress");
    assert!(waiting["body"]["deadline"].is_number() || waiting["body"]["deadline"].is_string());
    assert!(waiting["body"]["next"].as_str().unwrap().len() > 10);
    server.turn_end(&session, 1).await;
    let events = server.events(&session).await;
    assert_eq!(events.iter().filter(|e| tool(e)).count(), 1, "{events:#?}");
}

#[tokio::test]
async fn a_model_that_is_asked_again_and_again_is_waited_on_in_the_open() {
    let server = Server::with(&[("OC_WAITING_SECONDS", "1")]);
    let steps = json!([{ "fail": 529, "retry_after": 3, "say": "at last" }]);
    let session = server.play(steps).await;
    let waiting = server.until(&session, is("session.waiting")).await;
    assert_eq!(waiting["body"]["what"], "retry", "{waiting}");
    server.turn_end(&session, 1).await;
    assert_eq!(server.result(&session).await, "at last");
}

#[tokio::test]
async fn a_pause_that_will_last_is_told_as_it_begins() {
    let server = Server::with(&[("OC_WAITING_SECONDS", "100")]);
    let session = server
        .play(json!([{ "fail": 429, "retry_after": 110, "say": "late" }]))
        .await;
    let waiting = server.until(&session, is("session.waiting")).await;
    assert_eq!(waiting["body"]["what"], "retry", "{waiting}");
    let shown = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(shown["waiting_on"]["what"], "retry", "{shown}");
}

#[tokio::test]
async fn a_loop_that_makes_no_progress_comes_to_an_end() {
    let server = Server::with(&[("OC_LOOP_AFTER", "3")]);
    let steps: Value = (0..20).map(|_| bash("echo same")).collect();
    let session = server.play(steps).await;
    let error = server.until(&session, is("error.task")).await;
    assert_eq!(error["body"]["code"], "no_progress", "{error}");
    let events = server.events(&session).await;
    let calls = events.iter().filter(|e| e["type"] == "exec.completed");
    assert_eq!(calls.count(), 4, "told at the third, ended by the fourth");
}

#[tokio::test]
async fn a_turn_at_its_deadline_goes_on_by_itself_as_often_as_allowed() {
    let server = Server::start();
    let agent = server.agent("slow", "test/script").await;
    let steps = json!([bash("sleep 60"), bash("sleep 60"), { "say": "never" }]);
    let body = json!({
        "agent": agent, "input": crate::harness::script(steps),
        "limits": { "turn_seconds": 1, "auto_continue": 1 },
    });
    let started = server.post("/v3/sessions", body).await;
    let session = started["session"]["id"].as_str().unwrap();
    for turn in 1..=2 {
        let end = server.turn_end(session, turn).await;
        assert_eq!(end["body"]["yield_reason"], "deadline_exceeded", "{end}");
    }
    let shown = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(
        shown["status"], "idle",
        "once is all that was allowed: {shown}"
    );
    let events = server.events(session).await;
    let went_on: Vec<_> = events
        .iter()
        .filter(|e| e["type"] == "session.continued")
        .collect();
    assert_eq!(went_on.len(), 1, "{events:#?}");
    assert_eq!(went_on[0]["body"]["of"], 1);
}

#[tokio::test]
async fn a_cancel_that_lands_while_a_late_call_is_stopped_ends_it_for_good() {
    let server = Server::with(&[("OC_DRILL_POINT", "turn.ending:1:wait=10000")]);
    let agent = server.agent("slow", "test/script").await;
    let steps = json!([bash("sleep 60"), { "say": "never" }]);
    let body = json!({
        "agent": agent, "input": crate::harness::script(steps),
        "limits": { "turn_seconds": 1, "auto_continue": 9 },
    });
    let started = server.post("/v3/sessions", body).await;
    let session = started["session"]["id"].as_str().unwrap();
    // The call is stopped at the deadline, and the end is not written yet.
    server.logged("held up by a drill").await;
    let path = format!("/v3/sessions/{session}/cancel");
    server.post(&path, json!({})).await;
    let end = server.turn_end(session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "canceled", "{end}");
    let shown = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(shown["status"], "idle", "{shown}");
    let events = server.events(session).await;
    assert!(!events.iter().any(is("session.continued")), "{events:#?}");
    let begun = events.iter().filter(|event| is("turn.started")(event));
    assert_eq!(begun.count(), 1, "{events:#?}");
}
