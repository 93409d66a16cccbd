//! Erasing: the answer comes at once however long the log is, and what it takes
//! away is taken away for good, however often the server is killed meanwhile.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{KEY, Server};

/// Facts of the log, and of which so many go at a time.
const FACTS: i64 = 9_000;
const BATCH: i64 = 2_000;

/// Makes a log long, behind the server's back.
fn lengthen(data: &Path, session: &str) {
    let db = rusqlite::Connection::open(data.join("oc.db")).unwrap();
    let head: i64 = db
        .query_row(
            "SELECT head FROM sessions WHERE id = ?1",
            [session],
            |row| row.get(0),
        )
        .unwrap();
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT ?2 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?3) \
         INSERT INTO events (session, seq, at, type, level, actor, body, refs) \
         SELECT session, n.i, at, 'x', level, actor, '{}', refs FROM events, n \
         WHERE session = ?1 AND seq = 1",
        rusqlite::params![session, head, FACTS],
    )
    .unwrap();
    db.execute(
        "UPDATE sessions SET head = ?2 WHERE id = ?1",
        rusqlite::params![session, FACTS],
    )
    .unwrap();
}

/// Facts of it that are there.
fn left(data: &Path, session: &str) -> i64 {
    let db = rusqlite::Connection::open(data.join("oc.db")).unwrap();
    let sql = "SELECT COUNT(*) FROM events WHERE session = ?1";
    db.query_row(sql, [session], |row| row.get(0)).unwrap()
}

/// Erased sessions of which something is left, as the metrics say.
async fn unburied(server: &Server) -> u64 {
    let page = server.http().get(server.at("/metrics")).send().await;
    let page = page.unwrap().text().await.unwrap();
    let line = page
        .lines()
        .find(|line| line.starts_with("oc_store_unburied "));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap()
}

#[tokio::test]
async fn a_long_log_is_gone_at_once_and_erased_for_good_after_a_crash() {
    let mut server = Server::start();
    let agent = server.agent("eraser", "test/script").await;
    let session = server.session(&agent, "hello").await;
    server.turn_end(&session, 1).await;
    server.kill9();
    lengthen(server.data.path(), &session);
    server.arm("erase.events:2");
    server.launch();
    let path = format!("/v3/sessions/{session}");
    let request = server.http().delete(server.at(&path)).bearer_auth(KEY);
    // It is killed in the middle of it, maybe before the answer is read.
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    server.died();
    let some = left(server.data.path(), &session);
    assert_eq!(some, FACTS - 2 * BATCH);
    server.disarm();
    server.launch();
    let (status, _) = server.send(Method::GET, &path, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = server
        .send(
            Method::POST,
            &format!("{path}/messages"),
            Some(json!({ "text": "x" })),
        )
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let gone = async {
        while unburied(&server).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone)
        .await
        .unwrap();
    assert_eq!(left(server.data.path(), &session), 0);
}
