//! Budgets: what is reported as used never passes a cap, and nearly all of a
//! cap can be used.

use serde_json::{Value, json};

use crate::harness::{Server, is, script};

/// A script of many steps, each reporting 10 tokens in and 10 out.
fn steps(count: usize) -> Value {
    let step =
        |n| json!({ "call": [{ "tool": "bash", "args": { "command": format!("echo {n}") } }] });
    (0..count).map(step).collect()
}

async fn limited(server: &Server, tokens: u64, steps: Value) -> String {
    let agent = server.agent("spender", "test/script").await;
    let body = json!({ "agent": agent, "input": script(steps), "limits": { "tokens": tokens } });
    let started = server.post("/v3/sessions", body).await;
    started["session"]["id"].as_str().unwrap().to_owned()
}

/// Tokens that the answers of a session reported.
async fn used(server: &Server, session: &str) -> u64 {
    let events = server.events(session).await;
    let answers = events.iter().filter(|e| e["type"] == "model.completed");
    let usage = answers.map(|e| &e["body"]["usage"]);
    let parts = usage.flat_map(|usage| usage.as_object().unwrap().values());
    parts.filter_map(Value::as_u64).sum()
}

#[tokio::test]
async fn a_session_uses_nearly_all_of_its_tokens_and_never_more() {
    let server = Server::start();
    for most in [95, 100, 111] {
        let session = limited(&server, most, steps(20)).await;
        let end = server.turn_end(&session, 1).await;
        assert_eq!(end["body"]["yield_reason"], "budget_exceeded", "{end}");
        let used = used(&server, &session).await;
        assert!(used <= most, "{used} of {most}");
        assert!(used * 100 >= most * 95, "{used} of {most}");
        server.say(&session, "are you there?").await;
        let end = server.turn_end(&session, 2).await;
        assert_eq!(end["body"]["yield_reason"], "budget_exceeded", "{end}");
    }
}

#[tokio::test]
async fn sessions_that_share_a_cap_stay_within_it_together() {
    const CAP: u64 = 400;
    let server = Server::with(&[("OC_ORG_TOKENS_PER_DAY", "400")]);
    let agent = server.agent("spender", "test/script").await;
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(server.session(&agent, &script(steps(10))).await);
    }
    let mut all = 0;
    for session in &sessions {
        server.turn_end(session, 1).await;
        all += used(&server, session).await;
    }
    assert!(all <= CAP, "{all} of {CAP}");
    assert!(all * 100 >= CAP * 95, "{all} of {CAP}");
    let late = server.session(&agent, &script(steps(1))).await;
    let end = server.turn_end(&late, 1).await;
    assert_eq!(end["body"]["yield_reason"], "budget_exceeded", "{end}");
}

#[tokio::test]
async fn a_model_call_cut_by_a_crash_is_counted_at_its_worst() {
    let mut server = Server::with(&[
        ("OC_LEASE_SECONDS", "2"),
        ("OC_MAX_OUTPUT_TOKENS", "30"),
        ("OC_DRILL_POINT", "model.streaming:2"),
    ]);
    let slow = json!([{ "say": "a b c d e f", "chunks": 6, "chunk_ms": 50 }, { "say": "never" }]);
    let session = limited(&server, 70, slow).await;
    server.died();
    server.disarm();
    server.launch();
    let recovered = server.until(&session, is("session.recovered")).await;
    let charged = &recovered["body"]["charged"];
    assert_eq!(charged["input_tokens"], 10, "{recovered}");
    assert_eq!(charged["output_tokens"], 30, "{recovered}");
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    assert_eq!(
        used(&server, &session).await,
        20,
        "what was reported is all that is billed"
    );
    // 40 charged and 20 used leave 10, which is what another question costs.
    server.say(&session, "go on").await;
    let end = server.turn_end(&session, 2).await;
    assert_eq!(end["body"]["yield_reason"], "budget_exceeded", "{end}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_counts_and_is_asked_for_again_within_the_budget() {
    let server = Server::start();
    let steps = json!([
        { "fail": "drop", "say": "a b c d e f g h", "chunks": 4, "chunk_ms": 1 },
        { "say": "well" }
    ]);
    let session = limited(&server, 1000, steps).await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    let events = server.events(&session).await;
    let cut = events.iter().find(|e| e["type"] == "model.cut").unwrap();
    assert_eq!(cut["body"]["charged"]["input_tokens"], 10, "{cut}");
    assert!(
        cut["body"]["charged"]["output_tokens"].as_u64().unwrap() > 0,
        "{cut}"
    );
}
