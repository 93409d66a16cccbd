//! What an agent allows besides its limits: kept, shown, changed, and refused by
//! name where it is wrong.

use reqwest::Method;
use serde_json::json;

use super::{OK, id, refused};
use crate::harness::Server;

#[tokio::test]
async fn a_policy_is_kept_changed_in_part_and_taken_away() {
    let server = Server::start();
    let body = json!({ "name": "a", "model": "test/script", "prompt": "p", "on_interrupt": "retry",
        "caps": { "tokens_per_day": 1000, "tokens_per_month": 9000 } });
    let made = server.post("/v3/agents", body.clone()).await;
    assert_eq!(
        (&made["on_interrupt"], &made["caps"]),
        (&json!("retry"), &body["caps"])
    );
    assert_eq!(
        id(&server.post("/v3/agents", body.clone()).await),
        id(&made)
    );
    let mut other = body;
    other["on_interrupt"] = json!("report");
    let conflict = refused(&server, Method::POST, "/v3/agents", Some(other), 409).await;
    assert!(
        conflict["message"]
            .as_str()
            .unwrap()
            .contains("on_interrupt"),
        "{conflict}"
    );

    let path = format!("/v3/agents/{}", id(&made));
    let tools = json!({ "bash": "report", "*": "retry" });
    let change = json!({ "on_interrupt": tools });
    let (status, after) = server.send(Method::PATCH, &path, Some(change)).await;
    assert_eq!((status, &after["on_interrupt"]), (OK, &tools));
    assert_eq!(after["caps"], made["caps"], "what is not named stays");
    assert_eq!(after["revision"], 1, "no new revision");
    let change = json!({ "caps": null, "on_interrupt": null });
    server.send(Method::PATCH, &path, Some(change)).await;
    let none = server.get(&path).await;
    assert_eq!(
        (&none["on_interrupt"], &none["caps"]),
        (&json!("report"), &json!({}))
    );
}

#[tokio::test]
async fn a_wrong_policy_is_named_and_changes_nothing() {
    let server = Server::start();
    let agent = server.agent("a", "test/script").await;
    let path = format!("/v3/agents/{agent}");
    for (body, param) in [
        (json!({ "on_interrupt": "again" }), "on_interrupt"),
        (json!({ "on_interrupt": [] }), "on_interrupt"),
        (
            json!({ "on_interrupt": { "bash": 1 } }),
            "on_interrupt.bash",
        ),
        (
            json!({ "on_interrupt": { "sudo": "retry" } }),
            "on_interrupt.sudo",
        ),
        (
            json!({ "caps": { "tokens_per_day": -1 } }),
            "caps.tokens_per_day",
        ),
        (json!({ "caps": { "usd_per_day": 1 } }), "caps.usd_per_day"),
        (json!({ "limits": { "usd": 1 } }), "limits.usd"),
    ] {
        let error = refused(&server, Method::PATCH, &path, Some(body.clone()), 422).await;
        assert_eq!(error["param"], param, "{body}: {error}");
    }
    let same = server.get(&path).await;
    assert_eq!(
        (&same["on_interrupt"], &same["caps"]),
        (&json!("report"), &json!({}))
    );
}
