//! What the Messages API would refuse, and in which words.

use super::*;

fn check(messages: Value) -> Result<(), String> {
    let json = json!({ "model": "m", "max_tokens": 10, "messages": messages });
    let parsed: Body = serde_json::from_value(json).map_err(|error| error.to_string())?;
    body(&parsed).map_err(|fault| fault.message)
}

fn user(content: Value) -> Value {
    json!({ "role": "user", "content": content })
}

fn model(content: Value) -> Value {
    json!({ "role": "assistant", "content": content })
}

fn call(id: &str) -> Value {
    json!({ "type": "tool_use", "id": id, "name": "bash", "input": {} })
}

fn result(id: &str) -> Value {
    json!({ "type": "tool_result", "tool_use_id": id, "content": "ok" })
}

fn text() -> Value {
    json!({ "type": "text", "text": "t" })
}

#[test]
fn what_is_allowed_passes() {
    for messages in [
        json!([user(json!("hi"))]),
        json!([user(json!("a")), user(json!([text()]))]),
        json!([user(json!("a")), model(json!("b")), user(json!("c"))]),
        json!([
            user(json!("a")),
            model(json!([text(), call("x"), call("y")])),
            user(json!([result("y"), result("x"), text()]))
        ]),
        json!([
            user(json!("a")),
            model(json!([call("x")])),
            model(json!([text()])),
            user(json!([result("x")]))
        ]),
        json!([user(json!("a")), { "role": "system", "content": "note" }]),
    ] {
        assert_eq!(check(messages.clone()), Ok(()), "{messages}");
    }
}

#[test]
fn what_is_wrong_is_refused_in_words() {
    let (a, b) = (user(json!("a")), user(json!("b")));
    let calls = || model(json!([call("x"), call("y")]));
    for (messages, words) in [
        (json!([]), "at least one message"),
        (
            json!([model(json!("a"))]),
            "first message must use the user role",
        ),
        (
            json!([{ "role": "robot", "content": "a" }]),
            "first message",
        ),
        (
            json!([a, { "role": "robot", "content": "a" }]),
            "Unexpected role",
        ),
        (json!([user(json!(""))]), "non-whitespace"),
        (json!([user(json!([]))]), "non-empty"),
        (json!([user(json!(1))]), "string or a list"),
        (json!([user(json!([call("x")]))]), "cannot hold this block"),
        (
            json!([user(json!([{ "type": "odd" }]))]),
            "cannot hold this block",
        ),
        (
            json!([a, model(json!([result("x")])), b]),
            "cannot hold this block",
        ),
        (
            json!([
                a,
                model(json!([{ "type": "tool_use", "id": "x", "name": "n", "input": "s" }])),
                b
            ]),
            "an object",
        ),
        (
            json!([a, calls(), user(json!([result("x")]))]),
            "without `tool_result` blocks immediately after: y",
        ),
        (json!([a, calls(), b]), "without `tool_result`"),
        (json!([a, calls()]), "without `tool_result`"),
        (
            json!([
                a,
                calls(),
                user(json!([result("x"), result("y"), result("x")]))
            ]),
            "unexpected `tool_use_id`",
        ),
        (
            json!([a, calls(), user(json!([result("x"), text(), result("y")]))]),
            "must come first",
        ),
        (
            json!([user(json!([result("x")]))]),
            "unexpected `tool_use_id`",
        ),
        (
            json!([a, model(json!([call("x"), call("x")])), b]),
            "must be unique",
        ),
        (json!([a, model(json!("b"))]), "prefill"),
    ] {
        let got = check(messages.clone()).unwrap_err();
        assert!(got.contains(words), "{messages}: {got}");
    }
}

#[test]
fn the_frame_of_a_request_is_checked() {
    let marked = json!({ "type": "text", "text": "s", "cache_control": { "type": "ephemeral" } });
    let system = json!([marked, marked, marked, marked, marked]);
    for (request, words) in [
        (json!({ "max_tokens": 1 }), "model"),
        (json!({ "model": "m" }), "max_tokens: Field required"),
        (json!({ "model": "m", "max_tokens": -1 }), "greater"),
        (
            json!({ "model": "m", "max_tokens": 1, "system": system }),
            "maximum of 4",
        ),
        (
            json!({ "model": "m", "max_tokens": 1, "tools": [{}] }),
            "tools.0",
        ),
    ] {
        let parsed: Body = serde_json::from_value(request.clone()).unwrap();
        let got = body(&parsed).unwrap_err().message;
        assert!(got.contains(words), "{request}: {got}");
    }
    let mut sent = HeaderMap::new();
    assert_eq!(headers(&sent).unwrap_err().status, 401);
    sent.insert("x-api-key", "k".parse().unwrap());
    assert_eq!(headers(&sent).unwrap_err().status, 400);
    sent.insert("anthropic-version", "2023-06-01".parse().unwrap());
    assert_eq!(headers(&sent), Ok(()));
}

#[test]
fn thinking_must_come_back_as_it_was_after_what_it_was() {
    let seal_of = |messages: Value| {
        let json = json!({ "model": "m", "max_tokens": 1, "system": "s", "messages": messages });
        let parsed: Body = serde_json::from_value(json).unwrap();
        thinking(&parsed)
    };
    let signature = seal_of(json!([user(json!("a"))])).unwrap().sign("hm");
    let thought =
        |text: &str| json!({ "type": "thinking", "thinking": text, "signature": signature });
    let said = |text: &str| model(json!([thought(text)]));
    let whole = json!([{ "type": "text", "text": "a", "cache_control": { "type": "ephemeral" } }]);
    for (messages, good) in [
        (json!([user(json!("a")), said("hm")]), true),
        (json!([user(whole), said("hm"), user(json!("b"))]), true),
        (json!([user(json!("a")), said("hmm")]), false),
        (json!([user(json!("A")), said("hm")]), false),
        (
            json!([user(json!("a")), user(json!("b")), said("hm")]),
            false,
        ),
    ] {
        assert_eq!(seal_of(messages.clone()).is_ok(), good, "{messages}");
    }
}
