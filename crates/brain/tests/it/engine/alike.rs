//! An engine is a cache: whether it lives on or is made anew, the model is
//! asked the same.

use serde_json::{Value, json};

use crate::hall::KEY;
use crate::suite::table::{Table, call};

/// What a model is told by a request: everything that signed thinking is bound
/// to, and how the answer is to be given.
fn told(request: &Value) -> Value {
    let body = &request["body"];
    json!({ "messages": body["messages"], "system": body["system"], "tools": body["tools"],
        "input": body["input"], "instructions": body["instructions"],
        "thinking": body["thinking"], "model": body["model"], "most": body["max_tokens"] })
}

/// A conversation of many forms; the engine is killed before each thought if
/// `deadly`.
async fn conversation(table: &mut Table, deadly: bool) {
    table.play(json!([
        { "say": "both", "call": [call("1"), call("2")] },
        { "say": "middle", "call": [{ "tool": "Nonsense", "args": {} }] },
        { "call": [{ "tool": "ask", "args": { "text": "which?" } }] },
        { "say": "end" },
    ]));
    let steps = [
        ("go on", 0),
        ("", 2),
        ("a steer", 1),
        ("/answer", 1),
        ("next turn", 0),
    ];
    for (at, (said, results)) in steps.into_iter().enumerate() {
        for at in 0..results {
            table.result(at, &"a result\n".repeat(3));
        }
        if !said.is_empty() {
            table.say(said);
        }
        if deadly && at > 0 {
            table.stage().kill();
        }
        table.think().await;
    }
}

pub async fn a_new_engine_asks_what_the_old_one_would_have(runtime: &str, model: &'static str) {
    let mut asked = Vec::new();
    for deadly in [false, true] {
        let mut table = Table::engine(runtime, model).await;
        conversation(&mut table, deadly).await;
        // One death may come when the engine has asked already: of a tool that is
        // not there, it knows the result by itself.
        let starts = if deadly { 4..=5 } else { 1..=1 };
        assert!(starts.contains(&table.stage().starts()));
        let log = table.hall.log().await;
        assert_eq!(log.len(), 5, "something else was asked");
        asked.push(log.iter().map(told).collect::<Vec<_>>());
    }
    for (old, new) in asked[0].iter().zip(&asked[1]) {
        assert_eq!(old, new);
    }
}

pub async fn a_model_is_told_nothing_but_the_conversation(runtime: &str, model: &'static str) {
    let mut by_engine = Table::engine(runtime, model).await;
    conversation(&mut by_engine, true).await;
    let mut by_us = Table::remote(model).await;
    conversation(&mut by_us, false).await;
    let (engines, ours) = (by_engine.hall.log().await, by_us.hall.log().await);
    assert_eq!(engines.len(), ours.len());
    for (engine, our) in engines.iter().zip(&ours) {
        assert_eq!(shape(engine), shape(our));
        let text = engine.to_string();
        assert!(!text.contains("osb_sealed_"), "a sealed key went on");
        assert!(text.contains(KEY), "the real key did not arrive");
        assert!(
            text.contains("You are a test."),
            "the system prompt is lost"
        );
    }
}

/// The conversation of a request, without what the model itself signed or
/// named: that depends on the engine's own preamble.
pub fn shape(request: &Value) -> Value {
    let mut messages = match &request["body"]["messages"] {
        Value::Null => request["body"]["input"].clone(),
        messages => messages.clone(),
    };
    let signed = ["signature", "data", "encrypted_content", "id", "call_id"];
    let mut open = vec![&mut messages];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(values) => {
                values.retain(|value| value["role"] != "developer");
                open.extend(values);
            }
            Value::Object(fields) => {
                for name in signed {
                    fields.remove(name);
                }
                open.extend(fields.values_mut());
            }
            _ => {}
        }
    }
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_asks_the_same_after_a_death() {
    a_new_engine_asks_what_the_old_one_would_have("claude", "anthropic/claude-opus-5-5").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_says_nothing_of_its_own() {
    a_model_is_told_nothing_but_the_conversation("claude", "anthropic/claude-opus-5-5").await;
    // A model that is known to think with a budget.
    a_model_is_told_nothing_but_the_conversation("claude", "anthropic/claude-haiku-4-5").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_counts_from_the_next_call_on() {
    for (runtime, model) in [
        ("claude", "anthropic/claude-opus-5-5"),
        ("codex", "openai/gpt-5.5"),
    ] {
        let mut table = Table::engine(runtime, model).await;
        for key in [KEY, "sk-test-rotated", "sk-test-again"] {
            table.say("hello");
            let mut ask = table.ask();
            ask.key = Some(key.to_owned().into());
            let reply = table.try_think(ask).await.0.unwrap();
            table.items.push(session::Item::Assistant(reply.into()));
            let log = table.hall.log().await;
            let sent = log.last().unwrap()["headers"].to_string();
            assert!(sent.contains(key), "{runtime}: {sent}");
        }
        assert_eq!(table.stage().starts(), 1, "{runtime}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codex_asks_the_same_after_a_death() {
    a_new_engine_asks_what_the_old_one_would_have("codex", "openai/gpt-5.5").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codex_says_nothing_of_its_own() {
    a_model_is_told_nothing_but_the_conversation("codex", "openai/gpt-5.5").await;
}
