//! Model calls that are cut, or whose budget is lowered, while they run: each is
//! charged once, for what it was allowed or for what was seen of it, whatever
//! was said, lowered, closed or killed meanwhile.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{KEY, Server, Stream, is, script};

/// An answer that is given for a quarter of a minute, word by word.
fn slow() -> Value {
    json!({ "say": "word ".repeat(300), "chunks": 300, "chunk_ms": 50 })
}

/// An answer that takes a while, with a call.
fn while_calling(text: &str) -> Value {
    let call = json!([{ "tool": "bash", "args": { "command": format!("echo {text}") } }]);
    json!({ "say": "word ".repeat(40), "chunks": 40, "chunk_ms": 50, "call": call })
}

/// A question of so many tokens.
fn large(tokens: u64) -> String {
    script(json!([{ "say": "well", "tokens": { "in": tokens, "out": 10 } }]))
}

async fn start(server: &Server, agent: &str, limits: Value, steps: Value) -> String {
    let body = json!({ "agent": agent, "input": script(steps), "limits": limits });
    let started = server.post("/v3/sessions", body).await;
    started["session"]["id"].as_str().unwrap().to_owned()
}

/// Waits until the answer of a session comes, piece by piece.
async fn until_it_speaks(server: &Server, session: &str) {
    let path = format!("/v3/sessions/{session}/events?stream=sse&deltas=1&after=0");
    let request = server.http().get(server.at(&path)).bearer_auth(KEY);
    let mut stream = Stream::open(request).await;
    while let Some(frame) = stream.frame().await {
        if frame.starts_with("event: delta") {
            return;
        }
    }
    panic!("the stream ended first")
}

async fn limit(server: &Server, session: &str, tokens: u64) {
    let limits = json!({ "limits": { "tokens": tokens } });
    patch(server, &format!("/v3/sessions/{session}"), limits).await;
}

async fn patch(server: &Server, path: &str, body: Value) {
    let (status, answer) = server.send(Method::PATCH, path, Some(body)).await;
    assert!(status.is_success(), "{answer}");
}

/// Tokens that were charged for calls of a session that were cut.
async fn charged(server: &Server, session: &str) -> u64 {
    let events = server.events(session).await;
    let parts = events
        .iter()
        .filter_map(|e| e["body"]["charged"].as_object());
    parts
        .flat_map(|of| of.values().filter_map(Value::as_u64))
        .sum()
}

/// How often the model answered.
async fn answers(server: &Server, session: &str) -> usize {
    let events = server.events(session).await;
    events
        .iter()
        .filter(|e| e["type"] == "model.completed")
        .count()
}

async fn ends(server: &Server, session: &str, turn: usize, reason: &str) {
    let end = server.turn_end(session, turn).await;
    assert_eq!(end["body"]["yield_reason"], reason, "{end}");
}

/// The call of 10 tokens in and 30 out that a crash cut.
fn assert_whole(recovered: &Value) {
    let charged = &recovered["body"]["charged"];
    assert_eq!(charged["input_tokens"], 10, "{recovered}");
    assert_eq!(charged["output_tokens"], 30, "{recovered}");
}

#[tokio::test]
async fn a_steer_before_the_crash_does_not_hide_the_call_that_was_cut() {
    for (limit, cap) in [("70", "100000"), ("100000", "70")] {
        let mut server = Server::with(&[("OC_MAX_OUTPUT_TOKENS", "30")]);
        server.kill9();
        server.set("OC_ORG_TOKENS_PER_DAY", cap);
        server.launch();
        let agent = server.agent("spender", "test/script").await;
        let limits = json!({ "tokens": limit.parse::<u64>().unwrap() });
        let session = start(&server, &agent, limits, json!([slow()])).await;
        until_it_speaks(&server, &session).await;
        // What would be asked now does not fit any more.
        server.say(&session, &large(65)).await;
        server.kill9();
        server.launch();
        assert_whole(&server.until(&session, is("session.recovered")).await);
        ends(&server, &session, 1, "budget_exceeded").await;
        if cap == "70" {
            // 30 are left for those who share it.
            let other = server.session(&agent, &large(31)).await;
            ends(&server, &other, 1, "budget_exceeded").await;
            let other = server.session(&agent, &large(20)).await;
            ends(&server, &other, 1, "completed").await;
        }
    }
}

#[tokio::test]
async fn a_limit_lowered_before_the_crash_and_raised_after_it_is_not_passed() {
    let mut server = Server::with(&[("OC_MAX_OUTPUT_TOKENS", "30")]);
    let agent = server.agent("spender", "test/script").await;
    let limits = json!({ "tokens": 70 });
    let session = start(&server, &agent, limits, json!([slow()])).await;
    until_it_speaks(&server, &session).await;
    limit(&server, &session, 5).await;
    server.kill9();
    server.launch();
    assert_whole(&server.until(&session, is("session.recovered")).await);
    ends(&server, &session, 1, "budget_exceeded").await;
    limit(&server, &session, 70).await;
    server.say(&session, &large(31)).await;
    ends(&server, &session, 2, "budget_exceeded").await;
    server.say(&session, &large(20)).await;
    ends(&server, &session, 3, "completed").await;
}

#[tokio::test]
async fn a_call_is_charged_once_however_often_its_recovery_is_cut() {
    for point in ["append.begun:1", "append.durable:1"] {
        let mut server = Server::with(&[("OC_MAX_OUTPUT_TOKENS", "30")]);
        let agent = server.agent("spender", "test/script").await;
        let limits = json!({ "tokens": 70 });
        let session = start(&server, &agent, limits, json!([slow()])).await;
        until_it_speaks(&server, &session).await;
        server.say(&session, &large(65)).await;
        server.kill9();
        for _ in 0..2 {
            server.arm(point);
            server.launch();
            server.died();
        }
        server.disarm();
        server.launch();
        ends(&server, &session, 1, "budget_exceeded").await;
        assert_eq!(charged(&server, &session).await, 40, "{point}");
    }
}

