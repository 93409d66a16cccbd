//! Steering: said once, seen by the session, refused when it is closed.

use reqwest::Method;
use serde_json::{Value, json};

use super::{OK, id, refused, rested};
use crate::harness::{KEY, PATIENCE, Server, is};

#[tokio::test]
async fn a_message_wakes_an_idle_session_and_tells_its_number() {
    let server = Server::start();
    let (session, token) = rested(&server).await;
    let path = format!("/v3/sessions/{session}/messages");
    let head = server.events(&session).await.len() as u64;
    let (status, said) = server
        .send_as(&token, Method::POST, &path, Some(json!({ "text": "more" })))
        .await;
    assert_eq!(status.as_u16(), 202, "{said}");
    assert_eq!(said["event"]["seq"], head + 1);
    assert_eq!(
        said["session"],
        json!({ "id": session, "status": "queued", "head": head + 1 })
    );
    server.turn_end(&session, 2).await;
    let event = server
        .get(&format!(
            "/v3/sessions/{session}/events/{}",
            id(&said["event"])
        ))
        .await;
    assert_eq!(
        (&event["type"], &event["body"]),
        (&json!("user.message"), &json!({ "text": "more" }))
    );
    assert_eq!(server.result(&session).await, "done");
}

#[tokio::test]
async fn a_message_to_a_running_session_is_taken_while_it_runs() {
    let server = Server::start();
    let session = server
        .play(json!([{ "delay_ms": 600_000, "say": "never" }]))
        .await;
    server.until(&session, is("turn.started")).await;
    let path = format!("/v3/sessions/{session}/messages");
    let (_, said) = server
        .send(Method::POST, &path, Some(json!({ "text": "wait" })))
        .await;
    assert_eq!(said["session"]["status"], "running");
    server
        .post(&format!("/v3/sessions/{session}/cancel"), json!({}))
        .await;
}

#[tokio::test]
async fn a_message_with_a_key_is_said_once_however_it_is_sent_again() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let path = format!("/v3/sessions/{session}/messages");
    let bodies = [
        json!({ "text": "first", "idempotency_key": "k1" }),
        json!({ "text": "another text", "idempotency_key": "k1" }),
        json!({ "envelope": { "text": "first", "id": "k1" } }),
    ];
    let mut answers = Vec::new();
    for body in bodies {
        answers.push(server.send(Method::POST, &path, Some(body)).await);
    }
    let with_header = server
        .http()
        .post(server.at(&path))
        .bearer_auth(KEY)
        .header("Idempotency-Key", "k1");
    let answer = with_header
        .json(&json!({ "text": "x" }))
        .timeout(PATIENCE)
        .send()
        .await
        .unwrap();
    answers.push((answer.status(), answer.json().await.unwrap()));
    let statuses: Vec<_> = answers.iter().map(|(status, _)| status.as_u16()).collect();
    assert_eq!(statuses, [202, 200, 200, 200]);
    assert!(
        answers
            .iter()
            .all(|(_, body)| body["event"] == answers[0].1["event"]),
        "{answers:?}"
    );
    server.turn_end(&session, 2).await;
    let said = server
        .events(&session)
        .await
        .iter()
        .filter(|e| e["body"]["text"] == "first")
        .count();
    assert_eq!(said, 1);
    server
        .post(&format!("/v3/sessions/{session}/archive"), json!({}))
        .await;
    let (status, late) = server
        .send(
            Method::POST,
            &path,
            Some(json!({ "text": "first", "idempotency_key": "k1" })),
        )
        .await;
    assert_eq!(
        (status, &late["event"]),
        (OK, &answers[0].1["event"]),
        "a replay is a replay, also when closed"
    );
    refused(
        &server,
        Method::POST,
        &path,
        Some(json!({ "text": "x", "idempotency_key": "k2" })),
        409,
    )
    .await;
}

#[tokio::test]
async fn the_same_key_in_another_session_is_another_message() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    for _ in 0..2 {
        let session = server.session(&agent, "hi").await;
        let body = json!({ "text": "x", "idempotency_key": "k" });
        let (status, _) = server
            .send(
                Method::POST,
                &format!("/v3/sessions/{session}/messages"),
                Some(body),
            )
            .await;
        assert_eq!(status.as_u16(), 202);
    }
}

#[tokio::test]
async fn an_envelope_keeps_what_came_with_the_text() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let envelope = json!({ "text": "hi", "raw": { "n": [1, null] }, "source": "slack", "refs": { "team": "T1" },
        "conversation": { "source": "slack", "ref": "C1" } });
    let said = server
        .post(
            &format!("/v3/sessions/{session}/messages"),
            json!({ "envelope": envelope }),
        )
        .await;
    let event = server
        .get(&format!(
            "/v3/sessions/{session}/events/{}",
            id(&said["event"])
        ))
        .await;
    assert_eq!(
        event["body"],
        json!({ "text": "hi", "raw": { "n": [1, null] } })
    );
    let refs = json!({ "team": "T1", "source": "slack", "conversation": { "source": "slack", "ref": "C1" } });
    assert_eq!(event["refs"], refs);
}

#[tokio::test]
async fn messages_sent_at_once_all_find_their_place() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let before = server.events(&session).await.len();
    let texts: Vec<_> = (0..20).map(|n| format!("at once {n}")).collect();
    let said = futures::future::join_all(texts.iter().map(|text| server.say(&session, text))).await;
    let mut seqs: Vec<_> = said
        .iter()
        .map(|one| one["event"]["seq"].as_u64().unwrap())
        .collect();
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), texts.len());
    server
        .post(&format!("/v3/sessions/{session}/archive"), json!({}))
        .await;
    let events = server.events(&session).await;
    let mut found: Vec<_> = events[before..]
        .iter()
        .filter_map(|e| e["body"]["text"].as_str())
        .map(str::to_owned)
        .collect();
    found.retain(|text| text.starts_with("at once"));
    found.sort_unstable();
    let mut want = texts;
    want.sort_unstable();
    assert_eq!(found, want);
}

#[tokio::test]
async fn a_message_to_nobody_is_not_found() {
    let server = Server::start();
    let message = Some(json!({ "text": "x" }));
    let error = refused(
        &server,
        Method::POST,
        "/v3/sessions/ses_none/messages",
        message,
        404,
    )
    .await;
    assert_eq!(error["code"], Value::from("not_found"));
}
