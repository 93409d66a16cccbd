//! A full disk, seen by a client and by the operator's machines: writes are refused
//! in clear words, what is there can be read, and all is well when there is room.
//! The server's own log is on that disk, too, as it is for many.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::rested;
use crate::harness::{PATIENCE, Server};
use crate::small_disk::inside;

fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
}

async fn ready(server: &Server) -> (u16, Value) {
    let asked = server.http().get(server.at("/readyz")).timeout(PATIENCE);
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Makes agents until one is refused; how many there were, and the refusal.
async fn agents_until_refused(server: &Server) -> (usize, u16, Value) {
    let body = json!({ "name": "big", "model": "test/script", "prompt": "x".repeat(60_000) });
    let mut made = 0;
    loop {
        let asked = server.send(Method::POST, "/v3/agents", Some(body.clone()));
        let (status, answer) = asked.await;
        if !status.is_success() {
            return (made, status.as_u16(), answer);
        }
        made += 1;
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_in_clear_words_and_passes() {
    if !inside(
        "http::full::a_full_disk_refuses_writes_in_clear_words_and_passes",
        ".",
        64,
    ) {
        return;
    }
    let mut server = Server::start();
    let (session, _) = rested(&server).await;
    let before = server.events(&session).await;
    let ballast = std::env::temp_dir().join("ballast");
    fill(&ballast);

    let (made, status, refused) = agents_until_refused(&server).await;
    assert_eq!(status, 507, "{refused}");
    let error = &refused["error"];
    assert_eq!(error["code"], "storage_full", "{error}");
    assert_eq!(error["retriable"], true, "{error}");
    assert!(error["message"].as_str().unwrap().contains("disk is full"));
    let (status, unready) = ready(&server).await;
    assert_eq!(status, 503, "{unready}");
    let why = unready["error"]["message"].as_str().unwrap();
    assert!(why.contains("full"), "it says why: {unready}");
    let path = format!("/v3/sessions/{session}/messages");
    let said = json!({ "text": "x".repeat(60_000) });
    let (status, answer) = server.send(Method::POST, &path, Some(said)).await;
    assert_eq!(status.as_u16(), 507, "{answer}");
    assert_eq!(
        server.events(&session).await,
        before,
        "what is there is read"
    );

    // Each is a line of the log, for which there is no room either.
    for _ in 0..64 {
        server.get("/v3/agents").await;
    }

    std::fs::remove_file(&ballast).unwrap();
    server.say(&session, "well?").await;
    server.turn_end(&session, 2).await;
    assert_eq!(ready(&server).await.0, 200);
    let agents = server.get("/v3/agents?limit=100").await;
    let big = agents["data"].as_array().unwrap().iter();
    assert_eq!(big.filter(|agent| agent["name"] == "big").count(), made);
    let events = server.events(&session).await;
    assert!(
        events
            .iter()
            .all(|event| !event.to_string().contains("xxxx"))
    );
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert!(server.terminate());
}
