//! What becomes of an engine's request.

use serde_json::json;
use session::{Item, ModelRef};

use super::*;
use crate::Purpose;

fn ask(model: &str, max_tokens: u32) -> Ask {
    let text = "hello".to_owned();
    Ask {
        model: ModelRef::parse(model, "native").unwrap(),
        system: "ours".into(),
        tools: session::tool::native().into(),
        items: vec![Item::User { seq: 1, text }],
        max_tokens,
        key: Some("sk-real".to_owned().into()),
        session: "s".into(),
        purpose: Purpose::Turn,
        metered: false,
    }
}

fn frame(body: &Value) -> Frame {
    let headers = [
        ("x-api-key", "osb_sealed_1"),
        ("authorization", "Bearer osb_sealed_1"),
        ("host", "192.0.2.1"),
        ("anthropic-beta", "a,b"),
    ];
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(name, HeaderValue::from_static(value));
    }
    Frame::read(&map, body.to_string().as_bytes()).unwrap()
}

fn sent(api: Api, frame: &Frame, ask: &Ask) -> Value {
    serde_json::from_slice(&frame.body(api, ask).unwrap()).unwrap()
}

#[test]
fn the_conversation_is_ours_and_the_rest_is_the_engines() {
    let body = json!({ "stream": true, "model": "x", "max_tokens": 99, "system": "theirs", "effort": "high",
        "tools": [{ "name": "t" }], "messages": [{ "role": "user", "content": "No response requested." }] });
    let frame = frame(&body);
    assert_eq!(frame.tools(), ["t"]);
    let ask = ask("claude-opus-5-5", 50);
    let sent = sent(Api::Messages, &frame, &ask);
    let text = json!([{ "type": "text", "text": "hello" }]);
    assert_eq!(
        sent["messages"],
        json!([{ "role": "user", "content": text }])
    );
    assert_eq!(
        (&sent["system"], &sent["effort"]),
        (&json!("theirs"), &json!("high"))
    );
    assert_eq!(
        (&sent["model"], &sent["max_tokens"]),
        (&json!("claude-opus-5-5"), &json!(50))
    );
}

#[test]
fn the_sealed_key_goes_no_further_than_the_door() {
    let frame = frame(&json!({ "stream": true }));
    let ask = ask("claude-opus-5-5", 50);
    let headers = frame.headers(Api::Messages, &ask).unwrap();
    assert_eq!(headers["x-api-key"], "sk-real");
    assert_eq!(headers["anthropic-beta"], "a,b");
    for name in ["authorization", "host"] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[test]
fn thinking_fits_into_the_answer() {
    for (most, want) in [
        (
            64_000,
            json!({ "type": "enabled", "budget_tokens": 31_999 }),
        ),
        (2000, json!({ "type": "enabled", "budget_tokens": 1999 })),
        (1024, json!({ "type": "disabled" })),
    ] {
        let thinking = json!({ "type": "enabled", "budget_tokens": 31_999 });
        let frame = frame(&json!({ "stream": true, "thinking": thinking }));
        let sent = sent(Api::Messages, &frame, &ask("claude-haiku-4-5", most));
        assert_eq!(sent["thinking"], want, "{most}");
    }
}

#[test]
fn instructions_at_the_head_of_a_conversation_stay_there() {
    let drawn = json!({ "id": "msg_1", "role": "developer", "content": "theirs" });
    let lead = json!({ "role": "developer", "content": "theirs" });
    let input = json!([drawn, { "role": "user", "content": "theirs" }, lead]);
    let frame = frame(&json!({ "stream": true, "input": input }));
    let sent = sent(Api::Responses, &frame, &ask("openai/gpt-5.5", 50));
    let ours = json!({ "role": "user", "content": "hello" });
    assert_eq!(sent["input"], json!([lead, ours]));
}

#[test]
fn only_a_stream_can_be_asked_for() {
    let headers = HeaderMap::new();
    for body in ["[]", "{}", r#"{"stream":false}"#] {
        assert!(Frame::read(&headers, body.as_bytes()).is_err(), "{body}");
    }
}
