//! What an answer becomes, event by event.

use serde_json::{Value, json};

use super::*;
use crate::ErrorKind;

fn assemble(events: &[Value]) -> (Result<Reply, ModelError>, Vec<Delta>) {
    let (deltas, mut said) = Deltas::new(64);
    let mut assembly = Assembly::new(&deltas);
    let mut complete = false;
    for event in events {
        match assembly.take(&event.to_string()) {
            Ok(done) => complete |= done,
            Err(error) => return (Err(error), vec![]),
        }
    }
    assert!(complete, "no message_stop");
    let reply = assembly.finish();
    drop(deltas);
    let told = std::iter::from_fn(|| said.try_recv().ok()).collect();
    (reply, told)
}

fn start(index: u64, block: Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

fn delta(index: u64, delta: Value) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": delta })
}

fn end(reason: &str) -> [Value; 2] {
    let delta = json!({ "stop_reason": reason, "stop_sequence": null });
    [
        json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 7 } }),
        json!({ "type": "message_stop" }),
    ]
}

fn tool(id: &str, pieces: &[&str]) -> Vec<Value> {
    let block = json!({ "type": "tool_use", "id": id, "name": "bash", "input": {} });
    let piece = |json: &&str| {
        delta(
            0,
            json!({ "type": "input_json_delta", "partial_json": json }),
        )
    };
    std::iter::once(start(0, block))
        .chain(pieces.iter().map(piece))
        .collect()
}

