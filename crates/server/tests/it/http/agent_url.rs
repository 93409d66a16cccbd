//! The agents' own addresses: what they take, from whom, and what is not there.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{CREATED, OK, refused, sql, stranger};
use crate::harness::{KEY, PATIENCE, Server};

/// The path of an agent's address.
pub fn path(agent: &str) -> String {
    format!("/agents/{}", agent.replace('_', "-"))
}

/// A hook of the agent, and its path.
pub async fn hook(server: &Server, agent: &str, name: &str) -> (Value, String) {
    let hooks = format!("/v3/agents/{agent}/hooks");
    let made = server.post(&hooks, json!({ "name": name })).await;
    let url = made["hook_url"].as_str().unwrap();
    let at = url.find("/agents/").unwrap();
    (made["hook"].clone(), url[at..].to_owned())
}

/// A request with a body as it is.
pub fn post(server: &Server, path: &str, body: &str) -> RequestBuilder {
    server
        .http()
        .post(server.at(path))
        .header("content-type", "application/json")
        .body(body.to_owned())
        .timeout(PATIENCE)
}

/// Status and body of an answer.
pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or_default())
}

/// As it is asked by the org.
async fn invoked(server: &Server, agent: &str, body: &str) -> (StatusCode, Value) {
    let path = format!("{}/", path(agent));
    answer(post(server, &path, body).bearer_auth(KEY)).await
}

#[tokio::test]
async fn any_json_begins_a_session_whose_model_sees_it() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let shown = server.get(&format!("/v3/agents/{agent}")).await;
    let url = shown["invoke_url"].as_str().unwrap();
    assert!(url.ends_with(&path(&agent)), "{url}");
    let (status, receipt) = invoked(&server, &agent, r#"{"issue": 7, "labels": ["bug"]}"#).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{receipt}");
    let session = receipt["session"]["id"].as_str().unwrap();
    assert_eq!(
        receipt["session"],
        json!({ "id": session, "status": "queued", "head": 1 })
    );
    assert_eq!(receipt["replayed"], false);
    assert!(receipt["request_id"].as_str().unwrap().starts_with("req_"));
    server.turn_end(session, 1).await;
    let said = r#"You said: {"issue":7,"labels":["bug"]}"#;
    assert_eq!(server.result(session).await, said);
    let first = &server.events(session).await[0];
    let of = |name: &str| first[name].clone();
    assert_eq!(
        (of("type"), of("level"), of("source")),
        (json!("http.request"), json!("user"), json!("http"))
    );
    assert_eq!(of("actor"), json!({ "id": "user", "type": "human" }));
    assert_eq!(
        of("body"),
        json!({ "payload": { "issue": 7, "labels": ["bug"] } })
    );

    let token = receipt["client_token"].as_str().unwrap();
    for (link, body) in [
        ("events", None),
        ("messages", Some(json!({ "text": "more" }))),
    ] {
        let url = receipt["links"][link].as_str().unwrap();
        let at = url.find("/v3/").unwrap();
        assert!(url.starts_with("http://127.0.0.1"), "{url}");
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let (status, answer) = server.send_as(token, method, &url[at..], body).await;
        assert!(status.is_success(), "{link}: {answer}");
    }
}

#[tokio::test]
async fn a_large_payload_is_put_away_and_seen_whole() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    // Small as it is sent, and over the log's limit as it is kept.
    let numbers = vec!["1e9"; 6000].join(",");
    let (status, receipt) = invoked(&server, &agent, &format!("[{numbers}]")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{receipt}");
    let session = receipt["session"]["id"].as_str().unwrap();
    server.turn_end(session, 1).await;
    let event = &server.events(session).await[0];
    assert_eq!(event["body_truncated"], true, "{event}");
    let whole = server.get(event["content_ref"].as_str().unwrap()).await;
    assert_eq!(whole["payload"].as_array().unwrap().len(), 6000);
    let said = server.get(&format!("/v3/sessions/{session}/result")).await;
    let said = server
        .get(said["result"]["content_ref"].as_str().unwrap())
        .await;
    assert!(said.as_str().unwrap().ends_with("1000000000.0]"), "{said}");
}

