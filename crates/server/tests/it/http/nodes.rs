//! Two nodes on one PostgreSQL: any node serves any request, and what one does the
//! other shows.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::agent_url::{answer, hook, post};
use super::{OK, refused};
use crate::harness::{KEY, PATIENCE, Server, Stream, script};

/// Two servers that share a database and a master key.
fn pair() -> (Server, Server) {
    let database = store::testing::database();
    let env = [("OC_DATABASE_URL", database.as_str())];
    let one = Server::with(&env);
    let folder = tempfile::tempdir().unwrap();
    let key = "master.key";
    std::fs::copy(one.data.path().join(key), folder.path().join(key)).unwrap();
    let two = Server::on(folder, &env);
    (one, two)
}

#[tokio::test]
async fn a_session_of_one_node_is_followed_and_steered_on_the_other() {
    let (one, two) = pair();
    let agent = one.agent("a", "test/script").await;
    let session = one
        .session(&agent, &script(json!([{ "say": "one" }])))
        .await;
    let mut live = two.follow(&session, 0).await;
    let end = live.until(|event| event["type"] == "turn.completed").await;
    let (status, said) = two
        .send(
            Method::POST,
            &format!("/v3/sessions/{session}/messages"),
            Some(json!({ "text": "more" })),
        )
        .await;
    assert_eq!(status.as_u16(), 202, "{said}");
    let next = live.until(|event| event["type"] == "turn.completed").await;
    assert!(next["seq"].as_u64() > end["seq"].as_u64());
    one.post(&format!("/v3/sessions/{session}/archive"), json!({}))
        .await;
    while live.next().await.is_some() {}
    assert_eq!(one.events(&session).await, two.events(&session).await);
    assert_eq!(one.get("/v3/sessions").await, two.get("/v3/sessions").await);
}

#[tokio::test]
async fn a_reader_whose_node_stops_goes_on_at_the_other() {
    let (mut one, two) = pair();
    let agent = two.agent("a", "test/script").await;
    let session = two
        .session(&agent, &script(json!([{ "say": "one" }])))
        .await;
    two.turn_end(&session, 1).await;
    let mut first = one.follow(&session, 0).await;
    let mut read = vec![first.next().await.unwrap(), first.next().await.unwrap()];
    one.kill9();
    two.say(&session, "more").await;
    two.turn_end(&session, 2).await;
    two.post(&format!("/v3/sessions/{session}/archive"), json!({}))
        .await;
    let path = two.at(&format!("/v3/sessions/{session}/events?stream=sse"));
    let request = two
        .http()
        .get(path)
        .bearer_auth(KEY)
        .header("Last-Event-ID", read[1]["seq"].to_string());
    let mut rest = Stream::open(request).await;
    while let Some(event) = rest.next().await {
        read.push(event);
    }
    assert_eq!(read, two.events(&session).await);
}

#[tokio::test]
async fn a_race_for_one_key_on_two_nodes_makes_one_session() {
    let (one, two) = pair();
    let agent = one.agent("a", "test/script").await;
    let body = json!({ "agent": agent, "input": "x", "key": "race" });
    let asks = (0..12).map(|n| {
        let server = if n % 2 == 0 { &one } else { &two };
        server.send(Method::POST, "/v3/sessions", Some(body.clone()))
    });
    let answers = join_all(asks).await;
    let made = answers
        .iter()
        .filter(|(status, _)| status.as_u16() == 201)
        .count();
    let found = answers.iter().filter(|(status, _)| *status == OK).count();
    assert_eq!((made, found), (1, 11), "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|(_, answer)| answer["session"]["id"] == answers[0].1["session"]["id"])
    );
}

#[tokio::test]
async fn text_that_one_database_cannot_hold_is_kept_or_refused_the_same() {
    let (server, _) = pair();
    let nul = json!({ "name": "a", "model": "test/script", "prompt": "p\u{0}q" });
    let agent = server.post("/v3/agents", nul).await;
    assert_eq!(agent["prompt"], "p\u{0}q");
    let metadata = json!({ "a": "\u{0}", "\u{ffff}": "\u{10ffff}" });
    let body = json!({ "agent": "a", "input": "hi\u{0}there", "metadata": metadata });
    let started = server.post("/v3/sessions", body).await;
    assert_eq!(started["session"]["metadata"], metadata);
    let session = started["session"]["id"].as_str().unwrap();
    server.turn_end(session, 1).await;
    assert_eq!(server.result(session).await, "You said: hi\u{0}there");
    for (path, status) in [
        ("/v3/agents/a%00b", 404),
        ("/v3/sessions/a%00b/events", 404),
        ("/v3/sessions?agent=a%00b", 400),
        ("/v3/sessions?cursor=17-a%00", 400),
        ("/v3/sessions/ID/events?turn_id=%00", 400),
        ("/v3/sessions/ID/events?type=%00*", 400),
    ] {
        refused(
            &server,
            Method::GET,
            &path.replace("ID", session),
            None,
            status,
        )
        .await;
    }
    for body in [
        json!({ "agent": "a\u{0}", "input": "x" }),
        json!({ "agent": "a", "input": "x", "key": "\u{0}" }),
        json!({ "agent": "a", "input": "x", "model": "test/\u{0}" }),
    ] {
        refused(&server, Method::POST, "/v3/sessions", Some(body), 422).await;
    }
    let odd = server
        .http()
        .get(server.at("/v3/agents"))
        .header("x-api-key", "osb_\u{fc}")
        .timeout(PATIENCE);
    let answer = odd.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    assert_eq!(
        answer.json::<Value>().await.unwrap()["error"]["code"],
        "unauthorized"
    );
}

#[tokio::test]
async fn a_webhook_that_two_nodes_are_sent_begins_one_session() {
    let (one, two) = pair();
    let agent = one.agent("a", "test/script").await;
    let (_, path) = hook(&one, &agent, "h").await;
    let calls = (0..12).map(|n| {
        let node = if n % 2 == 0 { &one } else { &two };
        answer(post(node, &path, "{\"a\": 1}").header("webhook-id", "w"))
    });
    let receipts: Vec<Value> = join_all(calls)
        .await
        .into_iter()
        .map(|(status, receipt)| {
            assert_eq!(status, OK, "{receipt}");
            receipt
        })
        .collect();
    let first = receipts
        .iter()
        .filter(|receipt| receipt["replayed"] == false);
    assert_eq!(first.count(), 1, "{receipts:?}");
    for receipt in &receipts {
        assert_eq!(receipt["request_id"], receipts[0]["request_id"]);
        assert_eq!(receipt["session"]["id"], receipts[0]["session"]["id"]);
    }
    let sessions = two.get("/v3/sessions").await;
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1);
}
