//! What every answer has, and what the operator's machines ask.

use reqwest::Method;
use serde_json::{Value, json};

use super::{OK, refused, rested};
use crate::harness::{KEY, PATIENCE, Server};

#[tokio::test]
async fn a_server_says_that_it_is_alive_and_ready() {
    let server = Server::start();
    for (path, word) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = server
            .http()
            .get(server.at(path))
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), OK);
        assert_eq!(
            answer.json::<Value>().await.unwrap(),
            json!({ "status": word })
        );
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let server = Server::start();
    let mut ids = Vec::new();
    for path in ["/v3/agents", "/v3/agents", "/healthz", "/nowhere"] {
        let answer = server
            .http()
            .get(server.at(path))
            .bearer_auth(KEY)
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        let header = answer.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let body: Value = answer.json().await.unwrap();
        if let Some(inside) = body["error"]["request_id"].as_str() {
            assert_eq!(inside, header);
        }
        ids.push(header);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_wrong_method_is_told_which_there_are() {
    let server = Server::start();
    let request = server
        .http()
        .delete(server.at("/v3/agents"))
        .bearer_auth(KEY);
    let answer = request.timeout(PATIENCE).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 405);
    let allow = answer.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    assert_eq!(
        answer.json::<Value>().await.unwrap()["error"]["code"],
        "method_not_allowed"
    );
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    for (path, want) in [
        (format!("/v3/sessions/{session}"), 200),
        (format!("/v3/sessions/{session}/events"), 200),
        (format!("/v3/sessions/{session}/events?stream=sse"), 200),
        ("/v3/sessions/ses_none".to_owned(), 404),
    ] {
        let answer = server
            .http()
            .head(server.at(&path))
            .bearer_auth(KEY)
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), want, "{path}");
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn the_description_served_is_the_committed_one() {
    let server = Server::start();
    let served = server.get("/openapi.json").await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(served, committed);
}

#[tokio::test]
async fn the_counts_tell_what_happened() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let open = server.follow(&session, 0).await;
    refused(&server, Method::GET, "/v3/agents/agt_none", None, 404).await;
    let page = server
        .http()
        .get(server.at("/metrics"))
        .timeout(PATIENCE)
        .send()
        .await
        .unwrap();
    let text = page.text().await.unwrap();
    for line in [
        "oc_http_requests_total{method=\"GET\",route=\"/v3/agents/{id}\",status=\"404\"} 1",
        "oc_http_requests_total{method=\"POST\",route=\"/v3/sessions\",status=\"201\"} 1",
        "oc_sessions{state=\"idle\"} 1",
        "oc_sessions_running 0",
        "oc_stream_subscribers 1",
        "oc_model_calls_total{provider=\"test\",outcome=\"ok\"} 1",
        "oc_model_tokens_total{provider=\"test\",kind=\"input\"} 10",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(
        text.contains("oc_events_appended_total ") && text.ends_with("# EOF\n"),
        "{text}"
    );
    assert!(!text.contains(&session), "no ids among the labels");
    drop(open);
}

#[tokio::test]
async fn each_request_is_one_line_in_the_log() {
    let server = Server::start();
    let request = server
        .http()
        .get(server.at("/v3/sessions/ses_abc?token=hidden"))
        .bearer_auth(KEY);
    let answer = request.timeout(PATIENCE).send().await.unwrap();
    let id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let log = server.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(&id)).collect();
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    for part in ["/v3/sessions/{id}", "404", "ses_abc", "org_"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("hidden"), "{line}");
}
