//! Secret stores, agents' own secrets, and what an agent's sandboxes may reach:
//! by three faces, on one vault.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{CREATED, NO_CONTENT, OK, id, refused, rested, stranger};
use crate::harness::{PATIENCE, Server};

const STORES: &str = "/api/secret-stores";
const CANARY: &str = "canary-5ecre7-value-z9y8";

async fn put(server: &Server, path: &str, body: Value) -> (StatusCode, Value) {
    server.send(Method::PUT, path, Some(body)).await
}

async fn made(server: &Server, name: &str) -> String {
    id(&server.post(STORES, json!({ "name": name })).await)
}

#[tokio::test]
async fn a_store_is_made_changed_and_deleted() {
    let server = Server::start();
    let body = json!({ "name": "ci", "egressAllowlist": ["API.Example.com", "*.github.com"] });
    let (status, ci) = server.send(Method::POST, STORES, Some(body.clone())).await;
    assert_eq!(status, CREATED);
    assert_eq!(ci["name"], "ci");
    assert_eq!(
        ci["egressAllowlist"],
        json!(["api.example.com", "*.github.com"])
    );
    assert!(ci["orgId"].as_str().unwrap().starts_with("org_"), "{ci}");
    assert_eq!(ci["createdAt"], ci["updatedAt"]);
    let path = format!("{STORES}/{}", id(&ci));
    assert_eq!(server.get(&path).await, ci);
    assert_eq!(server.get(STORES).await, json!([ci]), "a bare array");

    let (status, again) = server.send(Method::POST, STORES, Some(body)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(again["error"].as_str().unwrap().contains("`ci`"), "{again}");

    let (status, now) = put(&server, &path, json!({ "egressAllowlist": [] })).await;
    assert_eq!((status, &now["name"]), (OK, &json!("ci")));
    assert_eq!(now["egressAllowlist"], json!([]));
    let (_, now) = put(&server, &path, json!({ "name": "cd" })).await;
    assert_eq!(now["name"], "cd");
    made(&server, "ci").await;
    let (status, _) = put(&server, &path, json!({ "name": "ci" })).await;
    assert_eq!(status, StatusCode::CONFLICT);

    let deleted = server.send(Method::DELETE, &path, None).await;
    assert_eq!(deleted, (NO_CONTENT, Value::Null));
    let (status, gone) = server.send(Method::GET, &path, None).await;
    assert_eq!(
        (status, &gone["code"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let server = Server::start();
    let store = format!("{STORES}/{}", made(&server, "ci").await);
    let path = format!("{store}/secrets/GITHUB_TOKEN");
    let body = json!({ "value": CANARY, "allowedHosts": ["api.github.com"] });
    let (status, set) = put(&server, &path, body).await;
    assert_eq!(
        (status, set),
        (OK, json!({ "name": "GITHUB_TOKEN", "status": "set" }))
    );
    let first = server.get(&format!("{store}/secrets")).await;
    // A new value alone leaves the hosts as they are.
    let (status, _) = put(&server, &path, json!({ "value": CANARY })).await;
    assert_eq!(status, OK);
    let list = server.get(&format!("{store}/secrets")).await;
    for field in ["id", "storeId", "name", "allowedHosts", "createdAt"] {
        assert_eq!(list[0][field], first[0][field], "{field}");
    }
    assert_eq!(list[0]["allowedHosts"], json!(["api.github.com"]));
    assert!(!format!("{list}").contains("canary"), "{list}");
    assert!(!server.log().contains("canary"), "{}", server.log());

    let deleted = server.send(Method::DELETE, &path, None).await;
    assert_eq!(deleted, (NO_CONTENT, Value::Null));
    let (status, _) = server.send(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(server.get(&format!("{store}/secrets")).await, json!([]));
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_face_s_own_shape_without_the_value() {
    let server = Server::start();
    let store = made(&server, "ci").await;
    let agent = server.agent("a", "test/script").await;
    let value = |text: &str| json!({ "value": text });
    for (name, body, word) in [
        ("1X", value("v"), "variable"),
        ("OC_X", value("v"), "platform"),
        ("X", json!({}), "`value`"),
        ("X", value(""), "`value`"),
        ("X", json!({ "value": 5 }), "`value`"),
        ("X", value("canary\r\nEvil: yes"), "one line"),
        (
            "X",
            json!({ "value": "v", "allowedHosts": ["https://x.test"], "allowed_hosts": ["https://x.test"] }),
            "[0]",
        ),
        (
            "X",
            json!({ "value": "v", "allowedHosts": "x.test", "allowed_hosts": "x.test" }),
            "osts`",
        ),
    ] {
        let path = format!("{STORES}/{store}/secrets/{name}");
        let (status, answer) = put(&server, &path, body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name} {body}: {answer}");
        let text = answer["error"].as_str().unwrap();
        assert!(text.contains(word), "{name} {body}: {text}");
        assert_eq!(answer["code"], "invalid");
        assert!(!text.contains("canary"), "{text}");

        let path = format!("/v1/agents/{agent}/secrets/{name}");
        let (status, answer) = put(&server, &path, body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        assert_eq!(answer["error"]["type"], "invalid_request");

        let path = format!("/v3/agents/{agent}/secrets/{name}");
        let error = refused(&server, Method::PUT, &path, Some(body), 422).await;
        assert!(error["param"].is_string(), "{error}");
    }
    for body in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "x", "egressAllowlist": ["x:1"] }),
    ] {
        let (status, answer) = server.send(Method::POST, STORES, Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    }
}

#[tokio::test]
async fn an_agent_s_own_secrets_are_one_store_seen_by_three_faces() {
    let server = Server::start();
    let agent = server.agent("coder", "test/script").await;
    let v3 = format!("/v3/agents/{agent}/secrets");
    assert_eq!(server.get(&v3).await, json!({ "data": [] }));
    let body = json!({ "value": CANARY, "allowed_hosts": ["*.github.com"] });
    let (status, set) = put(&server, &format!("{v3}/TOKEN"), body).await;
    assert_eq!(status, OK);
    assert_eq!(
        (&set["name"], &set["last4"], &set["deployment_required"]),
        (&json!("TOKEN"), &json!("z9y8"), &json!(false))
    );
    // `v1` and the name of the agent lead to the same.
    let (status, set) = put(
        &server,
        "/v1/agents/coder/secrets/OTHER",
        json!({ "value": "v" }),
    )
    .await;
    assert_eq!(status, OK);
    assert_eq!(
        (&set["key"], &set["allowed_hosts"]),
        (&json!("OTHER"), &json!([]))
    );
    assert!(set["set_at"].is_string(), "{set}");
    let list = server.get("/v1/agents/coder/secrets").await;
    assert_eq!(list["secrets"][1]["key"], "TOKEN");
    assert_eq!(list["secrets"][1]["allowed_hosts"], json!(["*.github.com"]));

    let stores = server.get(STORES).await;
    assert_eq!(stores[0]["name"], format!("agent:{agent}"));
    let secrets = format!("{STORES}/{}/secrets", id(&stores[0]));
    assert_eq!(server.get(&secrets).await.as_array().unwrap().len(), 2);

    let gone = server
        .send(Method::DELETE, "/v1/agents/coder/secrets/OTHER", None)
        .await;
    assert_eq!(gone, (OK, json!({})));
    let gone = server
        .send(Method::DELETE, &format!("{v3}/TOKEN"), None)
        .await;
    assert_eq!(gone, (NO_CONTENT, Value::Null));
    refused(&server, Method::DELETE, &format!("{v3}/TOKEN"), None, 404).await;
    refused(&server, Method::GET, "/v3/agents/nobody/secrets", None, 404).await;
    let (status, answer) = server
        .send(Method::GET, "/v1/agents/nobody/secrets", None)
        .await;
    assert_eq!(
        (status, &answer["error"]["type"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
}

#[tokio::test]
async fn another_org_s_secrets_are_not_there() {
    let server = Server::start();
    let store = format!("{STORES}/{}", made(&server, "ci").await);
    let agent = server.agent("a", "test/script").await;
    let key = stranger(&server);
    let mine = format!("/v3/agents/{agent}/secrets");
    let value = json!({ "value": "v" });
    for (method, path, body) in [
        (Method::GET, store.clone(), None),
        (Method::PUT, store.clone(), Some(json!({ "name": "x" }))),
        (Method::DELETE, store.clone(), None),
        (Method::GET, format!("{store}/secrets"), None),
        (
            Method::PUT,
            format!("{store}/secrets/X"),
            Some(value.clone()),
        ),
        (Method::DELETE, format!("{store}/secrets/X"), None),
        (Method::GET, mine.clone(), None),
        (Method::PUT, format!("{mine}/X"), Some(value.clone())),
        (
            Method::PUT,
            format!("/v1/agents/{agent}/secrets/X"),
            Some(value),
        ),
    ] {
        let request = server.http().request(method.clone(), server.at(&path));
        let request = request
            .timeout(PATIENCE)
            .header("X-API-Key", &key)
            .json(&body);
        let status = request.send().await.unwrap().status();
        assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}");
        let nobody = server
            .http()
            .request(method, server.at(&path))
            .timeout(PATIENCE);
        let answer = nobody.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let theirs = server
        .http()
        .get(server.at(STORES))
        .header("X-API-Key", &key);
    let theirs: Value = theirs
        .timeout(PATIENCE)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(theirs, json!([]));
}

#[tokio::test]
async fn an_agent_says_what_its_sandboxes_may_reach_and_which_store_they_get() {
    let server = Server::start();
    let body = json!({ "name": "a", "model": "test/script", "prompt": "p",
        "egress": { "allowlist": ["*.GitHub.com"] }, "secret_store": "ci" });
    let error = refused(&server, Method::POST, "/v3/agents", Some(body.clone()), 422).await;
    assert_eq!(error["param"], "secret_store", "there is none of that name");
    let store = made(&server, "ci").await;
    let agent = server.post("/v3/agents", body.clone()).await;
    assert_eq!(agent["egress"], json!({ "allowlist": ["*.github.com"] }));
    assert_eq!(agent["secret_store"], "ci");
    assert_eq!(id(&server.post("/v3/agents", body).await), id(&agent));

    let path = format!("/v3/agents/{}", id(&agent));
    let change = json!({ "egress": "none" });
    let (_, now) = server.send(Method::PATCH, &path, Some(change)).await;
    assert_eq!(
        (&now["egress"], &now["secret_store"]),
        (&json!("none"), &json!("ci"))
    );
    let (status, _) = server
        .send(Method::DELETE, &format!("{STORES}/{store}"), None)
        .await;
    assert_eq!(status, NO_CONTENT);
    // What a change does not name is not looked at again.
    let change = json!({ "egress": null });
    let (status, now) = server.send(Method::PATCH, &path, Some(change)).await;
    assert_eq!((status, &now["egress"]), (OK, &json!("open")));
    let change = json!({ "secret_store": null });
    let (_, now) = server.send(Method::PATCH, &path, Some(change)).await;
    assert_eq!(now["secret_store"], Value::Null);
    for (body, param) in [
        (json!({ "egress": "shut" }), "egress"),
        (
            json!({ "egress": { "allowlist": ["*"] } }),
            "egress.allowlist[0]",
        ),
        (json!({ "secret_store": "nobody's" }), "secret_store"),
    ] {
        let error = refused(&server, Method::PATCH, &path, Some(body), 422).await;
        assert_eq!(error["param"], param);
    }
}

/// The stores that a session's sandboxes are given.
async fn stores_of(server: &Server, session: &str) -> Value {
    let shown = server.get(&format!("/v3/sessions/{session}")).await;
    shown["agent_snapshot"]["secret_stores"].clone()
}

#[tokio::test]
async fn a_session_gets_its_agent_s_secrets_and_a_fork_only_if_it_is_told() {
    let server = Server::start();
    made(&server, "ci").await;
    let (session, _) = rested(&server).await;
    let agents = server.get("/v3/agents").await;
    let own = format!("agent:{}", id(&agents["data"][0]));
    assert_eq!(stores_of(&server, &session).await, json!([own]));
    let fork = format!("/v3/sessions/{session}/fork");
    for (body, want) in [
        (json!({}), json!([])),
        (json!({ "inherit_secrets": false }), json!([])),
        (json!({ "inherit_secrets": true }), json!([own])),
    ] {
        let made = server.post(&fork, body).await;
        assert_eq!(stores_of(&server, &id(&made["session"])).await, want);
    }
    // What a store closed to the origin stays closed to a fork without it.
    let store = json!({ "name": "narrow", "egressAllowlist": ["a.test"] });
    server.post(STORES, store).await;
    let path = format!("/v3/agents/{}", id(&agents["data"][0]));
    let change = json!({ "secret_store": "narrow" });
    server.send(Method::PATCH, &path, Some(change)).await;
    let narrow = json!({ "agent": id(&agents["data"][0]), "input": "hi" });
    let narrow = id(&server.post("/v3/sessions", narrow).await["session"]);
    let made = server
        .post(&format!("/v3/sessions/{narrow}/fork"), json!({}))
        .await;
    let snapshot = &made["session"]["agent_snapshot"];
    assert_eq!(snapshot["egress"], json!({ "allowlist": ["a.test"] }));
    assert_eq!(snapshot["secret_stores"], json!([]));

    // A store that is gone may have closed anything.
    let stores = server.get(STORES).await;
    let gone = format!("{STORES}/{}", id(&stores[0]));
    assert_eq!(stores[0]["name"], "narrow");
    server.send(Method::DELETE, &gone, None).await;
    let path = format!("/v3/sessions/{narrow}/fork");
    let made = server.post(&path, json!({})).await;
    let snapshot = &made["session"]["agent_snapshot"];
    assert_eq!(snapshot["egress"], "none");

    let wrong = json!({ "inherit_secrets": "yes" });
    let error = refused(&server, Method::POST, &fork, Some(wrong), 422).await;
    assert_eq!(error["param"], "inherit_secrets");
}
