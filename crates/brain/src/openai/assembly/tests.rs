//! What an answer becomes, event by event.

use serde_json::{Value, json};

use super::*;

fn assemble(events: &[Value]) -> (Result<Reply, ModelError>, Vec<Delta>) {
    let (deltas, mut said) = Deltas::new(64);
    let mut assembly = Assembly::new(&deltas);
    for event in events {
        match assembly.take(&event.to_string()) {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => return (Err(error), vec![]),
        }
    }
    let reply = assembly.finish();
    drop(deltas);
    let told = std::iter::from_fn(|| said.try_recv().ok()).collect();
    (reply, told)
}

fn done(item: Value) -> Value {
    json!({ "type": "response.output_item.done", "output_index": 0, "item": item })
}

fn call(id: &str, arguments: &str) -> Value {
    done(
        json!({ "type": "function_call", "id": "fc_1", "call_id": id, "name": "bash", "arguments": arguments, "status": "completed" }),
    )
}

fn message(text: &str) -> Value {
    done(
        json!({ "type": "message", "id": "msg_1", "role": "assistant", "content": [{ "type": "output_text", "text": text, "annotations": [] }] }),
    )
}

fn reasoning() -> Value {
    done(json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA==" }))
}

fn completed() -> Value {
    json!({ "type": "response.completed", "response": { "status": "completed",
        "usage": { "input_tokens": 10, "input_tokens_details": { "cached_tokens": 4 }, "output_tokens": 3 } } })
}

fn incomplete(reason: &str) -> Value {
    json!({ "type": "response.incomplete", "response": { "incomplete_details": { "reason": reason } } })
}

#[test]
fn a_whole_answer_is_put_together_with_what_is_not_known() {
    let novelty = json!({ "type": "novelty", "x": [1.5] });
    let delta = |kind: &str, text: &str| json!({ "type": kind, "delta": text });
    let events = [
        json!({ "type": "response.created", "response": { "id": "resp_1" } }),
        delta("response.reasoning_summary_text.delta", "hm"),
        reasoning(),
        delta("response.output_text.delta", "Hello"),
        message("Hello"),
        done(novelty.clone()),
        delta("response.function_call_arguments.delta", "{}"),
        call("call_1", "{\"a\":1}"),
        json!({ "type": "response.yet_to_come", "delta": { "odd": 1 } }),
        completed(),
    ];
    let (reply, told) = assemble(&events);
    let reply = reply.unwrap();
    let raw: Value = serde_json::from_str(&reply.raw).unwrap();
    assert_eq!(raw[0]["encrypted_content"], "gAAA==");
    assert_eq!(raw[2], novelty);
    assert_eq!((reply.text.as_str(), reply.stop), ("Hello", Stop::ToolUse));
    assert_eq!(reply.calls[0].id, "call_1");
    assert_eq!(reply.calls[0].input, json!({ "a": 1 }));
    let tokens = reply.usage.unwrap();
    assert_eq!((tokens.input, tokens.cache_read, tokens.output), (6, 4, 3));
    let want = [
        Delta::Thinking("hm".into()),
        Delta::Text("Hello".into()),
        Delta::ToolInput("{}".into()),
    ];
    assert_eq!(told, want);
}

#[test]
fn how_an_answer_ends_says_why_it_stopped() {
    let refusal =
        done(json!({ "type": "message", "content": [{ "type": "refusal", "refusal": "No." }] }));
    for (events, stop, text) in [
        (vec![message("a"), completed()], Stop::EndTurn, "a"),
        (vec![call("c", "{}"), completed()], Stop::ToolUse, ""),
        (vec![refusal, completed()], Stop::Refusal, "No."),
        (
            vec![message("a"), incomplete("max_output_tokens")],
            Stop::MaxTokens,
            "a",
        ),
        (vec![incomplete("content_filter")], Stop::Refusal, ""),
        (vec![incomplete("max_prompt_tokens")], Stop::ContextFull, ""),
    ] {
        let reply = assemble(&events).0.unwrap();
        assert_eq!(
            (reply.stop, reply.text.as_str()),
            (stop, text),
            "{events:?}"
        );
    }
}

#[test]
fn arguments_that_cannot_be_used_mark_their_call_and_can_be_sent_back() {
    for (arguments, end, unusable) in [
        ("", completed(), false),
        ("{}", completed(), false),
        ("[1]", completed(), true),
        ("{\"a\":", completed(), true),
        ("{\"a\":1}", incomplete("max_output_tokens"), true),
    ] {
        let reply = assemble(&[call("c", arguments), end]).0.unwrap();
        assert_eq!(reply.calls[0].unusable.is_some(), unusable, "{arguments}");
        assert!(reply.calls[0].input.is_object());
        let raw: Value = serde_json::from_str(&reply.raw).unwrap();
        let sent = raw[0]["arguments"].as_str().unwrap();
        assert!(sent.is_empty() || serde_json::from_str::<Value>(sent).unwrap().is_object());
    }
}

#[test]
fn reasoning_that_led_nowhere_is_not_sent_back() {
    let events = [message("a"), reasoning(), incomplete("max_output_tokens")];
    let reply = assemble(&events).0.unwrap();
    assert!(!reply.raw.contains("reasoning"), "{}", reply.raw);
    let kept = assemble(&[reasoning(), message("a"), completed()])
        .0
        .unwrap();
    assert!(kept.raw.contains("gAAA=="));
}

#[test]
fn what_cannot_be_read_breaks_the_attempt() {
    let fault = |code: &str| json!({ "type": "response.failed", "response": { "error": { "code": code, "message": "m" } } });
    for (event, kind) in [
        (json!("no event"), ErrorKind::Broken),
        (
            json!({ "type": "response.output_item.done" }),
            ErrorKind::Broken,
        ),
        (fault("server_error"), ErrorKind::Overloaded),
        (fault("rate_limit_exceeded"), ErrorKind::RateLimited),
        (fault("context_length_exceeded"), ErrorKind::ContextFull),
        (
            json!({ "type": "error", "code": "insufficient_quota", "message": "m" }),
            ErrorKind::Spend,
        ),
        (
            json!({ "type": "error", "error": { "type": "invalid_request_error" } }),
            ErrorKind::BadRequest,
        ),
        (incomplete("a_new_reason"), ErrorKind::Broken),
    ] {
        let error = assemble(std::slice::from_ref(&event)).0.unwrap_err();
        assert_eq!(error.kind, kind, "{event}");
    }
    let twice = [call("c", "{}"), call("c", "{}"), completed()];
    assert_eq!(assemble(&twice).0.unwrap_err().kind, ErrorKind::Broken);
}
