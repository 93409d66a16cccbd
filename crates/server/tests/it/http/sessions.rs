//! Sessions: what a fresh one looks like, how they are found, stopped and closed.

use reqwest::Method;
use serde_json::{Value, json};

use super::{CREATED, OK, id, refused, rested};
use crate::harness::{KEY, Server, is, script};

#[tokio::test]
async fn a_fresh_session_has_its_input_on_record_and_a_token() {
    let server = Server::start();
    let agent = server.agent("coder", "test/script").await;
    for named in [agent.as_str(), "coder"] {
        let body = json!({ "agent": named, "input": "hello" });
        let (status, answer) = server.send(Method::POST, "/v3/sessions", Some(body)).await;
        assert_eq!(status, CREATED, "{answer}");
        let session = &answer["session"];
        assert_eq!(
            (
                &session["status"],
                &session["head"],
                &session["input_cursor"]
            ),
            (&json!("queued"), &json!(1), &json!(0))
        );
        assert_eq!(
            (&session["agent_id"], &session["credential_id"]),
            (&json!(agent), &json!("managed"))
        );
        assert_eq!(session["agent_snapshot"]["model"], "test/script");
        assert!(session["last_turn"].is_null() && session["metadata"].is_null());
        assert!(answer["client_token"].as_str().unwrap().starts_with("ct_"));
    }
}

#[tokio::test]
async fn a_session_overrides_its_agent_and_keeps_what_the_caller_gave() {
    let server = Server::start();
    let agent = json!({ "name": "a", "model": "test/demo", "prompt": "p", "limits": { "tokens": 100, "turns": 7 } });
    let agent = id(&server.post("/v3/agents", agent).await);
    let metadata = json!({ "b": [1, 2.5, null], "a": { "deep": "ü" } });
    let body = json!({ "agent": agent, "input": { "text": "hi", "raw": { "x": 1 }, "source": "github" }, "key": "thread 1",
        "model": "test/script", "limits": { "turns": 3, "turn_seconds": 60 }, "metadata": metadata });
    let started = server.post("/v3/sessions", body).await;
    let path = format!("/v3/sessions/{}", id(&started["session"]));
    let session = server.get(&path).await;
    assert_eq!(
        session["limits"],
        json!({ "tokens": 100, "turn_seconds": 60, "turns": 3 })
    );
    assert_eq!(
        (&session["metadata"], &session["key"]),
        (&metadata, &json!("thread 1"))
    );
    assert_eq!(session["agent_snapshot"]["model"], "test/script");
    let events = server.get(&format!("{path}/events?limit=1")).await;
    let first = &events["data"][0];
    assert_eq!(first["body"], json!({ "text": "hi", "raw": { "x": 1 } }));
    assert_eq!(first["refs"], json!({ "source": "github" }));
    assert_eq!(first["actor"], json!({ "id": "user", "type": "human" }));
}

#[tokio::test]
async fn an_agent_s_change_does_not_reach_its_running_sessions() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let before = server.get(&format!("/v3/sessions/{session}")).await;
    let agent = before["agent_id"].as_str().unwrap();
    server
        .send(
            Method::PATCH,
            &format!("/v3/agents/{agent}"),
            Some(json!({ "prompt": "Another." })),
        )
        .await;
    let after = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(after["agent_snapshot"], before["agent_snapshot"]);
}

#[tokio::test]
async fn a_rested_session_tells_its_last_turn_its_usage_and_its_result() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let row = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(row["status"], "idle");
    assert_eq!(
        (
            &row["last_turn"]["state"],
            &row["last_turn"]["yield_reason"]
        ),
        (&json!("ok"), &json!("completed"))
    );
    let usage = &row["usage"];
    assert_eq!(
        (
            &usage["reported_turns"],
            &usage["complete"],
            &usage["tokens"]
        ),
        (&json!(1), &json!(true), &json!(20))
    );
    let turns = server.get(&format!("/v3/sessions/{session}/turns")).await;
    let [turn] = turns["data"].as_array().unwrap().as_slice() else {
        panic!("{turns}")
    };
    assert_eq!(
        (&turn["id"], &turn["state"]),
        (&row["last_turn"]["id"], &json!("ok"))
    );
    assert_eq!(
        (&turn["usage"]["reported"], &turn["usage"]["tokens"]),
        (&json!(true), &json!(20))
    );
    let path = format!(
        "/v3/sessions/{session}/turns/{}",
        turn["id"].as_str().unwrap()
    );
    assert_eq!(&server.get(&path).await, turn);
    let result = server.get(&format!("/v3/sessions/{session}/result")).await;
    assert_eq!(&result["last_turn"], turn);
    assert_eq!(
        (&result["result"]["id"], &result["result"]["body"]["text"]),
        (&turn["result_event_id"], &json!("one"))
    );
}

