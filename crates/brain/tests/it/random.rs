//! Transcripts of all shapes are rendered into requests that are accepted.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use session::transcript::ToolResult;
use session::{Call, Item, Reply, Stop};

use crate::hall::{Hall, ask};

/// One thing in a transcript, before it is known which calls it may name.
#[derive(Debug, Clone)]
enum Piece {
    User(String),
    Note(String),
    Summary(String),
    Answer {
        text: String,
        calls: u8,
        pause: bool,
    },
    Results(u8),
    Stray,
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let text = || "[ a-zü\n\"<{]{0,8}";
    proptest::collection::vec(
        prop_oneof![
            text().prop_map(Piece::User),
            text().prop_map(Piece::Note),
            text().prop_map(Piece::Summary),
            (text(), 0..4u8, any::<bool>()).prop_map(|(text, calls, pause)| Piece::Answer {
                text,
                calls,
                pause
            }),
            any::<u8>().prop_map(Piece::Results),
            Just(Piece::Stray),
        ],
        0..12,
    )
}

/// The transcript of these pieces; `openai` says whose content answers hold.
fn items(pieces: &[Piece], openai: bool) -> Vec<Item> {
    let (mut items, mut open) = (Vec::new(), Vec::new());
    for (at, piece) in pieces.iter().enumerate() {
        match piece.clone() {
            Piece::User(text) => items.push(Item::User {
                seq: at as u64,
                text,
            }),
            Piece::Note(text) => items.push(Item::Note(text)),
            Piece::Summary(text) => items.push(Item::Summary { text, replies: 1 }),
            Piece::Answer { text, calls, pause } => {
                open = (0..calls).map(|n| format!("call_{at}_{n}")).collect();
                let stop = match pause && calls == 0 {
                    true => Stop::Pause,
                    false => Stop::EndTurn,
                };
                items.push(answer(&text, &open, stop, openai));
            }
            Piece::Results(which) => {
                let chosen = open.iter().enumerate();
                let chosen = chosen.filter(|(n, _)| which & (1 << n) != 0);
                items.extend(chosen.map(|(_, call)| result(call)));
            }
            Piece::Stray => items.push(result("call_of_old")),
        }
    }
    // A pause may stand at the end, but the rehearsal server never asks for one.
    if matches!(items.last(), Some(Item::Assistant(reply)) if reply.stop == Stop::Pause) {
        items.push(Item::Note("go on".into()));
    }
    items
}

fn answer(text: &str, calls: &[String], stop: Stop, openai: bool) -> Item {
    let mut content = Vec::new();
    if !text.trim().is_empty() {
        content.push(match openai {
            true => json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": text }] }),
            false => json!({ "type": "text", "text": text }),
        });
    }
    content.extend(calls.iter().map(|id| match openai {
        true => {
            json!({ "type": "function_call", "call_id": id, "name": "bash", "arguments": "{}" })
        }
        false => json!({ "type": "tool_use", "id": id, "name": "bash", "input": {} }),
    }));
    let call = |id: &String| Call {
        id: id.clone(),
        tool: "bash".into(),
        input: json!({}),
        unusable: None,
    };
    Item::Assistant(Arc::new(Reply {
        raw: Value::Array(content).to_string().into(),
        text: text.into(),
        calls: calls.iter().map(call).collect(),
        stop,
        usage: None,
        request_id: None,
    }))
}

fn result(call: &str) -> Item {
    Item::Result(ToolResult {
        call: call.into(),
        text: "r".into(),
        is_error: false,
    })
}

/// Transcripts that were refused once.
fn known() -> Vec<Vec<Piece>> {
    let answer = |text: &str, pause| Piece::Answer {
        text: text.into(),
        calls: 0,
        pause,
    };
    vec![vec![answer("a", true), answer("", false)]]
}

#[test]
fn any_transcript_is_accepted() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hall = runtime.block_on(Hall::open());
    let accepted = |pieces: Vec<Piece>| {
        for model in ["anthropic/claude-haiku-4-5", "openai/gpt-4.1"] {
            let items = items(&pieces, model.starts_with("openai"));
            let (reply, _) = runtime.block_on(hall.think(ask(model, items)));
            prop_assert!(reply.is_ok(), "{}: {:?}", model, reply);
        }
        Ok(())
    };
    for pieces in known() {
        accepted(pieces).unwrap();
    }
    let mut runner = TestRunner::new(Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    });
    runner.run(&pieces(), accepted).unwrap();
}
