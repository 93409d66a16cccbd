//! A refusal says what would be right, and what cannot be meant is refused rather
//! than taken in silence.

use reqwest::Method;
use serde_json::{Value, json};

use super::{NO_CONTENT, OK, refused, rested};
use crate::harness::{KEY, PATIENCE, Server};

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

/// Sends what is wrong; each refusal must name the field and hold the words.
async fn each_says(
    server: &Server,
    status: u16,
    good: &Value,
    table: &[(&str, Value, &str, &str)],
) {
    for (path, change, param, words) in table {
        let mut body = good.clone();
        let fields = body.as_object_mut().unwrap();
        fields.extend(change.as_object().cloned().unwrap_or_default());
        let (method, body) = match change {
            Value::Null => (Method::GET, None),
            _ => (Method::POST, Some(body)),
        };
        let error = refused(server, method, path, body, status).await;
        assert_eq!(error["param"], *param, "{path} {change}: {error}");
        assert!(message(&error).contains(words), "{path} {change}: {error}");
    }
}

#[tokio::test]
async fn a_wrong_query_or_session_is_told_what_would_be_right() {
    let server = Server::start();
    let (id, _) = rested(&server).await;
    let events = |query: &str| format!("/v3/sessions/{id}/events?{query}");
    let (after, limit) = (events("after=-1"), events("limit=x"));
    let whole = "must be a whole number from 0";
    let queries = [
        (after.as_str(), Value::Null, "after", whole),
        (limit.as_str(), Value::Null, "limit", whole),
    ];
    each_says(&server, 400, &json!({}), &queries).await;
    let tokens = format!("/v3/sessions/{id}/client-tokens");
    let ttl = json!({ "ttl": "x" });
    let seconds = "must be a whole number of seconds, not \"x\"";
    each_says(&server, 422, &json!({}), &[(&tokens, ttl, "ttl", seconds)]).await;

    let good = json!({ "agent": "rested", "input": "x" });
    let (to, object) = ("/v3/sessions", "must be an object, not a list");
    let table = [
        (to, json!({ "metadata": [] }), "metadata", object),
        (
            to,
            json!({ "limits": { "token": 5 } }),
            "limits.token",
            "`tokens`, `usd`",
        ),
        (
            to,
            json!({ "limits": { "tokens": "5" } }),
            "limits.tokens",
            "1 or more, not \"5\"",
        ),
        (
            to,
            json!({ "input": { "text": 5 } }),
            "input.text",
            "must be a text, not 5",
        ),
    ];
    each_says(&server, 422, &good, &table).await;

    let path = format!("/v3/sessions/{id}");
    let change = Some(json!({ "limits": { "turn": 3 } }));
    let error = refused(&server, Method::PATCH, &path, change, 422).await;
    assert_eq!(error["param"], "limits.turn");
    server.post(&format!("{path}/archive"), json!({})).await;
    let change = Some(json!({ "limits": { "turns": 3 } }));
    let error = refused(&server, Method::PATCH, &path, change, 409).await;
    assert!(message(&error).contains("its limits stay"), "{error}");
}

#[tokio::test]
async fn a_wrong_agent_is_told_what_would_be_right() {
    let server = Server::start();
    let good = json!({ "name": "x", "model": "test/demo", "prompt": "p" });
    let to = "/v3/agents";
    let table = [
        (
            to,
            json!({ "limits": { "max_tokens": 5 } }),
            "limits.max_tokens",
            "`turn_seconds`",
        ),
        (
            to,
            json!({ "caps": { "usd": 5 } }),
            "caps.usd",
            "`usd_per_day`",
        ),
        (
            to,
            json!({ "runtime": "rocket" }),
            "runtime",
            "here are `native`",
        ),
        (to, json!({ "runtime": "rocket" }), "runtime", "oc runtime"),
        (
            to,
            json!({ "runtime": "pi" }),
            "runtime",
            "`pi` is not supported",
        ),
        (
            to,
            json!({ "runtime": "flue" }),
            "runtime",
            "`flue` is not supported",
        ),
    ];
    each_says(&server, 422, &good, &table).await;
    assert_eq!(server.get(to).await["data"], json!([]), "nothing was made");
}