#[tokio::test]
async fn sessions_are_found_by_what_is_known_of_them_newest_first() {
    let server = Server::start();
    let (one, two) = (
        server.agent("one", "test/script").await,
        server.agent("two", "test/script").await,
    );
    let mut made = Vec::new();
    for (agent, key) in [(&one, "k1"), (&one, "k2"), (&two, "k3")] {
        let body = json!({ "agent": agent, "input": "x", "key": key });
        let session = server.post("/v3/sessions", body).await["session"].clone();
        server.turn_end(&id(&session), 1).await;
        made.push(session);
    }
    server
        .post(&format!("/v3/sessions/{}/archive", id(&made[0])), json!({}))
        .await;
    let ids = async |query: &str| -> Vec<String> {
        server.get(&format!("/v3/sessions?{query}")).await["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(id)
            .collect()
    };
    let [a, b, c] = [id(&made[0]), id(&made[1]), id(&made[2])];
    assert_eq!(ids("").await, [c.clone(), b.clone(), a.clone()]);
    assert_eq!(ids(&format!("agent={one}")).await, [b.clone(), a.clone()]);
    assert_eq!(ids("key=k2").await, std::slice::from_ref(&b));
    assert_eq!(ids("status=archived").await, std::slice::from_ref(&a));
    assert_eq!(ids("status=idle").await, [c.clone(), b.clone()]);
    assert_eq!(ids("agent=agt_nobody").await, Vec::<String>::new());
    assert_eq!(
        ids("before=2000-01-01T00:00:00Z").await,
        Vec::<String>::new()
    );
    assert_eq!(
        ids("after=2000-01-01T00:00:00Z&limit=1").await,
        std::slice::from_ref(&c)
    );
    let page = server.get("/v3/sessions?limit=2").await;
    let next = page["next_cursor"].as_str().unwrap();
    assert_eq!(ids(&format!("limit=2&cursor={next}")).await, [a]);
}

#[tokio::test]
async fn cancel_stops_a_running_turn_and_is_nothing_to_an_idle_one() {
    let server = Server::start();
    let session = server
        .play(json!([{ "delay_ms": 600_000, "say": "never" }]))
        .await;
    server.until(&session, is("turn.started")).await;
    let path = format!("/v3/sessions/{session}/cancel");
    let (status, _) = server.send(Method::POST, &path, None).await;
    assert_eq!(status, OK);
    assert_eq!(
        server.turn_end(&session, 1).await["body"]["yield_reason"],
        "canceled"
    );
    let (status, idle) = server.send(Method::POST, &path, None).await;
    assert_eq!((status, &idle["status"]), (OK, &json!("idle")));
    assert_eq!(idle["last_turn"]["yield_reason"], "canceled");
}

#[tokio::test]
async fn an_archived_session_is_closed_readable_and_archived_again_at_will() {
    let server = Server::start();
    let session = server
        .play(json!([{ "delay_ms": 600_000, "say": "never" }]))
        .await;
    server.until(&session, is("turn.started")).await;
    let path = format!("/v3/sessions/{session}");
    let mut answers = Vec::new();
    for body in [None, Some(json!({}))] {
        let (status, row) = server
            .send(Method::POST, &format!("{path}/archive"), body)
            .await;
        assert_eq!((status, &row["status"]), (OK, &json!("archived")));
        answers.push(row);
    }
    assert_eq!(answers[0], answers[1], "the second does nothing");
    let events = server.events(&session).await;
    let end = events
        .iter()
        .find(|event| event["type"] == "turn.completed")
        .unwrap();
    assert_eq!(end["body"]["yield_reason"], "canceled");
    assert_eq!(events.last().unwrap()["type"], "session.archived");
    let message = Some(json!({ "text": "hello?" }));
    assert_eq!(
        refused(
            &server,
            Method::POST,
            &format!("{path}/messages"),
            message,
            409
        )
        .await["code"],
        "conflict"
    );
    let (status, row) = server
        .send(Method::POST, &format!("{path}/cancel"), None)
        .await;
    assert_eq!((status, &row["status"]), (OK, &json!("archived")));
}

#[tokio::test]
async fn before_the_first_turn_there_is_no_result_and_no_error() {
    let server = Server::with(&[("OC_MAX_RUNNING", "1")]);
    let busy = server
        .play(json!([{ "delay_ms": 600_000, "say": "never" }]))
        .await;
    server.until(&busy, is("turn.started")).await;
    let agent = server.agent("player", "test/script").await;
    let waiting = server
        .session(&agent, &script(json!([{ "say": "later" }])))
        .await;
    let result = server.get(&format!("/v3/sessions/{waiting}/result")).await;
    assert_eq!(result, json!({ "last_turn": null, "result": null }));
    let turns = server.get(&format!("/v3/sessions/{waiting}/turns")).await;
    assert_eq!(turns, json!({ "data": [], "next_cursor": null }));
    let running = server.get(&format!("/v3/sessions/{busy}/result")).await;
    assert_eq!(
        (&running["last_turn"]["state"], &running["result"]),
        (&json!("running"), &Value::Null)
    );
    server
        .post(&format!("/v3/sessions/{busy}/cancel"), json!({}))
        .await;
    server.turn_end(&waiting, 1).await;
}

/// Sends a request and hangs up without waiting for the answer.
async fn hang_up(server: &Server, body: &Value) {
    use tokio::io::AsyncWriteExt;
    let host = server.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "POST /v3/sessions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {KEY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_session_that_nobody_drives() {
    // No lease runs out while this test waits.
    let server = Server::with(&[("OC_LEASE_SECONDS", "3600")]);
    let agent = server.agent("a", "test/script").await;
    let body = json!({ "agent": agent, "input": "hello" });
    for _ in 0..10 {
        futures::future::join_all((0..10).map(|_| hang_up(&server, &body))).await;
        server
            .turn_end(&server.session(&agent, "last").await, 1)
            .await;
    }
    let all = server.get("/v3/sessions?limit=100").await;
    for session in all["data"].as_array().unwrap() {
        server.turn_end(&id(session), 1).await;
    }
}