/// Closes a session in the middle of an answer that holds all of a cap; another
/// one that waits for it goes on at once.
async fn gives_back(close: impl AsyncFn(&Server, &str)) -> (Server, String) {
    let server = Server::with(&[("OC_ORG_TOKENS_PER_DAY", "5000")]);
    let agent = server.agent("spender", "test/script").await;
    let first = start(&server, &agent, json!({}), json!([slow()])).await;
    until_it_speaks(&server, &first).await;
    let second = server.session(&agent, &large(20)).await;
    server.until(&second, is("turn.started")).await;
    close(&server, &first).await;
    ends(&server, &second, 1, "completed").await;
    // Most of the cap is there again.
    let third = server.session(&agent, &large(2000)).await;
    ends(&server, &third, 1, "completed").await;
    (server, first)
}

#[tokio::test]
async fn an_archived_session_gives_back_at_once_what_its_call_did_not_use() {
    let (server, session) = gives_back(async |server, first| {
        let path = format!("/v3/sessions/{first}/archive");
        server.post(&path, json!({})).await;
    })
    .await;
    let events = server.events(&session).await;
    let cut = events.iter().find(|e| e["type"] == "model.cut").unwrap();
    assert_eq!(cut["body"]["charged"]["input_tokens"], 10, "{cut}");
    let output = cut["body"]["charged"]["output_tokens"].as_u64().unwrap();
    assert!((1..=2000).contains(&output), "{cut}");
    // A stream that begins behind it is over, as one that ends before it.
    for from in [
        cut["seq"].as_u64().unwrap() - 1,
        cut["seq"].as_u64().unwrap(),
    ] {
        assert!(server.follow(&session, from).await.next().await.is_none());
    }
    let now = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(now["status"], "archived", "{now}");
    assert_eq!(now["usage"]["charged_tokens"], output + 10, "{now}");
}

#[tokio::test]
async fn an_erased_session_gives_back_at_once_what_its_call_did_not_use() {
    gives_back(async |server, first| {
        let path = format!("/v3/sessions/{first}");
        let (status, answer) = server.send(Method::DELETE, &path, None).await;
        assert!(status.is_success(), "{answer}");
    })
    .await;
}

/// Plays two calls of which the second is one too many: after the first began,
/// `lower` takes the budget away, and `raise` gives it back.
async fn stops_and_goes_on(
    server: &mut Server,
    agent: &str,
    lower: impl AsyncFn(&mut Server, &str),
    raise: impl AsyncFn(&mut Server, &str),
) {
    let steps = json!([while_calling("one"), { "say": "two" }]);
    let session = start(server, agent, json!({ "tokens": 1000 }), steps).await;
    until_it_speaks(server, &session).await;
    lower(server, &session).await;
    ends(server, &session, 1, "budget_exceeded").await;
    assert_eq!(answers(server, &session).await, 1, "no call more was made");
    let now = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(now["usage"]["tokens"], 20, "it is counted: {now}");
    server.say(&session, "and now?").await;
    ends(server, &session, 2, "budget_exceeded").await;
    raise(server, &session).await;
    server.say(&session, "go on").await;
    ends(server, &session, 3, "completed").await;
    assert_eq!(answers(server, &session).await, 2);
}

#[tokio::test]
async fn a_limit_lowered_below_what_is_spent_while_the_model_answers_stops_what_follows() {
    let mut server = Server::start();
    let agent = server.agent("spender", "test/script").await;
    let lower = async |server: &mut Server, session: &str| limit(server, session, 5).await;
    let raise = async |server: &mut Server, session: &str| limit(server, session, 1000).await;
    stops_and_goes_on(&mut server, &agent, lower, raise).await;
}

#[tokio::test]
async fn a_cap_of_the_agent_lowered_while_the_model_answers_stops_what_follows() {
    let mut server = Server::start();
    let agent = server.agent("spender", "test/script").await;
    let path = format!("/v3/agents/{agent}");
    let caps = |tokens: u64| json!({ "caps": { "tokens_per_day": tokens } });
    patch(&server, &path, caps(1000)).await;
    let lower = async |server: &mut Server, _: &str| patch(server, &path, caps(5)).await;
    let raise = async |server: &mut Server, _: &str| patch(server, &path, caps(1000)).await;
    stops_and_goes_on(&mut server, &agent, lower, raise).await;
}

#[tokio::test]
async fn a_cap_of_the_org_lowered_by_a_restart_stops_what_follows() {
    let mut server = Server::with(&[("OC_ORG_TOKENS_PER_DAY", "1000")]);
    let agent = server.agent("spender", "test/script").await;
    let restart = async |server: &mut Server, cap: &str| {
        server.kill9();
        server.set("OC_ORG_TOKENS_PER_DAY", cap);
        server.launch();
    };
    let steps = json!([{ "call": [{ "tool": "bash", "args": { "command": "echo 1" } }] }, slow()]);
    let session = start(&server, &agent, json!({}), steps).await;
    server.until(&session, is("exec.completed")).await;
    until_it_speaks(&server, &session).await;
    restart(&mut server, "15").await;
    ends(&server, &session, 1, "budget_exceeded").await;
    // All that was left of the thousand may have been used.
    assert_eq!(charged(&server, &session).await, 980);
    restart(&mut server, "1020").await;
    server.say(&session, &large(10)).await;
    ends(&server, &session, 2, "completed").await;
}
