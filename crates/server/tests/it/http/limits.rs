//! Limits of a session: set at its birth, changed while it lives, shown as they
//! hold; and what a session waits on.

use reqwest::Method;
use serde_json::{Value, json};

use super::{OK, id, refused, rested};
use crate::harness::{Server, is, script};

/// A server that knows what `test/` models cost.
fn priced() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("oc.toml");
    let prices = "[prices.\"test/*\"]\ninput = 1000.0\noutput = 1000.0\n";
    std::fs::write(&file, prices).unwrap();
    Server::with(&[("OC_CONFIG", file.to_str().unwrap())])
}

async fn patch(server: &Server, session: &str, limits: Value) -> Value {
    let path = format!("/v3/sessions/{session}");
    let body = json!({ "limits": limits });
    let (status, answer) = server.send(Method::PATCH, &path, Some(body)).await;
    assert_eq!(status, OK, "{answer}");
    answer["limits"].clone()
}

#[tokio::test]
async fn limits_are_changed_one_by_one_and_the_log_says_so() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let first = patch(
        &server,
        &session,
        json!({ "tokens": 1000, "steps": 3, "auto_continue": 2 }),
    )
    .await;
    assert_eq!(
        first,
        json!({ "tokens": 1000, "steps": 3, "auto_continue": 2 })
    );
    let second = patch(&server, &session, json!({ "steps": null, "turns": 9 })).await;
    assert_eq!(
        second,
        json!({ "tokens": 1000, "turns": 9, "auto_continue": 2 })
    );
    let head = server.get(&format!("/v3/sessions/{session}")).await["head"].clone();
    patch(&server, &session, json!({ "turns": 9 })).await;
    let events = server.events(&session).await;
    let last = events.last().unwrap();
    assert_eq!(
        (&last["type"], &last["level"]),
        (&json!("session.limits_changed"), &json!("progress"))
    );
    assert_eq!(last["body"]["limits"], second);
    assert_eq!(last["seq"], head, "the same limits again are no news");
}

#[tokio::test]
async fn a_limit_below_what_is_used_is_spent_and_raising_it_lets_it_go_on() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    patch(&server, &session, json!({ "tokens": 1 })).await;
    server
        .say(&session, &script(json!([{ "say": "two" }])))
        .await;
    let end = server.turn_end(&session, 2).await;
    assert_eq!(end["body"]["yield_reason"], "budget_exceeded");
    patch(&server, &session, json!({ "tokens": 1_000_000 })).await;
    server
        .say(&session, &script(json!([{ "say": "three" }])))
        .await;
    let end = server.turn_end(&session, 3).await;
    assert_eq!(end["body"]["yield_reason"], "completed");
}

#[tokio::test]
async fn a_limit_in_money_takes_a_price() {
    let server = Server::start();
    let agent =
        json!({ "name": "a", "model": "test/script", "prompt": "p", "limits": { "usd": 1 } });
    let error = refused(
        &server,
        Method::POST,
        "/v3/agents",
        Some(agent.clone()),
        422,
    )
    .await;
    assert_eq!(error["param"], "limits.usd");
    assert!(
        error["message"].as_str().unwrap().contains("test/script"),
        "{error}"
    );
    let (session, _) = rested(&server).await;
    let path = format!("/v3/sessions/{session}");
    let change = json!({ "limits": { "usd": 0.5 } });
    assert_eq!(
        refused(&server, Method::PATCH, &path, Some(change), 422).await["param"],
        "limits.usd"
    );

    let server = priced();
    let made = server.post("/v3/agents", agent).await;
    assert_eq!(made["limits"], json!({ "usd": 1.0 }));
    let session = server
        .session(&id(&made), &script(json!([{ "say": "one" }])))
        .await;
    server.turn_end(&session, 1).await;
    let shown = server.get(&format!("/v3/sessions/{session}")).await;
    let (tokens, cost) = (&shown["usage"]["tokens"], &shown["usage"]["total_cost_usd"]);
    let want = tokens.as_f64().unwrap() * 0.001;
    assert!(
        want > 0.0 && (cost.as_f64().unwrap() - want).abs() < 1e-9,
        "{shown}"
    );
    assert_eq!(
        patch(&server, &session, json!({ "usd": 0.25 })).await,
        json!({ "usd": 0.25 })
    );
}