#[tokio::test]
async fn what_was_made_once_is_told_again_and_other_json_is_refused() {
    let mut server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let ask = async |server: &Server, key: &'static str, body: &str| {
        let path = format!("{}/", path(&agent));
        answer(
            post(server, &path, body)
                .bearer_auth(KEY)
                .header("Idempotency-Key", key),
        )
        .await
    };
    let (_, first) = ask(&server, "k", r#"{"a":1,"b":2}"#).await;
    let session = first["session"]["id"].as_str().unwrap().to_owned();
    server.turn_end(&session, 1).await;
    let body = json!({ "prompt": "Other words." });
    let path = format!("/v3/agents/{agent}");
    server.send(Method::PATCH, &path, Some(body)).await;
    server.kill9();
    server.launch();
    let (status, again) = ask(&server, "k", "{\"b\" : 2, \"a\" : 1}").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(again["session"]["id"], first["session"]["id"]);
    assert_eq!(again["request_id"], first["request_id"]);
    assert_eq!(
        (&again["replayed"], &again["session"]["status"]),
        (&json!(true), &json!("idle"))
    );
    let token = again["client_token"].as_str().unwrap();
    assert_ne!(token, first["client_token"]);
    let events = format!("/v3/sessions/{session}/events");
    let (status, _) = server.send_as(token, Method::GET, &events, None).await;
    assert_eq!(status, OK);
    let (status, other) = ask(&server, "k", r#"{"a":1}"#).await;
    assert_eq!(
        (status, &other["error"]["code"]),
        (StatusCode::CONFLICT, &json!("conflict"))
    );
    let (_, fresh) = ask(&server, "l", r#"{"a":1}"#).await;
    assert_eq!(fresh["replayed"], false);
    // Many at once are one, too.
    let many = futures::future::join_all((0..12).map(|_| ask(&server, "m", "7"))).await;
    let ids: std::collections::BTreeSet<_> = many
        .iter()
        .map(|(_, receipt)| receipt["session"]["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let new = many
        .iter()
        .filter(|(_, receipt)| receipt["replayed"] == false);
    assert_eq!(new.count(), 1);
}

#[tokio::test]
async fn only_the_agent_s_own_org_may_ask() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let url = path(&agent);
    let started = server
        .post("/v3/sessions", json!({ "agent": agent, "input": "x" }))
        .await;
    let client = started["client_token"].as_str().unwrap().to_owned();
    for (key, status) in [
        (client, 403),
        (stranger(&server), 404),
        ("osb_no".to_owned(), 401),
    ] {
        let (got, _) = answer(post(&server, &url, "{}").bearer_auth(key)).await;
        assert_eq!(got.as_u16(), status);
    }
    let (got, _) = answer(post(&server, &url, "{}")).await;
    assert_eq!(got, StatusCode::UNAUTHORIZED);
    server
        .send(Method::DELETE, &format!("/v3/agents/{agent}"), None)
        .await;
    let (got, _) = invoked(&server, &agent, "{}").await;
    assert_eq!(got, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_by_its_status() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let (url, (_, hooked)) = (path(&agent), hook(&server, &agent, "h").await);
    let long = format!("\"{}\"", "x".repeat(24 * 1024));
    for (path, query) in [(url.as_str(), "?"), (&hooked, "?a=1")] {
        let with = |body: &str| post(&server, path, body).bearer_auth(KEY);
        let asked = [
            (with("{"), 400),
            (with("1 2"), 400),
            (with(&long), 413),
            (with("{}").header("Idempotency-Key", ""), 400),
            (with("{}").header("Idempotency-Key", "k".repeat(256)), 400),
            (with("{}").header("content-encoding", "gzip"), 415),
            (with("{}").header("content-type", "text/plain"), 415),
            (
                post(&server, &format!("{path}{query}"), "{}").bearer_auth(KEY),
                400,
            ),
        ];
        for (request, status) in asked {
            let (got, body) = answer(request).await;
            assert_eq!(got.as_u16(), status, "{path}: {body}");
            let id = body["error"]["request_id"].as_str().unwrap();
            assert!(id.starts_with("req_"), "{body}");
        }
    }
    let (got, _) = answer(post(&server, &url, "").bearer_auth(KEY)).await;
    assert_eq!(
        got,
        StatusCode::BAD_REQUEST,
        "an agent's address wants JSON"
    );
    let all = server.get("/v3/sessions").await;
    assert_eq!(all["data"], json!([]), "nothing came of it");
}

#[tokio::test]
async fn nothing_else_is_at_an_agent_s_address() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let url = path(&agent);
    let (_, hooked) = hook(&server, &agent, "h").await;
    let token = hooked.rsplit('/').next().unwrap().to_owned();
    let encoded = format!("%6f{}", &token[1..]);
    for (method, path, status) in [
        ("POST", format!("{url}//"), 404),
        ("POST", format!("{url}//hooks/{token}"), 404),
        ("POST", format!("{url}/hooks/{token}/"), 404),
        ("POST", format!("{url}/hooks%2f{token}"), 404),
        ("POST", format!("{url}/hooks/{encoded}"), 404),
        ("POST", format!("{url}/hooks/"), 404),
        ("POST", format!("{url}/hooks"), 404),
        ("POST", format!("{url}/Hooks/{token}"), 404),
        ("POST", format!("/agents/{agent}/hooks/{token}"), 404),
        (
            "POST",
            format!(
                "/agents/{}/hooks/{token}",
                path("agt_000000000000000000000000").replace("/agents/", "")
            ),
            404,
        ),
        ("POST", url.replace("agt-", "agt%2d"), 404),
        ("POST", "/agents/".to_owned(), 404),
        ("GET", hooked.clone(), 405),
        ("PUT", hooked.clone(), 405),
        ("OPTIONS", hooked.clone(), 405),
        ("DELETE", url.clone(), 405),
        ("OPTIONS", url.clone(), 405),
        ("GET", format!("{url}/v3/agents"), 404),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = server.http().request(method.clone(), server.at(&path));
        let answer = answer
            .bearer_auth(KEY)
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        let headers = answer.headers();
        assert!(
            headers
                .keys()
                .all(|name| !name.as_str().starts_with("access-control"))
        );
        assert!(headers.get("location").is_none());
        let text = answer.text().await.unwrap();
        assert!(!text.contains(&token[8..]), "{text}");
    }
    assert_eq!(server.get("/v3/sessions").await["data"], json!([]));
}

#[tokio::test]
async fn a_look_at_an_address_shows_how_it_is_used_and_not_whether_it_is_one() {
    let server = Server::start();
    let agent = server.agent("secret-name", "test/script").await;
    let look = async |path: String| {
        let answer = server.http().get(server.at(&path)).timeout(PATIENCE);
        let answer = answer.send().await.unwrap();
        let headers = answer.headers().clone();
        (answer.status(), headers, answer.text().await.unwrap())
    };
    let (status, headers, page) = look(path(&agent)).await;
    assert_eq!(status, OK);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(page.contains(&path(&agent)) && !page.contains("secret-name"));
    let nobody = "agt_ffffffffffffffffffffffff";
    let (status, _, other) = look(format!("{}/", path(nobody))).await;
    assert_eq!(status, OK);
    assert_eq!(other, page.replace(&path(&agent), &path(nobody)));
    for (path, status) in [
        ("/agents/agt-1".to_owned(), 404),
        (format!("{}?x", path(&agent)), 400),
    ] {
        assert_eq!(look(path).await.0.as_u16(), status);
    }
}

/// A server whose agents have host names, too.
fn hosted() -> Server {
    Server::with(&[
        ("OC_AGENT_DOMAIN", "agents.test"),
        ("OC_PUBLIC_URL", "https://oc.test"),
    ])
}

#[tokio::test]
async fn a_host_name_leads_to_one_agent_and_nowhere_else() {
    let server = hosted();
    let agent = server.agent("a", "test/script").await;
    let host = format!("{}.agents.test", agent.replace('_', "-"));
    let shown = server.get(&format!("/v3/agents/{agent}")).await;
    assert_eq!(shown["invoke_url"], format!("https://{host}"));
    let made = server
        .post(&format!("/v3/agents/{agent}/hooks"), json!({ "name": "h" }))
        .await;
    let url = made["hook_url"].as_str().unwrap();
    let hooked = url.strip_prefix(&format!("https://{host}")).unwrap();

    let at = |path: &str| post(&server, path, "{}").bearer_auth(KEY);
    for spelled in [
        host.clone(),
        format!("{host}:8443"),
        host.to_uppercase(),
        format!("{host}."),
    ] {
        let (status, receipt) = answer(at("/").header("host", &spelled)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{spelled}: {receipt}");
        let (status, receipt) = answer(at(hooked).header("host", &spelled)).await;
        assert_eq!(status, OK, "{spelled}: {receipt}");
    }
    let links = answer(at("/").header("host", &host)).await.1;
    let events = links["links"]["events"].as_str().unwrap();
    assert!(
        events.starts_with("https://oc.test/v3/sessions/ses_"),
        "{events}"
    );
    for path in [
        "/v3/agents",
        "/healthz",
        "/metrics",
        "//",
        "/agents/x",
        &super::agent_url::path(&agent),
    ] {
        for method in [Method::GET, Method::POST] {
            let request = server
                .http()
                .request(method, server.at(path))
                .header("host", &host);
            let (status, body) = answer(request.bearer_auth(KEY).timeout(PATIENCE)).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {body}");
        }
    }
    // Names that are not an agent's lead to the server itself; others' to nobody.
    let (status, _) = answer(at("/v3/agents").header("host", "oc.agents.test")).await;
    assert_eq!(status.as_u16(), 422);
    for wrong in [
        "agt-1.agents.test",
        "agt-000000000000000000000000.agents.test",
    ] {
        let (status, _) = answer(at("/").header("host", wrong)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{wrong}");
    }
    let (status, _) = answer(post(&server, &path(&agent), "{}").bearer_auth(KEY)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "its path is one, too");
}

#[tokio::test]
async fn two_host_names_are_nobody_s() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = hosted();
    let agent = server.agent("a", "test/script").await;
    let host = format!("{}.agents.test", agent.replace('_', "-"));
    let ask = async |target: &str, hosts: &[&str]| {
        let to = server.url.strip_prefix("http://").unwrap();
        let mut line = tokio::net::TcpStream::connect(to).await.unwrap();
        let hosts: String = hosts
            .iter()
            .map(|host| format!("Host: {host}\r\n"))
            .collect();
        let request = format!(
            "GET {target} HTTP/1.1\r\n{hosts}Authorization: Bearer {KEY}\r\nConnection: close\r\n\r\n"
        );
        line.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).await.unwrap();
        answer[9..12].to_owned()
    };
    assert_eq!(ask("/v3/agents", &["oc.test"]).await, "200");
    assert_eq!(ask("/v3/agents", &["oc.test", &host]).await, "404");
    assert_eq!(ask("/v3/agents", &[&host, "oc.test"]).await, "404");
    assert_eq!(
        ask(&format!("http://{host}/v3/agents"), &["oc.test"]).await,
        "404"
    );
    assert_eq!(ask("http://oc.test/v3/agents", &[&host]).await, "200");
    assert_eq!(ask("/", &[&host]).await, "200");
    for path in [
        "/..",
        "/../..",
        "/v3/..",
        "/./",
        "/%2e%2e/v3/agents",
        "/hooks/../../v3",
    ] {
        assert_eq!(ask(path, &[&host]).await, "404", "{path}");
    }
}

#[tokio::test]
async fn an_agent_whose_key_is_gone_begins_nothing_and_says_why() {
    let server = Server::start();
    let body = json!({ "name": "a", "model": "anthropic/claude-sonnet-4-5", "prompt": "p", "runtime": "native" });
    let (status, agent) = server.send(Method::POST, "/v3/agents", Some(body)).await;
    assert_eq!(status, CREATED, "{agent}");
    let url = path(agent["id"].as_str().unwrap());
    let error = refused(&server, Method::POST, &url, Some(json!({})), 422).await;
    assert_eq!(error["code"], "no_credential");
    assert_eq!(sql(&server, "DELETE FROM onces", []), 0);
}
