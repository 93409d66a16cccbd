//! Who gets in: keys, tokens and their scopes, other orgs, browsers.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{CREATED, OK, id, rested, sql, stranger};
use crate::harness::{KEY, PATIENCE, Server};

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = server.http().get(server.at(path)).timeout(PATIENCE);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_key_opens_by_either_header_and_nothing_else_does() {
    let server = Server::start();
    let bearer = format!("Bearer {KEY}");
    let other = format!("Bearer osb_{}", "0".repeat(64));
    let table: [(&[(&str, &str)], u16); 8] = [
        (&[("authorization", &bearer)], 200),
        (&[("x-api-key", KEY)], 200),
        (&[], 401),
        (&[("authorization", &other)], 401),
        (&[("authorization", "Bearer ct_nothing")], 401),
        (&[("authorization", "Basic dTpw")], 401),
        (&[("authorization", &other), ("x-api-key", KEY)], 401),
        (&[("x-api-key", "")], 401),
    ];
    for (headers, want) in table {
        assert_eq!(
            get(&server, "/v3/agents", headers).await.as_u16(),
            want,
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_at_once() {
    let server = Server::start();
    let headers = [("x-api-key", KEY)];
    assert_eq!(get(&server, "/v3/agents", &headers).await, OK);
    assert_eq!(sql(&server, "UPDATE keys SET revoked = 1", []), 1);
    assert_eq!(get(&server, "/v3/agents", &headers).await.as_u16(), 401);
}

#[tokio::test]
async fn a_token_opens_its_session_as_far_as_its_scopes_go() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let (other, _) = rested(&server).await;
    let event = id(&server.events(&session).await[0]);
    let path = format!("/v3/sessions/{session}");
    let mint = async |scopes: Value| {
        let answer = server
            .post(
                &format!("{path}/client-tokens"),
                json!({ "scopes": scopes }),
            )
            .await;
        assert_eq!(answer["token"], answer["client_token"]);
        assert_eq!(answer["scopes"], scopes);
        answer["token"].as_str().unwrap().to_owned()
    };
    let (read, steer) = (mint(json!(["read"])).await, mint(json!(["steer"])).await);
    let theirs = format!("/v3/sessions/{other}");
    // Method, path, and what a token to read and one to steer are answered.
    let table = [
        ("GET", format!("{path}/events"), 200, 403),
        ("GET", format!("{path}/events/{event}"), 200, 403),
        ("GET", format!("{path}/events/{event}/content"), 200, 403),
        ("GET", format!("{path}/messages"), 200, 403),
        ("POST", format!("{path}/messages"), 403, 202),
        ("GET", format!("{theirs}/events"), 403, 403),
        ("POST", format!("{theirs}/messages"), 403, 403),
        ("GET", path.clone(), 403, 403),
        ("PATCH", path.clone(), 403, 403),
        ("GET", "/v3/sessions".to_owned(), 403, 403),
        ("POST", "/v3/sessions".to_owned(), 403, 403),
        ("GET", format!("{path}/turns"), 403, 403),
        ("GET", format!("{path}/result"), 403, 403),
        ("POST", format!("{path}/cancel"), 403, 403),
        ("POST", format!("{path}/archive"), 403, 403),
        ("POST", format!("{path}/client-tokens"), 403, 403),
        ("GET", format!("{path}/destinations"), 403, 403),
        ("GET", "/v3/agents".to_owned(), 403, 403),
        ("GET", "/v3/credentials".to_owned(), 403, 403),
    ];
    for (method, path, reading, steering) in table {
        let body = (method == "POST").then(|| json!({ "text": "hi" }));
        for (token, want) in [(&read, reading), (&steer, steering)] {
            let method = method.parse().unwrap();
            let (status, answer) = server.send_as(token, method, &path, body.clone()).await;
            assert_eq!(status.as_u16(), want, "{path}: {answer}");
            assert_eq!(
                want == 403,
                answer["error"]["code"] == "forbidden",
                "{answer}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_may_stand_in_the_address_of_events_and_a_key_may_not() {
    let server = Server::start();
    let (session, token) = rested(&server).await;
    let event = id(&server.events(&session).await[0]);
    let path = format!("/v3/sessions/{session}");
    for (path, want) in [
        (format!("{path}/events?token={token}"), 200),
        (format!("{path}/events/{event}?token={token}"), 200),
        (format!("{path}/events/{event}/content?token={token}"), 200),
        (format!("{path}/events?token={KEY}"), 401),
        (format!("{path}/events?token=ct_wrong"), 401),
        (format!("{path}/events?token="), 401),
        (format!("{path}?token={token}"), 401),
        (format!("/v3/agents?token={KEY}"), 401),
    ] {
        assert_eq!(get(&server, &path, &[]).await.as_u16(), want, "{path}");
    }
    assert!(
        !server.log().contains(&token) && !server.log().contains(KEY),
        "credentials are never logged"
    );
}

#[tokio::test]
async fn a_token_lasts_as_asked_within_bounds() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let path = format!("/v3/sessions/{session}/client-tokens");
    for body in [
        None,
        Some(json!({})),
        Some(json!({ "ttl": 5 })),
        Some(json!({ "ttl": 99_999_999 })),
    ] {
        let (status, answer) = server.send(Method::POST, &path, body).await;
        assert_eq!(status, CREATED, "{answer}");
        assert!(answer["expires_at"].as_str().unwrap().ends_with('Z'));
    }
}

#[tokio::test]
async fn another_org_finds_nothing_of_ours() {
    let server = Server::start();
    let (session, token) = rested(&server).await;
    let row = server.get(&format!("/v3/sessions/{session}")).await;
    let agent = row["agent_id"].as_str().unwrap().to_owned();
    let event = id(&server.events(&session).await[0]);
    let turn = id(&row["last_turn"]);
    let credential = id(&server.post("/v3/credentials", json!({ "key": "k" })).await);
    let key = stranger(&server);
    let path = format!("/v3/sessions/{session}");
    let start = |agent: &str| json!({ "agent": agent, "input": "x" });
    let table = [
        ("GET", format!("/v3/agents/{agent}"), None),
        (
            "PATCH",
            format!("/v3/agents/{agent}"),
            Some(json!({ "prompt": "mine" })),
        ),
        ("DELETE", format!("/v3/agents/{agent}"), None),
        (
            "PATCH",
            format!("/v3/credentials/{credential}"),
            Some(json!({ "key": "mine" })),
        ),
        ("DELETE", format!("/v3/credentials/{credential}"), None),
        (
            "PUT",
            "/v3/credentials/default".to_owned(),
            Some(json!({ "credential": credential })),
        ),
        ("POST", "/v3/sessions".to_owned(), Some(start(&agent))),
        ("POST", "/v3/sessions".to_owned(), Some(start("rested"))),
        ("GET", path.clone(), None),
        ("POST", format!("{path}/cancel"), None),
        ("POST", format!("{path}/archive"), None),
        ("POST", format!("{path}/client-tokens"), None),
        (
            "POST",
            format!("{path}/messages"),
            Some(json!({ "text": "hi" })),
        ),
        ("GET", format!("{path}/messages"), None),
        ("GET", format!("{path}/result"), None),
        ("GET", format!("{path}/turns"), None),
        ("GET", format!("{path}/turns/{turn}"), None),
        ("GET", format!("{path}/events"), None),
        ("GET", format!("{path}/events?stream=sse"), None),
        ("GET", format!("{path}/events/{event}"), None),
        ("GET", format!("{path}/events/{event}/content"), None),
    ];
    for (method, path, body) in table {
        let (status, answer) = server
            .send_as(&key, method.parse().unwrap(), &path, body)
            .await;
        let got = (status.as_u16(), answer["error"]["code"].as_str());
        assert_eq!(got, (404, Some("not_found")), "{method} {path}: {answer}");
    }
    for path in ["/v3/agents", "/v3/sessions", "/v3/credentials"] {
        let (_, answer) = server.send_as(&key, Method::GET, path, None).await;
        assert_eq!(answer["data"], json!([]), "{path}");
    }
    assert_eq!(server.get(&path).await, row, "and nothing changed");
    assert_eq!(
        server
            .send_as(&token, Method::GET, &format!("{path}/events"), None)
            .await
            .0,
        OK
    );
}

#[tokio::test]
async fn a_browser_may_use_v3_from_any_page_and_nothing_else() {
    let server = Server::start();
    let ask = async |method: Method, path: &str| {
        let request = server
            .http()
            .request(method, server.at(path))
            .header("origin", "https://app.example");
        let answer = request
            .header("access-control-request-method", "POST")
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        (answer.status(), answer.headers().clone())
    };
    let allowed = |headers: &HeaderMap, name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    for path in ["/v3/sessions/ses_1/messages", "/v3/agents"] {
        let (status, headers) = ask(Method::OPTIONS, path).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert_eq!(
            allowed(&headers, "access-control-allow-origin").as_deref(),
            Some("*")
        );
        let methods = allowed(&headers, "access-control-allow-methods").unwrap();
        assert!(
            ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
                .iter()
                .all(|name| methods.contains(name)),
            "{methods}"
        );
        let names = allowed(&headers, "access-control-allow-headers").unwrap();
        for name in [
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "X-API-Key",
        ] {
            assert!(names.contains(name), "{names}");
        }
    }
    let (status, headers) = ask(Method::GET, "/v3/agents").await;
    assert_eq!(status.as_u16(), 401);
    assert_eq!(
        allowed(&headers, "access-control-allow-origin").as_deref(),
        Some("*"),
        "a page can read a refusal"
    );
    for path in ["/healthz", "/metrics", "/agents/agt-1"] {
        let (_, headers) = ask(Method::GET, path).await;
        assert_eq!(
            allowed(&headers, "access-control-allow-origin"),
            None,
            "{path}"
        );
    }
}
