//! Forks and erasure: a fork has its origin's past and files, and neither knows
//! what the other does later; what is erased is gone for everybody at once.

use reqwest::Method;
use serde_json::{Value, json};

use super::{CREATED, NO_CONTENT, OK, id, refused, rested, stranger};
use crate::harness::{KEY, Server, is, script};

async fn fork(server: &Server, session: &str, body: Value) -> Value {
    server
        .post(&format!("/v3/sessions/{session}/fork"), body)
        .await
}

#[tokio::test]
async fn a_fork_has_the_past_of_its_origin_and_its_own_future() {
    let server = Server::start();
    let (origin, _) = rested(&server).await;
    let past = server.events(&origin).await;
    let two = script(json!([{ "say": "two" }]));
    let made = fork(
        &server,
        &origin,
        json!({ "input": two, "metadata": { "a": 1 } }),
    )
    .await;
    let forked = id(&made["session"]);
    assert_eq!(made["files"], Value::Null, "no sandbox, no files");
    assert_eq!(made["session"]["metadata"], json!({ "a": 1 }));
    let end = server.until(&forked, |event| {
        event["type"] == "turn.completed"
            && event["session"] == forked
            && event["seq"].as_u64() > past.last().unwrap()["seq"].as_u64()
    });
    assert_eq!(end.await["body"]["yield_reason"], "completed");
    assert_eq!(server.result(&forked).await, "two");
    assert_eq!(server.result(&origin).await, "one");

    let events = server.events(&forked).await;
    for (mine, theirs) in events.iter().zip(&past) {
        for field in ["id", "seq", "type", "body", "ts"] {
            assert_eq!(mine[field], theirs[field]);
        }
    }
    let seam = &events[past.len()];
    assert_eq!(seam["type"], "session.forked");
    assert_eq!(seam["body"]["from_session"], origin.as_str());
    let shown = server.get(&format!("/v3/sessions/{forked}")).await;
    let want = json!({ "session_id": origin, "seq": past.len() });
    assert_eq!(shown["forked_from"], want);
    // What it has of its origin is found by the ids that were given there.
    let first = past[0]["id"].as_str().unwrap();
    server
        .get(&format!("/v3/sessions/{forked}/events/{first}"))
        .await;
    let turns = server.get(&format!("/v3/sessions/{forked}/turns")).await;
    let turns = turns["data"].as_array().unwrap();
    assert_eq!(turns.len(), 2, "{turns:?}");
    for turn in turns {
        let path = format!("/v3/sessions/{forked}/turns/{}", id(turn));
        assert_eq!(server.get(&path).await["id"], turn["id"]);
    }
    assert!(id(&turns[0]).ends_with("_2"), "numbers go on: {turns:?}");
}

#[tokio::test]
async fn the_model_of_a_fork_has_seen_what_was_said_before_it() {
    let server = Server::start();
    // Which step of a script comes next is told by the answers before: a fork
    // without its past would begin it anew.
    let steps = json!([{ "say": "one", "call": [{ "tool": "ask", "args": { "text": "well?" } }] }, { "say": "two" }]);
    let origin = server.play(steps).await;
    server.turn_end(&origin, 1).await;
    let forked = id(&fork(&server, &origin, json!({ "input": "go on" })).await["session"]);
    let head = server.events(&origin).await.len() as u64;
    server
        .until(&forked, |event| {
            event["type"] == "turn.completed" && event["seq"].as_u64() > Some(head)
        })
        .await;
    assert_eq!(server.result(&forked).await, "two");
}

