//! Credentials: write-only, one default per provider, and which one a session gets.

use reqwest::Method;
use serde_json::{Value, json};

use super::{CREATED, NO_CONTENT, OK, id, refused};
use crate::harness::Server;

async fn store(server: &Server, provider: &str, key: &str, default: bool) -> String {
    let body = json!({ "provider": provider, "key": key, "is_default": default });
    id(&server.post("/v3/credentials", body).await)
}

/// The credential a new session of such an agent gets, or the code of the refusal.
async fn pinned(server: &Server, name: &str, model: &str, credential: Value) -> String {
    let mut agent = json!({ "name": name, "model": model, "prompt": "p" });
    if !credential.is_null() {
        agent["credential"] = credential;
    }
    let agent = id(&server.post("/v3/agents", agent).await);
    let (status, answer) = server
        .send(
            Method::POST,
            "/v3/sessions",
            Some(json!({ "agent": agent, "input": "x" })),
        )
        .await;
    let what = if status == CREATED {
        &answer["session"]["credential_id"]
    } else {
        &answer["error"]["code"]
    };
    what.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_credential_is_stored_listed_rotated_and_deleted_without_its_value() {
    let server = Server::start();
    let body = json!({ "key": "sk-ant-api03-one-1111", "name": "main" });
    let (status, made) = server
        .send(Method::POST, "/v3/credentials", Some(body))
        .await;
    assert_eq!(status, CREATED);
    let path = format!("/v3/credentials/{}", id(&made));
    for (field, want) in [
        ("provider", json!("anthropic")),
        ("name", json!("main")),
        ("last4", json!("1111")),
        ("is_default", json!(false)),
    ] {
        assert_eq!(made[field], want, "{field}");
    }
    let (status, rotated) = server
        .send(
            Method::PATCH,
            &path,
            Some(json!({ "key": "sk-ant-api03-two-2222" })),
        )
        .await;
    assert_eq!((status, &rotated["last4"]), (OK, &json!("2222")));
    let list = server.get("/v3/credentials").await;
    assert_eq!(list["data"], json!([rotated]));
    assert!(!format!("{made}{list}").contains("sk-"), "{list}");
    assert_eq!(
        server.send(Method::DELETE, &path, None).await,
        (NO_CONTENT, Value::Null)
    );
    for (method, body) in [
        (Method::DELETE, None),
        (Method::PATCH, Some(json!({ "key": "x" }))),
    ] {
        refused(&server, method, &path, body, 404).await;
    }
}

#[tokio::test]
async fn there_is_one_default_per_provider() {
    let server = Server::start();
    let first = store(&server, "anthropic", "k1", true).await;
    let second = store(&server, "anthropic", "k2", true).await;
    let other = store(&server, "openai", "k3", true).await;
    let defaults = async || {
        let list = server.get("/v3/credentials").await;
        let all = list["data"].as_array().unwrap().clone();
        let mut ids: Vec<_> = all
            .iter()
            .filter(|one| one["is_default"] == true)
            .map(id)
            .collect();
        ids.sort();
        ids
    };
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(defaults().await, sorted(vec![second, other.clone()]));
    let wanted = json!({ "credential": first, "provider": "anthropic" });
    let (status, now) = server
        .send(Method::PUT, "/v3/credentials/default", Some(wanted))
        .await;
    assert_eq!((status, &now["is_default"]), (OK, &json!(true)));
    assert_eq!(defaults().await, sorted(vec![first.clone(), other]));
    let wrong = json!({ "credential": first, "provider": "openai" });
    assert_eq!(
        refused(
            &server,
            Method::PUT,
            "/v3/credentials/default",
            Some(wrong),
            422
        )
        .await["param"],
        "provider"
    );
}

#[tokio::test]
async fn a_session_gets_its_key_in_the_contract_s_order() {
    let server = Server::with(&[
        ("OPENAI_API_KEY", "sk-of-the-server"),
        ("OC_OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
    ]);
    let anthropic = "anthropic/claude-opus-4-8";
    let openai = "openai/gpt-5.5";
    let nobody = pinned(&server, "nobody", anthropic, Value::Null).await;
    assert_eq!(nobody, "no_credential");
    let unmanaged = pinned(&server, "unmanaged", anthropic, json!("managed")).await;
    assert_eq!(unmanaged, "managed_unavailable");
    let own = store(&server, "anthropic", "k-own", false).await;
    assert_eq!(pinned(&server, "own", anthropic, json!(own)).await, own);
    assert_eq!(
        pinned(&server, "server", openai, Value::Null).await,
        "managed"
    );
    let default = store(&server, "anthropic", "k-default", true).await;
    assert_eq!(
        pinned(&server, "default", anthropic, Value::Null).await,
        default
    );
    let of_openai = store(&server, "openai", "k-openai", true).await;
    assert_eq!(
        pinned(&server, "managed", openai, json!("managed")).await,
        "managed"
    );
    assert_eq!(
        pinned(&server, "mismatch", openai, json!(own)).await,
        of_openai
    );
    assert_eq!(
        pinned(&server, "rehearsal", "test/demo", json!(own)).await,
        "managed"
    );
}

#[tokio::test]
async fn an_agent_whose_credential_was_deleted_says_so_and_how_to_go_on() {
    let server = Server::start();
    let own = store(&server, "anthropic", "k", false).await;
    let agent =
        json!({ "name": "a", "model": "claude-opus-4-8", "prompt": "p", "credential": own });
    let agent = id(&server.post("/v3/agents", agent).await);
    server
        .send(Method::DELETE, &format!("/v3/credentials/{own}"), None)
        .await;
    let start = json!({ "agent": agent, "input": "x" });
    let error = refused(&server, Method::POST, "/v3/sessions", Some(start), 422).await;
    assert_eq!(error["code"], "no_credential");
    assert!(error["message"].as_str().unwrap().contains(&own), "{error}");
}
