//! What the Responses API would refuse, and in which words.

use serde_json::{Value, json};

use super::super::item::items;
use super::*;

fn check(input: Value) -> Result<(), String> {
    let json = json!({ "model": "m", "input": input });
    let parsed: Body = serde_json::from_value(json).map_err(|error| error.to_string())?;
    body(&parsed, &items(&parsed.input)).map_err(|fault| fault.message)
}

fn user() -> Value {
    json!({ "role": "user", "content": "hi" })
}

fn call(id: &str, call: &str) -> Value {
    json!({ "type": "function_call", "id": id, "call_id": call, "name": "bash", "arguments": "{}" })
}

fn output(call: &str) -> Value {
    json!({ "type": "function_call_output", "call_id": call, "output": "ok" })
}

fn reasoning(id: &str) -> Value {
    json!({ "type": "reasoning", "id": id, "summary": [], "encrypted_content": seal(id) })
}

#[test]
fn what_is_allowed_passes() {
    for input in [
        json!("hi"),
        json!([user()]),
        json!([{ "role": "developer", "content": "be kind" }, user()]),
        json!([{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] }]),
        json!([
            user(),
            call("", "a"),
            call("", "b"),
            output("b"),
            output("a")
        ]),
        json!([
            user(),
            reasoning("rs_1"),
            call("fc_reasoned", "a"),
            output("a"),
            user()
        ]),
    ] {
        assert_eq!(check(input.clone()), Ok(()), "{input}");
    }
}

#[test]
fn what_is_wrong_is_refused_in_words() {
    let mut forged = reasoning("rs_1");
    forged["encrypted_content"] = "made up".into();
    for (input, words) in [
        (json!([]), "'input'"),
        (json!([{ "role": "robot", "content": "x" }]), "role `robot`"),
        (json!([{ "type": "odd" }]), "type `odd`"),
        (
            json!([{ "role": "user", "content": "" }]),
            "without content",
        ),
        (
            json!([user(), { "type": "function_call", "call_id": "a", "name": "n" }]),
            "arguments",
        ),
        (
            json!([user(), output("a")]),
            "No tool call found for function call output with call_id a",
        ),
        (
            json!([user(), output("a"), call("", "a")]),
            "No tool call found",
        ),
        (
            json!([user(), call("", "a")]),
            "No tool output found for function call a",
        ),
        (
            json!([user(), call("", "a"), output("a"), output("a")]),
            "No tool call found",
        ),
        (
            json!([user(), forged, call("", "a"), output("a")]),
            "could not be verified",
        ),
        (
            json!([user(), reasoning("rs_1"), user()]),
            "required following item",
        ),
        (
            json!([user(), call("fc_reasoned", "a"), output("a")]),
            "required 'reasoning' item",
        ),
    ] {
        let got = check(input.clone()).unwrap_err();
        assert!(got.contains(words), "{input}: {got}");
    }
}

#[test]
fn the_frame_of_a_request_is_checked() {
    for (request, words) in [
        (json!({ "input": "a" }), "'model'"),
        (json!({ "model": "m" }), "'input'"),
        (
            json!({ "model": "m", "input": "a", "max_output_tokens": 3 }),
            ">= 16",
        ),
        (
            json!({ "model": "m", "input": "a", "tools": [{ "type": "function" }] }),
            "tools[0]",
        ),
    ] {
        let parsed: Body = serde_json::from_value(request.clone()).unwrap();
        let got = body(&parsed, &items(&parsed.input)).unwrap_err().message;
        assert!(got.contains(words), "{request}: {got}");
    }
    let mut sent = HeaderMap::new();
    assert_eq!(headers(&sent).unwrap_err().status, 401);
    sent.insert("authorization", "Bearer k".parse().unwrap());
    assert_eq!(headers(&sent), Ok(()));
}
