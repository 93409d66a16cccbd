//! The disk of checkpoints and large bodies is full, and the database's is not: what
//! was acknowledged stays, it is told, and all goes on when there is room.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::files::{next, says};
use crate::harness::{PATIENCE, Server, is, script, wait_until};
use crate::small_disk::inside;

async fn readiness(server: &Server) -> (u16, String) {
    let asked = server.http().get(server.at("/readyz")).timeout(PATIENCE);
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Waits until the server says that it is not ready; why.
async fn until_unready(server: &Server) -> String {
    let look = async {
        loop {
            let (status, why) = readiness(server).await;
            if status == 503 {
                return why;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, look).await;
    told.expect("it was ready all the time")
}

#[tokio::test]
async fn a_full_disk_of_blobs_loses_nothing_and_passes() {
    if !inside(
        "durable::full::a_full_disk_of_blobs_loses_nothing_and_passes",
        "blobs",
        8,
    ) {
        return;
    }
    let blobs = std::env::temp_dir().join("blobs");
    let server = Server::with(&[
        ("OC_IDLE_TIMEOUT_SECONDS", "1"),
        ("OC_BLOBS", blobs.to_str().unwrap()),
    ]);
    let session = server.play(says("echo one > note; echo ok")).await;
    server.until(&session, is("sandbox.hibernated")).await;
    let ballast = blobs.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}

    // What is small goes on: its files are there, and are not safe yet.
    let told = next(&server, &session, 2, "cat note; echo two > note").await;
    assert!(told.contains("one"), "{told}");
    let why = until_unready(&server).await;
    assert!(why.contains("checkpoints is full"), "{why}");
    let before = server.events(&session).await;
    let path = format!("/v3/sessions/{session}/messages");
    let said = json!({ "text": "x".repeat(60_000) });
    let (status, answer) = server.send(Method::POST, &path, Some(said)).await;
    assert_eq!(status.as_u16(), 507, "{answer}");
    assert_eq!(server.events(&session).await, before);

    // The receipt of this has no room: it waits, and nothing runs twice.
    let large = says("echo x >> count; seq 1 20000");
    server.say(&session, &script(large)).await;
    wait_until(|| server.log().contains("the run stopped")).await;
    drop(file);
    std::fs::remove_file(&ballast).unwrap();
    let end = server.turn_end(&session, 3).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    let mut stream = server.follow(&session, end["seq"].as_u64().unwrap()).await;
    stream.until(is("sandbox.hibernated")).await;
    let told = next(&server, &session, 4, "cat note count").await;
    assert!(told.contains("woken") && told.contains("two\nx"), "{told}");
    assert!(!told.contains("x\nx"), "it ran once: {told}");
    assert_eq!(readiness(&server).await.0, 200);
}
