//! Several nodes on one PostgreSQL, one that dies, a database that goes away, and a
//! receiver with a certificate of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::StatusCode;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use super::receiver::{Receiver, Secure, ready, status};
use super::{OPEN, all_delivered, says, start, visible};
use crate::harness::Server;

/// A node on that database, in a folder that may have been prepared.
fn node(url: &str, folder: TempDir) -> Server {
    let own = [("OC_DATABASE_URL", url), ("OC_LEASE_SECONDS", "2")];
    let env: Vec<_> = OPEN.into_iter().chain(own).collect();
    Server::on(folder, &env)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_work_and_one_takes_up_what_a_dead_one_left() {
    let url = store::testing::database();
    let mut one = node(&url, tempfile::tempdir().unwrap());
    let receiver = Receiver::start().await;
    let extra = json!({ "destinations": [{ "url": receiver.url(), "level": "internal" }] });
    let mut sessions = Vec::new();
    for n in 0..4 {
        let input = says(&format!("answer {n}"));
        sessions.push(start(&one, &input, extra.clone()).await);
    }
    // They share the master key.
    let (folder, key) = (tempfile::tempdir().unwrap(), "master.key");
    std::fs::copy(one.data.path().join(key), folder.path().join(key)).unwrap();
    let two = node(&url, folder);
    receiver.until(1).await;
    one.kill9();
    for session in &sessions {
        two.turn_end(session, 1).await;
        let want = visible(&two, session, "internal").await;
        let path = format!("/v3/sessions/{session}/deliveries");
        all_delivered(&two, &path, want.len()).await;
        let got = receiver.got();
        let its = got
            .iter()
            .filter(|g| g.header("x-oc-session-id") == session);
        let mut first: Vec<u64> = Vec::new();
        for one in its {
            if !first.contains(&one.seq()) {
                first.push(one.seq());
            }
        }
        assert_eq!(first, want, "none is lost, and all in order");
    }
    let ids: BTreeSet<_> = receiver
        .got()
        .iter()
        .map(|got| (got.header("webhook-id").to_owned(), got.body.clone()))
        .collect();
    let events: BTreeSet<_> = ids.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), events.len(), "a repeat says the same");
}

#[tokio::test]
async fn a_drain_ends_well_and_loses_nothing() {
    let mut server = Server::with(&OPEN);
    let receiver = Receiver::answering(|n, _| {
        if n == 0 {
            super::receiver::slowly(std::time::Duration::from_millis(500), 200)
        } else {
            ready(status(200))
        }
    })
    .await;
    let extra = json!({ "destinations": [{ "url": receiver.url(), "level": "internal" }] });
    let session = start(&server, &says("one"), extra).await;
    receiver.until(1).await;
    server.turn_end(&session, 1).await;
    let ended = tokio::task::spawn_blocking(move || {
        let ended = server.terminate();
        (server, ended)
    });
    let (mut server, ended) = ended.await.unwrap();
    assert!(ended);
    server.launch();
    let want = visible(&server, &session, "internal").await;
    all_delivered(
        &server,
        &format!("/v3/sessions/{session}/deliveries"),
        want.len(),
    )
    .await;
    let mut seqs: Vec<_> = receiver
        .got()
        .iter()
        .map(super::receiver::Got::seq)
        .collect();
    seqs.dedup();
    assert_eq!(seqs, want);
}

#[tokio::test]
async fn a_certificate_must_verify() {
    let secure = Arc::new(Secure::make());
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(roots.path(), secure.authority()).unwrap();
    let trusting = roots.path().to_str().unwrap().to_owned();
    let receiver = Receiver::secure(&secure).await;
    let port = receiver.address.port();
    let extra = json!({ "webhook": format!("https://localhost:{port}/") });
    let server = Server::with(&[OPEN[0], OPEN[1], ("OC_EXTRA_ROOTS", &trusting)]);
    let session = start(&server, &says("one"), extra.clone()).await;
    server.turn_end(&session, 1).await;
    let want = visible(&server, &session, "user").await;
    receiver.until(want.len()).await;
    let doubting = Server::with(&[OPEN[0], ("OC_DELIVERY_RETRY_MS", "10")]);
    let session = start(&doubting, &says("one"), extra).await;
    let path = format!("/v3/sessions/{session}/deliveries");
    let all = super::until_listed(&doubting, &path, |all| {
        all.iter().any(|one| one["status"] == "dead_letter")
    })
    .await;
    assert!(
        all.iter().any(|one| one["error"]
            .as_str()
            .unwrap_or_default()
            .contains("certificate")),
        "{all:?}"
    );
    assert_eq!(receiver.got().len(), want.len());
}

#[tokio::test]
async fn an_erased_session_tells_nobody_any_more() {
    let server = Server::with(&OPEN);
    let receiver = Receiver::answering(|_, _| ready(status(503))).await;
    let extra = json!({ "webhook": receiver.url() });
    let session = start(&server, &says("one"), extra).await;
    server.turn_end(&session, 1).await;
    receiver.until(2).await;
    let path = format!("/v3/sessions/{session}");
    let (gone, _) = server.send(Method::DELETE, &path, None).await;
    assert_eq!(gone, StatusCode::NO_CONTENT);
    for below in ["destinations", "deliveries"] {
        let (status, _) = server
            .send(Method::GET, &format!("{path}/{below}"), None)
            .await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    // What was queued is buried by a task of its own.
    let metrics = until_metrics(&server, "oc_deliveries_pending 0\n").await;
    assert!(
        metrics.contains("oc_delivery_attempts_total{state=\"failed\"}"),
        "{metrics}"
    );
}

/// Waits until the metrics say so; all of them.
async fn until_metrics(server: &Server, words: &str) -> String {
    let look = async {
        loop {
            let page = server.get("/metrics").await;
            let page = page.as_str().unwrap();
            if page.contains(words) {
                return page.to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(crate::harness::PATIENCE, look).await;
    found.expect("the metrics never said so")
}
