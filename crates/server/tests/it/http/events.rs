//! Reading the log: pages, filters, one event, the whole of a large one.

use reqwest::Method;
use serde_json::{Value, json};

use super::{OK, id, refused, rested};
use crate::harness::{KEY, PATIENCE, Server, is, script};

fn seqs(page: &Value) -> Vec<u64> {
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect()
}

/// A session with a turn that ran a command, and its path.
async fn worked(server: &Server) -> String {
    let session = server
        .play(json!([{ "say": "on it", "call": [{ "tool": "bash", "args": { "command": "echo hi" } }] }, { "say": "done" }]))
        .await;
    server.turn_end(&session, 1).await;
    // The last fact of a turn that used a sandbox: from here on the log is quiet.
    server.until(&session, is("checkpoint.created")).await;
    format!("/v3/sessions/{session}")
}

#[tokio::test]
async fn a_page_goes_on_where_the_one_before_ended() {
    let server = Server::start();
    let path = worked(&server).await;
    let all = server.get(&format!("{path}/events")).await;
    assert!(all["next_cursor"].is_null());
    let whole = seqs(&all);
    assert_eq!(whole, (1..=whole.len() as u64).collect::<Vec<_>>());
    let (mut read, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page = server
            .get(&format!("{path}/events?limit=2&after={after}"))
            .await;
        read.extend(seqs(&page));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(read, whole);
    for beyond in [whole.len() as u64, 1_000_000, u64::MAX] {
        let page = server.get(&format!("{path}/events?after={beyond}")).await;
        assert_eq!(page, json!({ "data": [], "next_cursor": null }));
    }
}

#[tokio::test]
async fn filters_show_what_they_say_and_nothing_else() {
    let server = Server::start();
    let path = worked(&server).await;
    // The last fact that comes by itself: from here on the log stands still.
    let session = path.trim_start_matches("/v3/sessions/");
    let safe = |event: &Value| event["type"] == "checkpoint.created";
    server.until(session, safe).await;
    let all = server.get(&format!("{path}/events")).await;
    let all = all["data"].as_array().unwrap();
    let turn = all
        .iter()
        .find_map(|event| event["turn_id"].as_str())
        .unwrap();
    let level = |event: &Value| {
        ["user", "progress", "internal"]
            .iter()
            .position(|name| event["level"] == *name)
            .unwrap()
    };
    let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
    type Wanted<'a> = Box<dyn Fn(&Value) -> bool + 'a>;
    let table: [(&str, Wanted); 9] = [
        ("level=user", Box::new(|e| level(e) == 0)),
        ("level=progress", Box::new(|e| level(e) <= 1)),
        ("level=internal", Box::new(|_| true)),
        ("type=tool.call", Box::new(|e| kind(e) == "tool.call")),
        ("type=turn.*", Box::new(|e| kind(e).starts_with("turn."))),
        (
            "type=*.message",
            Box::new(|e| kind(e).ends_with(".message")),
        ),
        (
            "type=*.completed&level=user",
            Box::new(|e| kind(e).ends_with(".completed") && level(e) == 0),
        ),
        ("type=nothing", Box::new(|_| false)),
        ("turn_id=TURN", Box::new(|e| e["turn_id"] == turn)),
    ];
    for (query, wanted) in table {
        let page = server
            .get(&format!("{path}/events?{}", query.replace("TURN", turn)))
            .await;
        let want: Vec<_> = all.iter().filter(|event| wanted(event)).cloned().collect();
        assert_eq!(page["data"], Value::Array(want), "{query}");
    }
    let messages = server.get(&format!("{path}/messages")).await;
    let texts: Vec<_> = messages["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["body"]["text"].clone())
        .collect();
    assert_eq!(texts.last(), Some(&json!("done")));
    assert_eq!(
        texts.len(),
        2,
        "narration is no message for the user: {messages}"
    );
    let tail = server
        .get(&format!("{path}/messages?after=1&limit=1"))
        .await;
    assert_eq!(tail["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_event_is_the_same_as_in_the_list() {
    let server = Server::start();
    let path = worked(&server).await;
    let all = server.get(&format!("{path}/events")).await;
    for event in all["data"].as_array().unwrap() {
        let one = server.get(&format!("{path}/events/{}", id(event))).await;
        assert_eq!(&one, event);
        assert_eq!(event["private"], Value::Null);
    }
    let (other, _) = rested(&server).await;
    let foreign = id(&server.events(&other).await[0]);
    for wrong in [
        "evt_x",
        "1",
        "evt_1_999999999999999999999",
        foreign.as_str(),
        "%00",
        "a%2Fb",
    ] {
        refused(
            &server,
            Method::GET,
            &format!("{path}/events/{wrong}"),
            None,
            404,
        )
        .await;
        refused(
            &server,
            Method::GET,
            &format!("{path}/events/{wrong}/content"),
            None,
            404,
        )
        .await;
    }
}

#[tokio::test]
async fn content_is_the_whole_text_or_else_the_body() {
    let server = Server::start();
    let long = "wörter ".repeat(20_000);
    let agent = server.agent("a", "test/script").await;
    let session = server.session(&agent, &long).await;
    server.turn_end(&session, 1).await;
    let raw = async |event: &Value| {
        let path = server.at(&format!(
            "/v3/sessions/{session}/events/{}/content",
            id(event)
        ));
        let answer = server
            .http()
            .get(path)
            .bearer_auth(KEY)
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), OK);
        (
            answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .to_owned(),
            answer.text().await.unwrap(),
        )
    };
    let events = server.events(&session).await;
    let first = &events[0];
    assert_eq!(
        (&first["body_truncated"], &first["body_bytes"]),
        (&json!(true), &json!(long.len()))
    );
    assert!(first["body"]["text"].as_str().unwrap().len() < long.len());
    assert!(
        first["content_ref"]
            .as_str()
            .unwrap()
            .ends_with(&format!("{}/content", id(first)))
    );
    assert_eq!(
        raw(first).await,
        ("text/plain; charset=utf-8".to_owned(), long)
    );
    let started = events
        .iter()
        .find(|event| event["type"] == "turn.started")
        .unwrap();
    let (kind, body) = raw(started).await;
    assert_eq!(
        (kind.as_str(), serde_json::from_str::<Value>(&body).unwrap()),
        ("application/json", started["body"].clone())
    );
}

#[tokio::test]
async fn an_input_of_a_mebibyte_is_kept_whole() {
    let server = Server::start();
    let long = "x".repeat(1024 * 1024);
    let prompt = json!({ "name": "long", "model": "test/script", "prompt": long });
    let agent = id(&server.post("/v3/agents", prompt).await);
    assert_eq!(
        server.get(&format!("/v3/agents/{agent}")).await["prompt"],
        long
    );
    let session = server
        .session(
            &agent,
            &script(json!([{ "say": "ok" }])).replace("Please", &long),
        )
        .await;
    server.turn_end(&session, 1).await;
    assert_eq!(server.result(&session).await, "ok");
    let first = &server.events(&session).await[0];
    let (_, whole) = server
        .send(
            Method::GET,
            &format!("/v3/sessions/{session}/events/{}/content", id(first)),
            None,
        )
        .await;
    assert!(whole.as_str().unwrap().starts_with(&long));
}
