//! What gets through the door: the engine's own requests, while its session
//! thinks, and nothing else.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::JoinSet;

use super::stage::Stage;
use crate::hall::KEY;
use crate::suite::table::{Table, call};

/// What the door answers to that request, as the first line and the rest.
async fn knock(stage: &Stage, session: &str, head: &str, body: &str) -> (String, String) {
    let (mut ours, theirs) = duplex(64 * 1024);
    let length = body.len();
    let request = format!(
        "{head}\r\nhost: 192.0.2.1\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let talk = async {
        ours.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        ours.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (answer, ()) = tokio::join!(talk, stage.engines.serve(session, theirs));
    let (first, rest) = answer.split_once("\r\n").unwrap();
    (first.to_owned(), rest.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_without_the_engines_own_key() {
    let mut table = Table::engine("claude", "anthropic/claude-opus-5-5").await;
    table.play(json!([{ "call": [call("ls")] }]));
    table.think().await;
    let own = table.stage().key();
    let before = table.hall.log().await.len();
    let messages = "POST /v1/messages?beta=true HTTP/1.1";
    for (session, head, status) in [
        ("session_1", messages.to_owned(), "401"),
        (
            "session_1",
            format!("{messages}\r\nx-api-key: {KEY}"),
            "401",
        ),
        ("session_1", format!("{messages}\r\nx-api-key: "), "401"),
        (
            "session_2",
            format!("{messages}\r\nx-api-key: {own}"),
            "401",
        ),
        (
            "session_1",
            format!("POST /v1/files HTTP/1.1\r\nx-api-key: {own}"),
            "404",
        ),
        (
            "session_1",
            format!("GET /v1/messages HTTP/1.1\r\nx-api-key: {own}"),
            "404",
        ),
        ("session_1", "GET /v3/sessions HTTP/1.1".to_owned(), "404"),
        ("session_1", "HEAD /api/hello HTTP/1.1".to_owned(), "200"),
    ] {
        let (first, rest) = knock(table.stage(), session, &head, "{}").await;
        assert!(first.contains(status), "{session} {head}: {first}");
        assert!(!rest.contains(KEY) && !rest.contains(&own));
    }
    assert_eq!(table.hall.log().await.len(), before, "something went on");
    // And its session is none the worse for it.
    table.result(0, "a");
    assert_eq!(table.think().await.text, "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_about_the_turn_is_not_asked() {
    let mut table = Table::engine("claude", "anthropic/claude-opus-5-5").await;
    table.play(json!([{ "call": [call("ls")] }, { "say": "{{last_result}}" }]));
    table.think().await;
    let own = table.stage().key();
    let head = format!("POST /v1/messages HTTP/1.1\r\nauthorization: Bearer {own}");
    table.result(0, "a");
    let other = json!({ "stream": true, "max_tokens": 9, "messages": [{ "role": "user", "content": "a title, please" }] });
    let bodies = [
        "no JSON".to_owned(),
        json!({ "stream": false }).to_string(),
        other.to_string(),
    ];
    // They wait until the session thinks, and learn that nobody answers.
    let knocks = bodies
        .iter()
        .map(|body| knock(table.stage(), "session_1", &head, body));
    let knocks = futures::future::join_all(knocks);
    let (answers, (reply, _)) = tokio::join!(knocks, table.try_think(table.ask()));
    for (first, rest) in answers {
        assert!(
            first.contains("400") && rest.contains("x-should-retry: false"),
            "{first}"
        );
    }
    assert_eq!(reply.unwrap().text, "a");
    assert_eq!(table.hall.log().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_sends_without_end_holds_little() {
    let mut table = Table::engine("claude", "test/script").await;
    table.play(json!([{ "call": [call("ls")] }]));
    table.think().await;
    let own = table.stage().key();
    let head = format!("POST /v1/messages HTTP/1.1\r\nx-api-key: {own}");
    // Each says that much more is to come; nobody thinks, so none is answered.
    let claims = "content-length: 33000000\r\nhost: 192.0.2.1\r\n\r\n{";
    let mut talks = JoinSet::new();
    let mut answers = JoinSet::new();
    for _ in 0..8 {
        let (mut ours, theirs) = duplex(1024);
        let engines = table.stage().engines.clone();
        talks.spawn(async move { engines.serve("session_1", theirs).await });
        let request = format!("{head}\r\n{claims}");
        answers.spawn(async move {
            ours.write_all(request.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            ours.read_exact(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer).into_owned()
        });
    }
    // Two of them fit, and wait.
    for _ in 0..6 {
        let answer = answers.join_next().await.unwrap().unwrap();
        assert_eq!(answer, "HTTP/1.1 429");
    }
}
