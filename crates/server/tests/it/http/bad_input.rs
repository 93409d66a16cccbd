//! Bad input: each gets a clear refusal that names what is wrong, and nothing of
//! the request has happened.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{id, refused, rested};
use crate::harness::{KEY, PATIENCE, Server};

/// A body that need not be JSON, with whatever Content-Type.
async fn raw(
    server: &Server,
    path: &str,
    kind: Option<&str>,
    body: Vec<u8>,
) -> (StatusCode, Value) {
    let mut request = server
        .http()
        .post(server.at(path))
        .bearer_auth(KEY)
        .body(body)
        .timeout(PATIENCE);
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn json_is_read_whatever_the_content_type_says() {
    let server = Server::start();
    for (n, kind) in [
        None,
        Some("application/x-www-form-urlencoded"),
        Some("text/plain"),
        Some("x"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({ "name": format!("a{n}"), "model": "test/demo", "prompt": "p" });
        let (status, answer) =
            raw(&server, "/v3/agents", kind, body.to_string().into_bytes()).await;
        assert_eq!(status, StatusCode::CREATED, "{kind:?}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_as_such() {
    let server = Server::start();
    let deep = format!("{{\"metadata\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    let huge = format!("{{\"prompt\":\"{}\"}}", "x".repeat(3 << 20));
    let table: [(&[u8], u16, &str); 9] = [
        (b"", 400, "invalid"),
        (b"{", 400, "invalid"),
        (b"name=x&prompt=y", 400, "invalid"),
        (b"{\"name\":\"\xff\"}", 400, "invalid"),
        (b"{\"name\":\"\\ud800\"}", 400, "invalid"),
        (b"[]", 422, "invalid"),
        (b"\"text\"", 422, "invalid"),
        (deep.as_bytes(), 400, "invalid"),
        (huge.as_bytes(), 413, "too_large"),
    ];
    for path in ["/v3/agents", "/v3/sessions", "/v3/credentials"] {
        for (body, want, code) in table {
            let (status, answer) = raw(&server, path, None, body.to_vec()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            assert_eq!(
                (status.as_u16(), &answer["error"]["code"]),
                (want, &json!(code)),
                "{path} {shown}: {answer}"
            );
        }
    }
    let (_, answer) = raw(&server, "/v3/agents", None, huge.into_bytes()).await;
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("2097152"),
        "{answer}"
    );
}

/// Sends each change of a good request; each must be refused with its field
/// named, and nothing may have happened.
async fn each_is_named(server: &Server, path: &str, good: Value, table: &[(Value, &str, &str)]) {
    let before = count(server).await;
    for (change, param, code) in table {
        let mut body = good.clone();
        merge(&mut body, change.clone());
        let error = refused(server, Method::POST, path, Some(body), 422).await;
        let got = (error["param"].as_str(), error["code"].as_str());
        assert_eq!(got, (Some(*param), Some(*code)), "{path} {change}: {error}");
    }
    assert_eq!(count(server).await, before, "nothing was half done");
}

#[tokio::test]
async fn a_wrong_field_of_an_agent_is_named() {
    let server = Server::start();
    let good = json!({ "name": "x", "model": "test/demo", "prompt": "p" });
    let table = [
        (json!({ "name": null }), "name", "invalid"),
        (json!({ "name": 5 }), "name", "invalid"),
        (json!({ "name": "" }), "name", "invalid"),
        (json!({ "name": "a\u{0}b" }), "name", "invalid"),
        (json!({ "name": "n".repeat(500) }), "name", "invalid"),
        (json!({ "prompt": null }), "prompt", "invalid"),
        (json!({ "prompt": " " }), "prompt", "invalid"),
        (json!({ "model": null }), "model", "invalid"),
        (json!({ "model": "acme/one" }), "model", "invalid"),
        (json!({ "model": "anthropic/" }), "model", "invalid"),
        (json!({ "runtime": "pi" }), "runtime", "not_supported"),
        (
            json!({ "runtime": "mine" }),
            "runtime",
            "runtime_unavailable",
        ),
        (
            json!({ "limits": { "tokens": 0 } }),
            "limits.tokens",
            "invalid",
        ),
        (
            json!({ "limits": { "turns": 1.5 } }),
            "limits.turns",
            "invalid",
        ),
        (json!({ "limits": "many" }), "limits", "invalid"),
        (json!({ "limits": [5] }), "limits", "invalid"),
        (
            json!({ "credential": "cred_none" }),
            "credential",
            "invalid",
        ),
        (
            json!({ "key": "k", "credential": "managed" }),
            "key",
            "invalid",
        ),
        (json!({ "key": "two\nlines" }), "key", "invalid"),
    ];
    each_is_named(&server, "/v3/agents", good, &table).await;
}

#[tokio::test]
async fn a_wrong_field_of_a_session_is_named() {
    let server = Server::start();
    let agent = server.agent("there", "test/script").await;
    let good = json!({ "agent": agent, "input": "x" });
    let plain = "http://example.com";
    let table = [
        (json!({ "agent": null }), "agent", "invalid"),
        (json!({ "input": null }), "input", "invalid"),
        (json!({ "input": "" }), "input", "invalid"),
        (json!({ "input": 5 }), "input", "invalid"),
        (json!({ "input": { "raw": 1 } }), "input.text", "invalid"),
        (json!({ "input": { "text": 1 } }), "input.text", "invalid"),
        (json!({ "model": "acme/one" }), "model", "invalid"),
        (
            json!({ "limits": { "turn_seconds": -1 } }),
            "limits.turn_seconds",
            "invalid",
        ),
        (json!({ "metadata": [] }), "metadata", "invalid"),
        (
            json!({ "metadata": { "a": "x".repeat(17 * 1024) } }),
            "metadata",
            "invalid",
        ),
        (json!({ "key": "" }), "key", "invalid"),
        (json!({ "webhook": "example.com" }), "webhook", "invalid"),
        (json!({ "webhook": plain }), "webhook", "invalid"),
        (
            json!({ "destinations": [{ "url": 5 }] }),
            "destinations[0].url",
            "invalid",
        ),
        (
            json!({ "sources": [{ "repo": "a/b" }] }),
            "sources",
            "not_supported",
        ),
        (json!({ "revision": 1 }), "revision", "not_supported"),
    ];
    each_is_named(&server, "/v3/sessions", good, &table).await;
}

#[tokio::test]
async fn a_wrong_field_of_a_message_is_named() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let before = server.events(&session).await;
    let path = format!("/v3/sessions/{session}/messages");
    let table = [
        (json!({}), "text", "invalid"),
        (json!({ "text": "" }), "text", "invalid"),
        (json!({ "text": ["a"] }), "text", "invalid"),
        (json!({ "envelope": {} }), "envelope.text", "invalid"),
        (json!({ "envelope": ["a"] }), "envelope", "invalid"),
        (
            json!({ "text": "a", "envelope": { "text": "b" } }),
            "envelope",
            "invalid",
        ),
        (
            json!({ "text": "a", "idempotency_key": "" }),
            "idempotency_key",
            "invalid",
        ),
        (
            json!({ "text": "a", "interrupt": "yes" }),
            "interrupt",
            "invalid",
        ),
    ];
    each_is_named(&server, &path, json!({}), &table).await;
    assert_eq!(server.events(&session).await, before);
    let path = format!("/v3/sessions/{session}/client-tokens");
    let table = [
        (json!({ "scopes": [] }), "scopes", "invalid"),
        (json!({ "scopes": ["admin"] }), "scopes", "invalid"),
        (json!({ "ttl": "long" }), "ttl", "invalid"),
    ];
    each_is_named(&server, &path, json!({}), &table).await;
}

#[tokio::test]
async fn a_wrong_field_of_a_credential_is_named() {
    let server = Server::start();
    let table = [
        (json!({ "key": null }), "key", "invalid"),
        (json!({ "key": "" }), "key", "invalid"),
        (json!({ "provider": "acme" }), "provider", "invalid"),
        (json!({ "name": "" }), "name", "invalid"),
        (json!({ "is_default": "yes" }), "is_default", "invalid"),
    ];
    each_is_named(&server, "/v3/credentials", json!({ "key": "k" }), &table).await;
}

fn merge(body: &mut Value, change: Value) {
    let (Value::Object(body), Value::Object(change)) = (body, change) else {
        panic!("no objects")
    };
    body.extend(change);
}

async fn count(server: &Server) -> (usize, usize, usize) {
    let mut counts = [0; 3];
    for (at, path) in ["/v3/agents", "/v3/sessions", "/v3/credentials"]
        .into_iter()
        .enumerate()
    {
        counts[at] = server.get(path).await["data"].as_array().unwrap().len();
    }
    counts.into()
}

#[tokio::test]
async fn a_fixed_field_of_an_agent_cannot_be_changed() {
    let server = Server::start();
    let path = format!("/v3/agents/{}", server.agent("a", "test/demo").await);
    let table = [
        (json!({ "name": "b" }), "name"),
        (json!({ "runtime": "native" }), "runtime"),
        (json!({ "prompt": "" }), "prompt"),
        (json!({ "credential": "cred_none" }), "credential"),
    ];
    for (body, param) in table {
        assert_eq!(
            refused(&server, Method::PATCH, &path, Some(body), 422).await["param"],
            param
        );
    }
    assert_eq!(server.get(&path).await["name"], "a");
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let table = [
        ("/v3/sessions?limit=0", "limit", 400),
        ("/v3/sessions?limit=x", "limit", 400),
        ("/v3/sessions?cursor=zzz", "cursor", 400),
        ("/v3/sessions?after=noon", "after", 400),
        ("/v3/sessions?status=sleeping", "status", 422),
        ("/v3/agents?cursor=1", "cursor", 400),
        ("/v3/sessions/ID/events?after=-1", "after", 400),
        ("/v3/sessions/ID/events?level=debug", "level", 400),
        ("/v3/sessions/ID/events?stream=ws", "stream", 400),
        ("/v3/sessions/ID/turns?cursor=x", "cursor", 400),
        ("/v3/sessions/ID/messages?limit=-5", "limit", 400),
    ];
    for (path, param, status) in table {
        let error = refused(
            &server,
            Method::GET,
            &path.replace("ID", &session),
            None,
            status,
        )
        .await;
        assert_eq!(
            (&error["param"], &error["code"]),
            (&json!(param), &json!("invalid")),
            "{path}: {error}"
        );
    }
    refused(&server, Method::GET, "/v3/sessions?key=a%00b", None, 400).await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    for path in [
        "/v3/agents/agt_none",
        "/v3/sessions/ses_none",
        "/v3/sessions/ses_none/events",
        "/v3/sessions/ses_none/messages",
        "/v3/sessions/ses_none/turns",
        "/v3/sessions/ses_none/result",
        "/v3/sessions/ID/turns/trn_none",
        "/v3/sessions/ID/events/evt_none",
        "/v3/sessions/a%00b",
        "/v3/sessions/%ff",
        "/v3/nothing",
        "/v2/agents",
        "/v2",
    ] {
        let error = refused(
            &server,
            Method::GET,
            &path.replace("ID", &session),
            None,
            404,
        )
        .await;
        assert_eq!(error["code"], "not_found", "{path}");
    }
    for (method, path) in [
        (Method::POST, "/v3/sessions/ses_none/cancel"),
        (Method::POST, "/v3/sessions/ses_none/archive"),
        (Method::POST, "/v3/sessions/ses_none/client-tokens"),
        (Method::DELETE, "/v3/agents/agt_none"),
        (Method::DELETE, "/v3/credentials/cred_none"),
    ] {
        refused(&server, method, path, None, 404).await;
    }
    let nobody = Some(json!({ "agent": "nobody", "input": "x" }));
    assert_eq!(
        refused(&server, Method::POST, "/v3/sessions", nobody, 404).await["param"],
        "agent"
    );
    let none = Some(json!({ "credential": "cred_none" }));
    refused(&server, Method::PUT, "/v3/credentials/default", none, 404).await;
}

#[tokio::test]
async fn an_unknown_model_of_a_known_provider_fails_its_first_turn_in_words() {
    let server = Server::start();
    let agent = server.agent("a", "test/nonesuch").await;
    let session = server.session(&agent, "x").await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "error", "{end}");
    assert_eq!(
        id(&server.get(&format!("/v3/sessions/{session}")).await),
        session
    );
}
