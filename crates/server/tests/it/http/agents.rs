//! Agents: made once by name, changed by revisions, deleted without a trace.

use reqwest::Method;
use serde_json::{Value, json};

use super::{CREATED, NO_CONTENT, OK, id, refused};
use crate::harness::Server;

fn coder() -> Value {
    json!({ "name": "coder", "model": "claude-opus-4-8", "prompt": "Write code.", "limits": { "turns": 9 } })
}

#[tokio::test]
async fn an_agent_is_made_once_and_found_again_by_the_same_request() {
    let server = Server::start();
    let (status, made) = server.send(Method::POST, "/v3/agents", Some(coder())).await;
    assert_eq!(status, CREATED, "{made}");
    for (field, want) in [
        ("name", json!("coder")),
        ("model", json!("anthropic/claude-opus-4-8")),
        ("runtime", json!("native")),
        ("prompt", json!("Write code.")),
        ("revision", json!(1)),
        ("credential_id", Value::Null),
        ("limits", json!({ "turns": 9 })),
    ] {
        assert_eq!(made[field], want, "{field}");
    }
    assert_eq!(made["active_revision"]["id"], made["active_revision_id"]);
    assert!(made["prompt_hash"].as_str().unwrap().starts_with("sha256:"));
    let host = id(&made).replace('_', "-");
    assert!(
        made["invoke_url"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/agents/{host}"))
    );

    let (status, again) = server.send(Method::POST, "/v3/agents", Some(coder())).await;
    assert_eq!((status, &again), (OK, &made));
    assert_eq!(server.get(&format!("/v3/agents/{}", id(&made))).await, made);
}

#[tokio::test]
async fn the_same_name_with_another_configuration_is_a_conflict_that_names_what_differs() {
    let server = Server::start();
    server.post("/v3/agents", coder()).await;
    for (field, value) in [
        ("prompt", json!("Other.")),
        ("model", json!("anthropic/claude-haiku-5")),
        ("limits", json!({ "turns": 8 })),
        ("credential", json!("managed")),
    ] {
        let mut other = coder();
        other[field] = value;
        let error = refused(&server, Method::POST, "/v3/agents", Some(other), 409).await;
        assert_eq!(error["code"], "conflict");
        assert!(
            error["message"].as_str().unwrap().contains(field),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_change_of_prompt_or_model_is_a_revision_and_other_changes_are_none() {
    let server = Server::start();
    let path = format!(
        "/v3/agents/{}",
        id(&server.post("/v3/agents", coder()).await)
    );
    let mut revision = 1;
    for (change, bumps) in [
        (json!({ "prompt": "Write tests." }), 1),
        (json!({ "model": "openai/gpt-5.5" }), 1),
        (json!({ "limits": { "tokens": 5 } }), 0),
        (json!({ "credential": "managed" }), 0),
        (json!({ "credential": null }), 0),
        (json!({}), 0),
    ] {
        let (status, agent) = server
            .send(Method::PATCH, &path, Some(change.clone()))
            .await;
        assert_eq!(status, OK, "{change}: {agent}");
        revision += bumps;
        assert_eq!(agent["revision"], revision, "{change}");
        assert_eq!(agent["active_revision"]["number"], revision);
    }
    let now = server.get(&path).await;
    assert_eq!(
        (&now["prompt"], &now["model"]),
        (&json!("Write tests."), &json!("openai/gpt-5.5"))
    );
    assert_eq!(
        (&now["limits"], &now["credential_id"]),
        (&json!({ "tokens": 5 }), &Value::Null)
    );
}

#[tokio::test]
async fn a_key_becomes_a_credential_that_is_never_shown() {
    let server = Server::start();
    let mut wanted = coder();
    wanted["key"] = json!("sk-ant-very-secret-1234");
    let agent = server.post("/v3/agents", wanted).await;
    let credentials = server.get("/v3/credentials").await;
    let [credential] = credentials["data"].as_array().unwrap().as_slice() else {
        panic!("{credentials}")
    };
    assert_eq!(agent["credential_id"], credential["id"]);
    assert_eq!(
        (&credential["provider"], &credential["last4"]),
        (&json!("anthropic"), &json!("1234"))
    );
    let path = format!("/v3/agents/{}", id(&agent));
    let (_, changed) = server
        .send(
            Method::PATCH,
            &path,
            Some(json!({ "key": "sk-ant-other-9876" })),
        )
        .await;
    assert_eq!(
        changed["credential_id"], credential["id"],
        "a new value, the same credential"
    );
    let credentials = server.get("/v3/credentials").await;
    assert_eq!(credentials["data"][0]["last4"], "9876");
    let shown = format!("{agent}{changed}{credentials}{}", server.log());
    assert!(
        !shown.contains("very-secret") && !shown.contains("sk-ant-other"),
        "{shown}"
    );
}

#[tokio::test]
async fn agents_are_listed_newest_first_page_by_page() {
    let server = Server::start();
    for n in 0..5 {
        server.agent(&format!("a{n}"), "test/demo").await;
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server
            .get(&format!("/v3/agents?limit=2&cursor={cursor}"))
            .await;
        names.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|agent| agent["name"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(names, ["a4", "a3", "a2", "a1", "a0"]);
}

#[tokio::test]
async fn a_deleted_agent_frees_its_name_and_leaves_its_sessions() {
    let server = Server::start();
    let agent = server.agent("gone", "test/script").await;
    let session = server.session(&agent, "hello").await;
    server.turn_end(&session, 1).await;
    let path = format!("/v3/agents/{agent}");
    let (status, body) = server.send(Method::DELETE, &path, None).await;
    assert_eq!((status, body), (NO_CONTENT, Value::Null));
    for method in [Method::GET, Method::DELETE] {
        refused(&server, method, &path, None, 404).await;
    }
    let start = json!({ "agent": agent, "input": "x" });
    assert_eq!(
        refused(&server, Method::POST, "/v3/sessions", Some(start), 404).await["param"],
        "agent"
    );
    assert_eq!(
        server.get(&format!("/v3/sessions/{session}")).await["agent_id"],
        json!(agent)
    );
    server.say(&session, "still there?").await;
    server.turn_end(&session, 2).await;
    assert_ne!(server.agent("gone", "test/script").await, agent);
}