#[tokio::test]
async fn a_fork_of_an_earlier_moment_rests_until_it_is_told_something() {
    let server = Server::start();
    let (origin, _) = rested(&server).await;
    let made = fork(
        &server,
        &origin,
        json!({ "at_seq": 1, "limits": { "turns": 9 } }),
    )
    .await;
    let session = &made["session"];
    assert_eq!(session["forked_from"]["seq"], 1);
    assert_eq!(session["limits"], json!({ "turns": 9 }));
    assert_eq!(session["status"], "idle", "its input was the origin's");
    let early = id(session);
    let facts = server.events(&early).await;
    let kinds: Vec<_> = facts.iter().map(|e| e["type"].as_str().unwrap()).collect();
    let own = ["session.forked", "session.limits_changed"];
    assert_eq!(kinds, [["user.message"].as_slice(), &own].concat());
    let all = fork(&server, &origin, json!({})).await;
    let head = server.events(&origin).await.len();
    assert_eq!(all["session"]["forked_from"]["seq"], head);
    assert_eq!(all["session"]["status"], "idle");
    assert_eq!(
        all["session"]["usage"]["tokens"], 0,
        "its account begins anew"
    );

    // Told something, it runs once, and the model plays the script that it was told before.
    server.say(&early, "go on").await;
    let end = server.turn_end(&early, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    assert_eq!(server.result(&early).await, "one");
    let facts = server.events(&early).await;
    let begun = facts.iter().filter(|e| e["type"] == "turn.started");
    let from: Vec<_> = begun.map(|e| e["body"]["input_from_seq"].clone()).collect();
    assert_eq!(from, [4], "{facts:#?}");
}

#[tokio::test]
async fn a_fork_has_the_files_of_its_moment() {
    let server = Server::start();
    let run = |command: &str| json!([{ "call": [{ "tool": "bash", "args": { "command": command } }] }, { "say": "{{last_result}}" }]);
    let origin = server
        .play(run("echo first > /workspace/note; cat /workspace/note"))
        .await;
    let made = server.until(&origin, is("checkpoint.created")).await;
    server
        .say(&origin, &script(run("echo second > /workspace/note")))
        .await;
    server.turn_end(&origin, 2).await;
    let at = made["seq"].as_u64().unwrap();
    let look = script(run("cat /workspace/note"));
    let forked = fork(&server, &origin, json!({ "at_seq": at, "input": look })).await;
    assert_eq!(
        forked["files"]["checkpoint_id"],
        made["body"]["checkpoint_id"]
    );
    assert_eq!(forked["files"]["seq"], made["body"]["as_of_seq"]);
    let session = id(&forked["session"]);
    server
        .until(&session, |event| {
            event["type"] == "turn.completed" && event["seq"].as_u64() > Some(at)
        })
        .await;
    assert!(server.result(&session).await.contains("first"));
    let restored = server.until(&session, is("sandbox.restored")).await;
    assert_eq!(restored["body"]["reason"], "forked");
}

#[tokio::test]
async fn the_same_fork_twice_is_one_and_a_wrong_one_is_named() {
    let server = Server::start();
    let (origin, token) = rested(&server).await;
    let path = format!("/v3/sessions/{origin}/fork");
    let body = json!({ "key": "once", "at_seq": 2 });
    let (status, first) = server.send(Method::POST, &path, Some(body.clone())).await;
    assert_eq!(status, CREATED);
    let (status, again) = server.send(Method::POST, &path, Some(body)).await;
    assert_eq!((status, id(&again["session"])), (OK, id(&first["session"])));
    let other = json!({ "key": "once", "at_seq": 1 });
    refused(&server, Method::POST, &path, Some(other), 409).await;

    let head = server.events(&origin).await.len();
    let error = refused(
        &server,
        Method::POST,
        &path,
        Some(json!({ "at_seq": 1000 })),
        422,
    )
    .await;
    assert_eq!(error["param"], "at_seq");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains(&head.to_string()),
        "{error}"
    );
    for (body, param) in [
        (json!({ "at_seq": 0 }), "at_seq"),
        (json!({ "at_seq": "1" }), "at_seq"),
        (json!({ "input": 5 }), "input"),
        (json!({ "metadata": [] }), "metadata"),
        (json!({ "limits": { "turns": 0 } }), "limits.turns"),
        (json!({ "limits": { "usd": 1 } }), "limits.usd"),
    ] {
        let error = refused(&server, Method::POST, &path, Some(body.clone()), 422).await;
        assert_eq!(error["param"], param, "{body}");
    }
    refused(
        &server,
        Method::POST,
        "/v3/sessions/ses_none/fork",
        Some(json!({})),
        404,
    )
    .await;
    let other = stranger(&server);
    for (key, want) in [(other.as_str(), 404), (token.as_str(), 403)] {
        let (status, _) = server
            .send_as(key, Method::POST, &path, Some(json!({})))
            .await;
        assert_eq!(status.as_u16(), want);
        let (status, _) = server
            .send_as(key, Method::DELETE, &format!("/v3/sessions/{origin}"), None)
            .await;
        assert_eq!(status.as_u16(), want);
    }
}

#[tokio::test]
async fn what_is_erased_is_gone_and_its_fork_goes_on() {
    let server = Server::start();
    let (origin, token) = rested(&server).await;
    let past = server.events(&origin).await;
    let forked = id(&fork(&server, &origin, json!({})).await["session"]);
    let path = format!("/v3/sessions/{origin}");
    let (status, _) = server.send(Method::DELETE, &path, None).await;
    assert_eq!(status, NO_CONTENT);
    for below in [
        "",
        "/events",
        "/turns",
        "/result",
        "/checkpoints",
        "/messages",
    ] {
        refused(&server, Method::GET, &format!("{path}{below}"), None, 404).await;
    }
    refused(&server, Method::DELETE, &path, None, 404).await;
    let body = json!({ "text": "hello?" });
    refused(
        &server,
        Method::POST,
        &format!("{path}/messages"),
        Some(body),
        404,
    )
    .await;
    let (status, _) = server
        .send_as(&token, Method::GET, &format!("{path}/events"), None)
        .await;
    assert_eq!(status.as_u16(), 401, "its tokens open nothing");
    let all = server.get("/v3/sessions").await;
    assert!(
        all["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|session| session["id"] != origin.as_str())
    );

    let events = server.events(&forked).await;
    assert_eq!(
        events[0]["body"], past[0]["body"],
        "a fork keeps what it was forked from"
    );
    server
        .say(&forked, &script(json!([{ "say": "still here" }])))
        .await;
    server
        .until(&forked, |event| event["body"]["text"] == "still here")
        .await;
    let usage = server.get("/v3/usage").await;
    assert!(
        usage["total"]["turns"].as_u64() >= Some(1),
        "usage stays: {usage}"
    );
    let (status, _) = server
        .send_as(KEY, Method::DELETE, &format!("/v3/sessions/{forked}"), None)
        .await;
    assert_eq!(status, NO_CONTENT);
}