#[tokio::test]
async fn a_wrong_change_of_a_session_is_named() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let path = format!("/v3/sessions/{session}");
    for (body, param) in [
        (json!({}), "limits"),
        (json!({ "limits": null }), "limits"),
        (json!({ "limits": [] }), "limits"),
        (json!({ "limits": { "tokens": 0 } }), "limits.tokens"),
        (json!({ "limits": { "usd": 0 } }), "limits.usd"),
        (json!({ "limits": { "usd": "1" } }), "limits.usd"),
        (json!({ "limits": { "steps": 1.5 } }), "limits.steps"),
        (
            json!({ "limits": { "auto_continue": 101 } }),
            "limits.auto_continue",
        ),
        (json!({ "limits": {}, "metadata": {} }), "metadata"),
        (json!({ "model": "test/demo" }), "model"),
    ] {
        let error = refused(&server, Method::PATCH, &path, Some(body.clone()), 422).await;
        assert_eq!(error["param"], param, "{body}: {error}");
    }
    let nobody = "/v3/sessions/ses_nobody";
    let body = json!({ "limits": { "turns": 1 } });
    refused(&server, Method::PATCH, nobody, Some(body.clone()), 404).await;
    server.post(&format!("{path}/archive"), json!({})).await;
    refused(&server, Method::PATCH, &path, Some(body), 409).await;
}

#[tokio::test]
async fn a_session_that_is_not_at_rest_says_what_it_waits_on() {
    let server = Server::with(&[("OC_MAX_RUNNING", "1")]);
    let agent = server.agent("first", "test/script").await;
    let never = script(json!([{ "delay_ms": 600_000, "say": "never" }]));
    let body = json!({ "agent": agent, "input": never });
    let made = server.post("/v3/sessions", body).await["session"].take();
    assert_eq!(made["waiting_on"], json!(null), "there is a place: {made}");
    let busy = made["id"].as_str().unwrap().to_owned();
    server.until(&busy, is("turn.started")).await;
    let shown = server.get(&format!("/v3/sessions/{busy}")).await;
    let wait = &shown["waiting_on"];
    assert_eq!(wait["what"], "model", "{shown}");
    for moment in ["since", "deadline"] {
        let at = wait[moment].as_str().unwrap();
        assert!(
            at.ends_with('Z') && at >= shown["created_at"].as_str().unwrap(),
            "{wait}"
        );
    }
    assert!(!wait["next"].as_str().unwrap().is_empty());

    let agent = server.agent("second", "test/script").await;
    let asks = json!([{ "call": [{ "tool": "ask", "args": { "text": "Well?" } }] }]);
    let body = json!({ "agent": agent, "input": script(asks) });
    let made = server.post("/v3/sessions", body).await["session"].take();
    assert_eq!(made["waiting_on"]["what"], "quota", "{made}");
    assert_eq!(made["waiting_on"]["place"], 1, "{made}");
    let queued = made["id"].as_str().unwrap().to_owned();
    let shown = server.get(&format!("/v3/sessions/{queued}")).await;
    assert_eq!(shown["waiting_on"]["what"], "quota", "{shown}");
    let told = server.until(&queued, is("session.waiting")).await;
    let body = &told["body"];
    assert_eq!(
        (&body["what"], &body["place"]),
        (&json!("quota"), &json!(1)),
        "{told}"
    );
    assert_eq!(told["level"], "progress");
    server
        .post(&format!("/v3/sessions/{busy}/cancel"), json!({}))
        .await;
    server.turn_end(&queued, 1).await;
    let (rested, _) = rested(&server).await;
    let all = server.get("/v3/sessions").await;
    let of = |id: &str| {
        let all = all["data"].as_array().unwrap();
        all.iter().find(|session| session["id"] == id).unwrap()["waiting_on"].clone()
    };
    assert_eq!(of(&queued)["what"], "human");
    assert_eq!(of(&rested), Value::Null, "at rest it waits on nothing");
}
