//! Hooks: who makes them, who may call them, and what is never told of their tokens.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::agent_url::{answer, hook, post};
use super::{CREATED, NO_CONTENT, OK, refused, stranger};
use crate::harness::{KEY, Server};

#[tokio::test]
async fn a_hook_is_made_listed_and_revoked() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let hooks = format!("/v3/agents/{agent}/hooks");
    let body = json!({ "name": "github-issues", "expires_at": "2999-01-01T00:00:00Z", "caps": { "tokens_per_day": 5 } });
    let (status, made) = server.send(Method::POST, &hooks, Some(body)).await;
    assert_eq!(status, CREATED);
    let (one, url) = (&made["hook"], made["hook_url"].as_str().unwrap());
    let token = url.rsplit('/').next().unwrap();
    assert!(token.starts_with("ochk_v1_") && token.len() == 51, "{url}");
    assert_eq!(one["secret_last4"], token[47..]);
    assert_eq!(
        (&one["status"], &one["agent_id"]),
        (&json!("active"), &json!(agent))
    );
    assert_eq!(one["expires_at"], "2999-01-01T00:00:00.000Z");
    let path = format!("{hooks}/{}", one["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await, *one);
    assert_eq!(
        server.get("/v3/agents/a/hooks").await["data"],
        json!([one]),
        "by name"
    );
    assert_eq!(server.get(&hooks).await["next_cursor"], Value::Null);

    let taken = json!({ "name": "github-issues" });
    let error = refused(&server, Method::POST, &hooks, Some(taken.clone()), 409).await;
    assert_eq!(error["param"], "name");
    let caps = json!({ "caps": { "tokens_per_day": 9 } });
    let (status, changed) = server.send(Method::PATCH, &path, Some(caps)).await;
    assert_eq!(
        (status, &changed["caps"]),
        (OK, &json!({ "tokens_per_day": 9 }))
    );
    let (_, same) = server.send(Method::PATCH, &path, Some(json!({}))).await;
    assert_eq!(same, changed);
    for _ in 0..2 {
        let gone = server.send(Method::DELETE, &path, None).await;
        assert_eq!(gone, (NO_CONTENT, Value::Null));
    }
    assert_eq!(server.get(&hooks).await["data"], json!([]));
    let all = server
        .get(&format!("{hooks}?include_revoked=true&limit=1"))
        .await;
    let revoked = &all["data"][0];
    assert_eq!(
        (&revoked["status"], &revoked["revoked_reason"]),
        (&json!("revoked"), &json!("manual"))
    );
    refused(
        &server,
        Method::PATCH,
        &path,
        Some(json!({ "caps": null })),
        404,
    )
    .await;
    server.post(&hooks, taken).await;
}

#[tokio::test]
async fn wrong_fields_are_named_and_others_hooks_are_nobody_s() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let hooks = format!("/v3/agents/{agent}/hooks");
    for (body, param) in [
        (json!({}), "name"),
        (json!({ "name": "A" }), "name"),
        (json!({ "name": 5 }), "name"),
        (json!({ "name": "x".repeat(65) }), "name"),
        (
            json!({ "name": "a", "expires_at": "2020-01-01T00:00:00Z" }),
            "expires_at",
        ),
        (json!({ "name": "a", "expires_at": "soon" }), "expires_at"),
        (json!({ "name": "a", "caps": [] }), "caps"),
        (
            json!({ "name": "a", "caps": { "tokens_per_day": 0 } }),
            "caps.tokens_per_day",
        ),
    ] {
        let error = refused(&server, Method::POST, &hooks, Some(body), 422).await;
        assert_eq!(error["param"], param);
    }
    refused(
        &server,
        Method::GET,
        &format!("{hooks}?include_revoked=perhaps"),
        None,
        400,
    )
    .await;
    refused(&server, Method::GET, &format!("{hooks}/hk_1"), None, 404).await;
    let (made, _) = hook(&server, &agent, "mine").await;
    let (other, path) = (
        stranger(&server),
        format!("{hooks}/{}", made["id"].as_str().unwrap()),
    );
    for (method, path) in [
        (Method::GET, &hooks),
        (Method::GET, &path),
        (Method::DELETE, &path),
    ] {
        let (status, _) = server.send_as(&other, method, path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    for n in 1..20 {
        hook(&server, &agent, &format!("h{n}")).await;
    }
    let over = refused(
        &server,
        Method::POST,
        &hooks,
        Some(json!({ "name": "over" })),
        409,
    )
    .await;
    assert!(over["message"].as_str().unwrap().contains("20"), "{over}");
}

#[tokio::test]
async fn who_knows_the_token_begins_a_session_and_is_told_little() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let (made, path) = hook(&server, &agent, "issues").await;
    let (status, receipt) = answer(post(&server, &path, r#"{"label":"bug"}"#)).await;
    assert_eq!(status, OK);
    let session = receipt["session"]["id"].as_str().unwrap();
    let want = json!({ "request_id": receipt["request_id"], "replayed": false,
        "session": { "id": session, "status": "queued" } });
    assert_eq!(receipt, want, "and no token, no links");
    server.turn_end(session, 1).await;
    assert_eq!(server.result(session).await, r#"You said: {"label":"bug"}"#);
    let first = &server.events(session).await[0];
    assert_eq!(
        first["actor"],
        json!({ "type": "trigger", "id": made["id"], "display": "issues" })
    );
    // Without a body it is asked as well.
    let (status, receipt) = answer(server.http().post(server.at(&path))).await;
    assert_eq!(status, OK);
    let session = receipt["session"]["id"].as_str().unwrap();
    server.turn_end(session, 1).await;
    assert_eq!(server.result(session).await, "You said: null");
}

#[tokio::test]
async fn a_webhook_that_is_sent_again_begins_nothing_new() {
    let mut server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let (_, path) = hook(&server, &agent, "one").await;
    let (_, second) = hook(&server, &agent, "two").await;
    let call = async |server: &Server, path: &str, headers: &[(&str, &str)], body: &str| {
        let mut request = post(server, path, body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    };
    let sent = [("webhook-id", "w1")];
    let (_, first) = call(&server, &path, &sent, "{}").await;
    server.kill9();
    server.launch();
    let (status, again) = call(&server, &path, &sent, "{ }").await;
    assert_eq!((status, &again["replayed"]), (OK, &json!(true)));
    assert_eq!(again["session"]["id"], first["session"]["id"]);
    assert_eq!(again["request_id"], first["request_id"]);
    let (status, _) = call(&server, &path, &sent, "[]").await;
    assert_eq!(status, StatusCode::CONFLICT);
    let both = [("webhook-id", "w1"), ("Idempotency-Key", "w2")];
    let (_, keyed) = call(&server, &path, &both, "{}").await;
    assert_eq!(keyed["replayed"], false, "the key counts, not the id");
    let (_, other) = call(&server, &second, &sent, "{}").await;
    assert_eq!(other["replayed"], false, "each hook has its own keys");
}

#[tokio::test]
async fn a_hook_that_is_over_opens_nothing() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let (made, path) = hook(&server, &agent, "one").await;
    let one = format!("/v3/agents/{agent}/hooks/{}", made["id"].as_str().unwrap());
    let token = path.rsplit('/').next().unwrap();
    let last = if token.ends_with('A') { 'B' } else { 'A' };
    let guess = format!("{}{last}", &path[..path.len() - 1]);
    let (status, missed) = answer(post(&server, &guess, "{}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // Its own key opens nothing here, and the token nothing elsewhere.
    let (status, _) = answer(post(&server, &guess, "{}").bearer_auth(KEY)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = server.send_as(token, Method::GET, "/v3/agents", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let other = server.agent("b", "test/script").await;
    let wrong = path.replace(&agent.replace('_', "-"), &other.replace('_', "-"));
    let (status, _) = answer(post(&server, &wrong, "{}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "another agent's address");

    assert_eq!(answer(post(&server, &path, "{}")).await.0, OK);
    let soon = "UPDATE hooks SET expires = 5";
    super::sql(&server, soon, []);
    let (status, expired) = answer(post(&server, &path, "{}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(server.get(&one).await["status"], "expired");
    server.send(Method::DELETE, &one, None).await;
    let (_, revoked) = answer(post(&server, &path, "{}")).await;
    for other in [&expired, &revoked] {
        assert_eq!(other["error"]["message"], missed["error"]["message"]);
    }
    let (_, path) = hook(&server, &agent, "two").await;
    server
        .send(Method::DELETE, &format!("/v3/agents/{agent}"), None)
        .await;
    let (status, _) = answer(post(&server, &path, "{}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "its agent is gone");
}

#[tokio::test]
async fn a_flood_of_calls_is_bounded() {
    let server = Server::with(&[("OC_HOOK_REQUESTS_PER_MINUTE", "3")]);
    let agent = server.agent("a", "test/script").await;
    let (_, path) = hook(&server, &agent, "one").await;
    let (_, second) = hook(&server, &agent, "two").await;
    for _ in 0..3 {
        assert_eq!(answer(post(&server, &path, "{}")).await.0, OK);
    }
    let over = post(&server, &path, "{}").send().await.unwrap();
    assert_eq!(over.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = over.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let body: Value = over.json().await.unwrap();
    assert_eq!(
        (&body["error"]["code"], &body["error"]["retriable"]),
        (&json!("rate_limited"), &json!(true))
    );
    assert_eq!(
        answer(post(&server, &second, "{}")).await.0,
        OK,
        "another hook"
    );
}

#[tokio::test]
async fn a_token_is_in_no_log_no_event_and_no_file() {
    let mut server = Server::with(&[("OC_LOG", "trace")]);
    let agent = server.agent("a", "test/script").await;
    let (_, path) = hook(&server, &agent, "one").await;
    let token = path.rsplit('/').next().unwrap();
    let secret = &token["ochk_v1_".len()..];
    let (_, receipt) = answer(post(&server, &path, "{}").header("x-canary", "c4n4ry")).await;
    let session = receipt["session"]["id"].as_str().unwrap();
    server.turn_end(session, 1).await;
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::POST, format!("{path}/")),
        (Method::POST, path.replace("/hooks/", "//hooks/")),
        (Method::POST, format!("{path}x")),
        (Method::GET, format!("/v3/agents/{agent}/hooks/{token}")),
    ] {
        let (status, _) = server.send(method, &path, None).await;
        assert!(status.is_client_error());
    }
    let events = server.events(session).await;
    let text = serde_json::to_string(&events).unwrap();
    for needle in [secret, "c4n4ry", KEY] {
        assert!(!text.contains(needle), "{text}");
    }
    assert!(server.terminate());
    let log = server.log();
    assert!(log.contains("a hook was called"), "{log}");
    for needle in [secret, "c4n4ry"] {
        let told = log.lines().find(|line| line.contains(needle));
        assert_eq!(told, None, "the log has it");
    }
    for name in ["oc.db", "oc.db-wal"] {
        let bytes = std::fs::read(server.data.path().join(name)).unwrap_or_default();
        let there = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!there, "{name} has it");
    }
}

#[tokio::test]
async fn what_a_hook_s_sessions_may_use_together_is_not_overshot() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let hooks = format!("/v3/agents/{agent}/hooks");
    let body = json!({ "name": "one", "caps": { "tokens_per_day": 200 } });
    let made = server.post(&hooks, body).await;
    let url = made["hook_url"].as_str().unwrap();
    let path = &url[url.find("/agents/").unwrap()..];
    let (mut reasons, mut sessions, mut used) = (Vec::new(), Vec::new(), 0);
    for _ in 0..30 {
        let (_, receipt) = answer(post(&server, path, "{}")).await;
        let session = receipt["session"]["id"].as_str().unwrap();
        let end = server.turn_end(session, 1).await;
        reasons.push(end["body"]["yield_reason"].as_str().unwrap().to_owned());
        sessions.push(session.to_owned());
        used += end["body"]["usage"]["tokens"].as_u64().unwrap_or(0);
    }
    assert!(used <= 200, "{used}");
    assert!(reasons.contains(&"completed".to_owned()), "{reasons:?}");
    assert!(
        reasons.contains(&"budget_exceeded".to_owned()),
        "{reasons:?}"
    );
    // What is forked from them counts with them.
    let fork = format!("/v3/sessions/{}/fork", sessions[0]);
    let forked = server.post(&fork, json!({ "input": "more" })).await;
    let end = server.turn_end(forked["session"]["id"].as_str().unwrap(), 2);
    assert_eq!(end.await["body"]["yield_reason"], "budget_exceeded");
    let free = server.session(&agent, "x").await;
    let end = server.turn_end(&free, 1).await;
    assert_eq!(
        end["body"]["yield_reason"], "completed",
        "only the hook's are capped"
    );
    let id = made["hook"]["id"].as_str().unwrap();
    let more = json!({ "caps": { "tokens_per_day": 100_000 } });
    server
        .send(Method::PATCH, &format!("{hooks}/{id}"), Some(more))
        .await;
    let (_, receipt) = answer(post(&server, path, "{}")).await;
    let session = receipt["session"]["id"].as_str().unwrap();
    let end = server.turn_end(session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "they were raised");
}