#[test]
fn a_whole_answer_is_put_together_with_what_is_not_known() {
    let usage = json!({ "input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 1 });
    let mut events = vec![
        json!({ "type": "message_start", "message": { "id": "m", "usage": usage } }),
        json!({ "type": "ping" }),
        start(
            0,
            json!({ "type": "thinking", "thinking": "", "signature": "" }),
        ),
        delta(0, json!({ "type": "thinking_delta", "thinking": "hm" })),
        delta(0, json!({ "type": "thinking_delta", "thinking": "m" })),
        delta(0, json!({ "type": "signature_delta", "signature": "SiG=" })),
        json!({ "type": "content_block_stop", "index": 0 }),
        start(1, json!({ "type": "redacted_thinking", "data": "xyz" })),
        start(2, json!({ "type": "text", "text": "" })),
        delta(2, json!({ "type": "text_delta", "text": "Hel" })),
        delta(2, json!({ "type": "text_delta", "text": "lo" })),
        delta(
            2,
            json!({ "type": "citations_delta", "citation": { "cited": 1 } }),
        ),
        start(
            3,
            json!({ "type": "novelty", "deep": { "x": [1.50] }, "content": null }),
        ),
        delta(3, json!({ "type": "novelty_delta", "content": "new" })),
        start(4, json!({ "type": "text", "text": "" })),
        delta(4, json!({ "type": "text_delta", "text": " \n" })),
        json!({ "type": "yet_to_come", "content": 1 }),
    ];
    events.extend(end("end_turn"));
    let (reply, told) = assemble(&events);
    let reply = reply.unwrap();
    let want = json!([
        { "type": "thinking", "thinking": "hmm", "signature": "SiG=" },
        { "type": "redacted_thinking", "data": "xyz" },
        { "type": "text", "text": "Hello", "citations": [{ "cited": 1 }] },
        { "type": "novelty", "deep": { "x": [1.5] }, "content": "new" },
    ]);
    assert_eq!(serde_json::from_str::<Value>(&reply.raw).unwrap(), want);
    assert_eq!((reply.text.as_str(), reply.stop), ("Hello", Stop::EndTurn));
    let tokens = reply.usage.unwrap();
    assert_eq!((tokens.input, tokens.output, tokens.cache_read), (5, 7, 3));
    assert!(told.contains(&Delta::Thinking("hm".into())));
    assert!(told.contains(&Delta::Text("lo".into())));
}

#[test]
fn inputs_keep_their_exact_text() {
    let mut events = tool(
        "a",
        &[
            "{\"n\": 1.",
            "50, \"z\":1,",
            "\"a\":12345678901234567890123}",
        ],
    );
    events.extend(end("tool_use"));
    let reply = assemble(&events).0.unwrap();
    let input = r#""input":{"n": 1.50, "z":1,"a":12345678901234567890123}"#;
    assert!(reply.raw.contains(input), "{}", reply.raw);
    assert_eq!(reply.calls[0].input["n"], json!(1.5));
    assert_eq!(reply.stop, Stop::ToolUse);
}

#[test]
fn an_input_that_cannot_be_used_marks_its_call_and_can_be_sent_back() {
    for (pieces, reason, unusable) in [
        (vec![], "tool_use", false),
        (vec![""], "tool_use", false),
        (vec!["{}"], "tool_use", false),
        (vec!["{\"a\":"], "tool_use", true),
        (vec!["[1]"], "tool_use", true),
        (vec!["nonsense"], "end_turn", true),
        (vec!["{\"command\":\"rm -r"], "max_tokens", true),
        (vec!["{\"command\":\"ls\"}"], "max_tokens", true),
        (
            vec!["{\"command\":\"ls\"}"],
            "model_context_window_exceeded",
            true,
        ),
    ] {
        let mut events = tool("a", &pieces);
        events.extend(end(reason));
        let reply = assemble(&events).0.unwrap();
        assert_eq!(reply.calls[0].unusable.is_some(), unusable, "{pieces:?}");
        let raw: Value = serde_json::from_str(&reply.raw).unwrap();
        assert!(raw[0]["input"].is_object(), "{pieces:?}: {raw}");
    }
}

#[test]
fn a_cut_spares_the_calls_that_were_complete() {
    let mut events = tool("a", &["{}"]);
    let second = json!({ "type": "tool_use", "id": "b", "name": "bash", "input": {} });
    events.push(start(1, second));
    events.extend(end("max_tokens"));
    let calls = assemble(&events).0.unwrap().calls;
    let unusable: Vec<_> = calls.iter().map(|call| call.unusable.is_some()).collect();
    assert_eq!(unusable, [false, true]);
}

#[test]
fn every_reason_to_stop_is_known() {
    for (reason, want) in [
        ("end_turn", Stop::EndTurn),
        ("stop_sequence", Stop::EndTurn),
        ("max_tokens", Stop::MaxTokens),
        ("tool_use", Stop::ToolUse),
        ("pause_turn", Stop::Pause),
        ("refusal", Stop::Refusal),
        ("model_context_window_exceeded", Stop::ContextFull),
        ("yet_to_come", Stop::EndTurn),
    ] {
        let reply = assemble(&end(reason)).0.unwrap();
        assert_eq!((reply.stop, &*reply.raw), (want, "[]"), "{reason}");
    }
}

#[test]
fn what_cannot_be_read_breaks_the_attempt() {
    let twice = [
        tool("a", &[]),
        vec![start(
            1,
            json!({ "type": "tool_use", "id": "a", "name": "x" }),
        )],
    ];
    for (events, kind) in [
        (vec![json!("no event")], ErrorKind::Broken),
        (
            vec![json!({ "type": "content_block_start" })],
            ErrorKind::Broken,
        ),
        (vec![delta(3, json!({ "text": "x" }))], ErrorKind::Broken),
        (twice.concat(), ErrorKind::Broken),
        (tool("", &[]), ErrorKind::Broken),
        (
            vec![
                json!({ "type": "error", "error": { "type": "overloaded_error", "message": "m" } }),
            ],
            ErrorKind::Overloaded,
        ),
        (
            vec![json!({ "type": "error", "error": { "type": "invalid_request_error" } })],
            ErrorKind::BadRequest,
        ),
    ] {
        let all: Vec<_> = events.iter().cloned().chain(end("tool_use")).collect();
        let error = assemble(&all).0.unwrap_err();
        assert_eq!(error.kind, kind, "{events:?}");
    }
}
