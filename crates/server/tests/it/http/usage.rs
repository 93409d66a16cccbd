//! Usage of an org, and the checkpoints of a session: what is listed, to whom.

use reqwest::Method;
use serde_json::{Value, json};

use super::{refused, rested, stranger};
use crate::harness::{Server, script};

/// The row of a report that stands for that group.
fn of<'a>(report: &'a Value, group: &str) -> &'a Value {
    let rows = report["data"].as_array().unwrap();
    rows.iter().find(|row| row["group"] == group).unwrap()
}

#[tokio::test]
async fn ended_turns_are_counted_once_and_sum_up_the_same_in_every_view() {
    let server = Server::start();
    let (one, _) = rested(&server).await;
    let (two, _) = rested(&server).await;
    server.say(&two, &script(json!([{ "say": "more" }]))).await;
    server.turn_end(&two, 2).await;
    let used = |session: Value| session["usage"].clone();
    let by_session = server.get("/v3/usage?group_by=session").await;
    for (session, turns) in [(&one, 1), (&two, 2)] {
        let row = of(&by_session, session);
        let usage = used(server.get(&format!("/v3/sessions/{session}")).await);
        assert_eq!(row["turns"], turns);
        for field in ["tokens", "input_tokens", "output_tokens", "active_seconds"] {
            assert_eq!(row[field], usage[field], "{field}");
        }
        assert_eq!(row["unpriced_turns"], turns, "rehearsals have no price");
    }
    for by in ["agent", "day"] {
        let report = server.get(&format!("/v3/usage?group_by={by}")).await;
        assert_eq!(report["total"]["turns"], 3, "{report}");
        assert_eq!(report["total"]["tokens"], by_session["total"]["tokens"]);
        assert_eq!(report["data"].as_array().unwrap().len(), 1, "{report}");
    }
    let today = server.get("/v3/usage").await["data"][0]["group"].clone();
    assert_eq!(today.as_str().unwrap().len(), "2026-01-31".len());
    let past = server
        .get("/v3/usage?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z")
        .await;
    assert_eq!(
        (&past["data"], &past["total"]["turns"]),
        (&json!([]), &json!(0))
    );
}

#[tokio::test]
async fn usage_is_the_org_s_own_and_a_wrong_question_is_named() {
    let server = Server::start();
    rested(&server).await;
    let other = stranger(&server);
    let (status, theirs) = server.send_as(&other, Method::GET, "/v3/usage", None).await;
    assert_eq!(
        (status.as_u16(), &theirs["total"]["turns"]),
        (200, &json!(0))
    );
    for (query, param) in [
        ("group_by=week", "group_by"),
        ("from=yesterday", "from"),
        ("to=5", "to"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
    ] {
        let error = refused(
            &server,
            Method::GET,
            &format!("/v3/usage?{query}"),
            None,
            400,
        )
        .await;
        assert_eq!(error["param"], param, "{query}");
    }
}

#[tokio::test]
async fn a_session_without_a_sandbox_has_no_checkpoints_and_another_org_s_is_not_found() {
    let server = Server::start();
    let (session, token) = rested(&server).await;
    let path = format!("/v3/sessions/{session}/checkpoints");
    assert_eq!(server.get(&path).await, json!({ "data": [] }));
    let other = stranger(&server);
    let (status, _) = server.send_as(&other, Method::GET, &path, None).await;
    assert_eq!(status.as_u16(), 404);
    let (status, _) = server.send_as(&token, Method::GET, &path, None).await;
    assert_eq!(status.as_u16(), 403);
    refused(
        &server,
        Method::GET,
        "/v3/sessions/ses_none/checkpoints",
        None,
        404,
    )
    .await;
}

#[tokio::test]
async fn files_are_safe_after_a_turn_and_the_session_says_so() {
    let server = Server::start();
    let write = json!({ "tool": "bash", "args": { "command": "echo kept > /workspace/note" } });
    let session = server
        .play(json!([{ "call": [write] }, { "say": "done" }]))
        .await;
    server.turn_end(&session, 1).await;
    let made = server
        .until(&session, |event| event["type"] == "checkpoint.created")
        .await;
    let listed = server
        .get(&format!("/v3/sessions/{session}/checkpoints"))
        .await;
    let newest = &listed["data"][0];
    assert_eq!(newest["id"], made["body"]["checkpoint_id"], "{listed}");
    assert!(newest["files"].as_u64().unwrap() >= 1, "{listed}");
    let shown = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(shown["checkpoint"]["id"], newest["id"], "{shown}");
}
