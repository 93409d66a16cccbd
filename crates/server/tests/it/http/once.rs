//! Requests that must take effect once: get-or-create by `key`, retries by
//! `Idempotency-Key`.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{CREATED, OK};
use crate::harness::{KEY, PATIENCE, Server};

async fn start(server: &Server, body: &Value, header: Option<&str>) -> (StatusCode, Value) {
    let mut request = server
        .http()
        .post(server.at("/v3/sessions"))
        .bearer_auth(KEY)
        .json(body)
        .timeout(PATIENCE);
    if let Some(key) = header {
        request = request.header("Idempotency-Key", key);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn the_same_request_finds_the_same_session_with_a_new_token() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let keyed =
        json!({ "agent": agent, "input": "x", "key": "thread", "metadata": { "a": 1, "b": 2 } });
    let plain = json!({ "agent": agent, "input": "x" });
    for (body, header) in [(&keyed, None), (&plain, Some("retry-1"))] {
        let (status, first) = start(&server, body, header).await;
        assert_eq!(status, CREATED);
        let (status, second) = start(&server, body, header).await;
        assert_eq!(status, OK);
        assert_eq!(first["session"]["id"], second["session"]["id"]);
        assert_ne!(first["client_token"], second["client_token"]);
        let session = first["session"]["id"].as_str().unwrap();
        for answer in [&first, &second] {
            let token = answer["client_token"].as_str().unwrap();
            let path = format!("/v3/sessions/{session}/events");
            let (status, _) = server
                .send_as(token, reqwest::Method::GET, &path, None)
                .await;
            assert_eq!(status, OK, "both tokens open the session");
        }
    }
    let all = server.get("/v3/sessions").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_request_is_the_same_however_it_is_written_down() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let texts = [
        format!("{{\"agent\":\"{agent}\",\"input\":\"ü\",\"key\":\"k\"}}"),
        format!("{{ \"key\" : \"k\",\n\"input\":\"\\u00fc\", \"agent\":\"{agent}\" }}"),
    ];
    let mut ids = Vec::new();
    for text in texts {
        let request = server
            .http()
            .post(server.at("/v3/sessions"))
            .bearer_auth(KEY)
            .body(text)
            .timeout(PATIENCE);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        ids.push(answer["session"]["id"].clone());
    }
    assert!(ids[0].is_string() && ids[0] == ids[1], "{ids:?}");
}

#[tokio::test]
async fn a_key_used_for_another_request_is_a_conflict() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let first = json!({ "agent": agent, "input": "x", "key": "k" });
    start(&server, &first, None).await;
    start(&server, &json!({ "agent": agent, "input": "x" }), Some("h")).await;
    for (body, header) in [
        (json!({ "agent": agent, "input": "y", "key": "k" }), None),
        (
            json!({ "agent": agent, "input": "x", "key": "k", "limits": { "turns": 1 } }),
            None,
        ),
        (json!({ "agent": agent, "input": "y" }), Some("h")),
    ] {
        let (status, answer) = start(&server, &body, header).await;
        assert_eq!(status.as_u16(), 409, "{answer}");
        let error = &answer["error"];
        assert_eq!(error["code"], "conflict");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("create key already used with a different request")
        );
    }
    let all = server.get("/v3/sessions").await;
    assert_eq!(
        all["data"].as_array().unwrap().len(),
        2,
        "a conflict makes nothing"
    );
}

#[tokio::test]
async fn a_race_for_one_key_makes_one_session() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let body = json!({ "agent": agent, "input": "x", "key": "race" });
    let answers = futures::future::join_all((0..16).map(|_| start(&server, &body, None))).await;
    let made = answers
        .iter()
        .filter(|(status, _)| *status == CREATED)
        .count();
    assert_eq!(made, 1, "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|(_, answer)| answer["session"]["id"] == answers[0].1["session"]["id"])
    );
}

#[tokio::test]
async fn the_answer_to_a_key_outlives_the_server() {
    let mut server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let body = json!({ "agent": agent, "input": "x" });
    let (_, first) = start(&server, &body, Some("h")).await;
    server.kill9();
    server.launch();
    let (status, second) = start(&server, &body, Some("h")).await;
    assert_eq!(
        (status, &second["session"]["id"]),
        (OK, &first["session"]["id"])
    );
}