#[tokio::test]
async fn a_wrong_method_and_a_wrong_token_are_told_what_is_right() {
    let server = Server::start();
    let (id, _) = rested(&server).await;
    for (method, path, has) in [
        (Method::PUT, "/v3/agents", ["GET", "POST"]),
        (Method::POST, "/v3/agents/agt_1", ["GET", "PATCH"]),
        (Method::PATCH, "/v3/repos", ["GET", "POST"]),
    ] {
        let request = server.http().request(method, server.at(path));
        let answer = request
            .bearer_auth(KEY)
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 405, "{path}");
        let allow = answer.headers()["allow"].to_str().unwrap().to_owned();
        let body: Value = answer.json().await.unwrap();
        for name in has {
            assert!(allow.contains(name), "{allow}");
            assert!(message(&body["error"]).contains(name), "{body}");
        }
    }
    for (token, words) in [
        ("bad", "no client token"),
        (KEY, "must not stand in an address"),
        ("ct_bad", "unknown or expired"),
    ] {
        let path = server.at(&format!("/v3/sessions/{id}/events?token={token}"));
        let answer = server
            .http()
            .get(path)
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 401);
        let body: Value = answer.json().await.unwrap();
        assert!(message(&body["error"]).contains(words), "{body}");
    }
}

#[tokio::test]
async fn an_agent_goes_by_its_name_everywhere() {
    let server = Server::start();
    let agent = server.agent("coder", "test/demo").await;
    let session = server.session("coder", "hi").await;
    assert_eq!(server.get("/v3/agents/coder").await["id"], json!(agent));
    let change = Some(json!({ "prompt": "Be brief." }));
    let (status, changed) = server.send(Method::PATCH, "/v3/agents/coder", change).await;
    assert_eq!((status, &changed["revision"]), (OK, &json!(2)), "{changed}");
    for (of, count) in [("coder", 1), (agent.as_str(), 1), ("nobody", 0)] {
        let page = server.get(&format!("/v3/sessions?agent={of}")).await;
        assert_eq!(page["data"].as_array().unwrap().len(), count, "{of}");
    }
    server.turn_end(&session, 1).await;
    let gone = server.send(Method::DELETE, "/v3/agents/coder", None).await;
    assert_eq!(gone.0, NO_CONTENT);
    let error = refused(&server, Method::GET, "/v3/agents/coder", None, 404).await;
    assert!(message(&error).contains("coder"), "{error}");
}

#[tokio::test]
async fn a_key_for_the_credential_that_is_taken_away_is_a_contradiction() {
    let server = Server::start();
    let agent = server.agent("keyed", "test/demo").await;
    let path = format!("/v3/agents/{agent}");
    let body = Some(json!({ "key": "sk-test", "credential": null }));
    let error = refused(&server, Method::PATCH, &path, body, 422).await;
    assert!(message(&error).contains("`key` or `credential`"), "{error}");
    let all = server.get("/v3/credentials").await;
    assert!(
        !all.to_string().contains("cred_"),
        "nothing was stored: {all}"
    );
}

#[tokio::test]
async fn the_address_itself_says_what_is_there() {
    let server = Server::start();
    let answer = server
        .http()
        .get(server.at("/"))
        .timeout(PATIENCE)
        .send()
        .await;
    let front: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(front["name"], "OpenComputer");
    assert_eq!(front["openapi"], "/openapi.json");
    assert_eq!(front["version"], env!("CARGO_PKG_VERSION"));
    let page = server
        .http()
        .get(server.at("/metrics"))
        .timeout(PATIENCE)
        .send()
        .await;
    let text = page.unwrap().text().await.unwrap();
    assert!(text.contains("# HELP") && !text.contains("..\n"), "{text}");
}
