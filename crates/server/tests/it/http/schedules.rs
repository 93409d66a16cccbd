//! Schedules on the wire: kept, shown, changed, fired by hand, deleted, and refused
//! by name where they are wrong.

use reqwest::Method;
use serde_json::{Value, json};

use super::{OK, refused, stranger};
use crate::harness::{Server, script};

/// A server with an agent `nightly`, and where its schedules are.
async fn begun() -> (Server, String, String) {
    let server = Server::start();
    let agent = server.agent("nightly", "test/script").await;
    let path = format!("/v3/agents/{agent}/schedules");
    (server, agent, path)
}

fn yearly(name: &str) -> Value {
    json!({ "name": name, "cron": "30 1 1 1 *", "tz": "europe/berlin",
        "input": script(json!([{ "say": "done" }])) })
}

/// A schedule that is far from being due; its path.
async fn made(server: &Server, path: &str, name: &str) -> String {
    let made = server.post(path, yearly(name)).await;
    format!("{path}/{}", made["schedule"]["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_schedule_is_made_shown_listed_and_deleted() {
    let (server, agent, path) = begun().await;
    let (status, made) = server.send(Method::POST, &path, Some(yearly("b"))).await;
    assert_eq!(status.as_u16(), 201, "{made}");
    let schedule = &made["schedule"];
    assert!(schedule["id"].as_str().unwrap().starts_with("sch_"));
    assert_eq!(schedule["agent_id"], agent);
    for (field, want) in [
        ("name", json!("b")),
        ("cron", json!("30 1 1 1 *")),
        ("tz", json!("Europe/Berlin")),
        ("overlap", json!("skip")),
        ("caps", json!({})),
        ("state", json!("active")),
        ("last_fired_at", Value::Null),
        ("consecutive_failures", json!(0)),
        ("last_error", Value::Null),
    ] {
        assert_eq!(schedule[field], want, "{field}");
    }
    let next = schedule["next_fire_at"].as_str().unwrap();
    assert!(
        next.ends_with("-01-01T00:30:00.000Z"),
        "Berlin's 1:30: {next}"
    );
    let waits = &schedule["waiting_on"];
    assert_eq!(
        (&waits["what"], &waits["deadline"]),
        (&json!("schedule"), &json!(next))
    );

    let one = format!("{path}/{}", schedule["id"].as_str().unwrap());
    assert_eq!(server.get(&one).await, made);
    server
        .post("/v3/agents/nightly/schedules", yearly("a"))
        .await;
    let all = server.get(&path).await;
    let names = all["schedules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["name"]);
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["a", "b"],
        "an agent by its name, too"
    );

    let taken = refused(&server, Method::POST, &path, Some(yearly("b")), 409).await;
    assert_eq!(taken["param"], "name");
    let (status, _) = server.send(Method::DELETE, &one, None).await;
    assert_eq!(status.as_u16(), 204);
    for method in [Method::GET, Method::DELETE, Method::PATCH] {
        let body = (method == Method::PATCH).then(|| json!({}));
        refused(&server, method, &one, body, 404).await;
    }
    refused(&server, Method::POST, &format!("{one}/fire"), None, 404).await;
    assert_eq!(server.get(&format!("{one}/runs")).await["runs"], json!([]));
    server.post(&path, yearly("b")).await;
}

#[tokio::test]
async fn a_change_is_made_in_part_and_moves_the_slot_where_it_must() {
    let (server, _, path) = begun().await;
    let one = made(&server, &path, "a").await;
    let patch = async |body: Value| {
        let (status, changed) = server.send(Method::PATCH, &one, Some(body)).await;
        assert_eq!(status, OK, "{changed}");
        assert_eq!(changed, server.get(&one).await);
        changed["schedule"].clone()
    };
    let before = server.get(&one).await["schedule"].clone();
    let caps = json!({ "tokens_per_day": 1000 });
    let quiet = patch(json!({ "overlap": "allow", "input": "other", "caps": caps })).await;
    assert_eq!(quiet["next_fire_at"], before["next_fire_at"]);
    assert_eq!((&quiet["input"], &quiet["caps"]), (&json!("other"), &caps));
    let utc = patch(json!({ "tz": null })).await;
    assert!(
        utc["next_fire_at"]
            .as_str()
            .unwrap()
            .ends_with("-01-01T01:30:00.000Z")
    );
    let paused = patch(json!({ "paused": true, "caps": null })).await;
    assert_eq!(
        (&paused["state"], &paused["waiting_on"]),
        (&json!("paused"), &Value::Null)
    );
    assert_eq!(paused["next_fire_at"], utc["next_fire_at"]);
    let other = patch(json!({ "cron": "15 1 1 1 *" })).await;
    assert!(
        other["next_fire_at"]
            .as_str()
            .unwrap()
            .ends_with("-01-01T01:15:00.000Z")
    );
    assert_eq!(other["state"], "paused");
    let back = patch(json!({ "paused": false })).await;
    assert_eq!(
        (&back["state"], &back["caps"]),
        (&json!("active"), &json!({}))
    );
}

#[tokio::test]
async fn a_fire_by_hand_begins_a_session_that_says_who_began_it() {
    let (server, agent, path) = begun().await;
    let one = made(&server, &path, "a").await;
    server
        .send(Method::PATCH, &one, Some(json!({ "paused": true })))
        .await;
    let before = server.get(&one).await["schedule"].clone();
    let (status, fired) = server
        .send(Method::POST, &format!("{one}/fire"), None)
        .await;
    assert_eq!(status.as_u16(), 201, "{fired}");
    let run = &fired["run"];
    assert!(run["id"].as_str().unwrap().starts_with("srn_"), "{run}");
    assert_eq!(
        (&run["outcome"], &run["scheduled_for"]),
        (&json!("enacted"), &Value::Null)
    );
    assert_eq!(run["schedule_id"], before["id"]);

    let id = run["session_id"].as_str().unwrap();
    server.turn_end(id, 1).await;
    assert_eq!(server.result(id).await, "done");
    let session = server.get(&format!("/v3/sessions/{id}")).await;
    let told =
        json!({ "schedule": { "id": before["id"], "run_id": run["id"], "scheduled_for": null } });
    assert_eq!(
        (&session["metadata"], &session["agent_id"]),
        (&told, &json!(agent))
    );
    let first = &server.events(id).await[0];
    let actor =
        json!({ "id": before["id"], "type": "schedule", "kind": "schedule", "display": "a" });
    assert_eq!(
        (&first["type"], &first["actor"]),
        (&json!("user.message"), &actor)
    );

    let again = server.post(&format!("{one}/fire"), json!({})).await;
    let runs = server.get(&format!("{one}/runs?limit=1")).await;
    assert_eq!(runs["runs"], json!([again["run"]]), "newest first");
    let cursor = runs["next_cursor"].as_str().unwrap();
    let rest = server
        .get(&format!("{one}/runs?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(
        (&rest["runs"], &rest["next_cursor"]),
        (&json!([run]), &Value::Null)
    );
    let after = server.get(&one).await["schedule"].clone();
    assert_eq!(after["last_fired_at"], again["run"]["fired_at"]);
    for same in [
        "state",
        "next_fire_at",
        "consecutive_failures",
        "updated_at",
    ] {
        assert_eq!(after[same], before[same], "{same}");
    }
}

#[tokio::test]
async fn a_fire_that_can_begin_nothing_says_why_and_counts_nothing() {
    let server = Server::start();
    // Nobody gave this server a key of a provider.
    let agent = server.agent("keyless", "anthropic/claude-opus-4-8").await;
    let path = format!("/v3/agents/{agent}/schedules");
    let one = made(&server, &path, "a").await;
    for _ in 0..6 {
        let fired = server.post(&format!("{one}/fire"), json!({})).await;
        let run = &fired["run"];
        assert_eq!(
            (&run["outcome"], &run["session_id"]),
            (&json!("failed"), &Value::Null)
        );
        assert!(
            run["error"].as_str().is_some_and(|why| !why.is_empty()),
            "{run}"
        );
        let now = server.get(&one).await["schedule"].clone();
        assert_eq!(
            (&now["last_error"], &now["state"]),
            (&run["error"], &json!("active"))
        );
        assert_eq!(
            (&now["consecutive_failures"], &now["last_fired_at"]),
            (&json!(0), &Value::Null)
        );
    }
    let page = server.get("/metrics").await;
    let counted = "oc_schedule_runs_total{state=\"failed\"} 6";
    assert!(page.as_str().unwrap().contains(counted), "{page}");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let (server, _, path) = begun().await;
    let one = made(&server, &path, "a").await;
    let before = server.get(&one).await;
    let long = "x".repeat(32 * 1024 + 1);
    for (field, value) in [
        ("cron", json!("* * * *")),
        ("cron", json!("0 * * * * *")),
        ("cron", json!("@hourly")),
        ("cron", json!("60 * * * *")),
        ("cron", json!("0 0 L * *")),
        ("cron", json!("0 0 31 2 *")),
        ("cron", json!(5)),
        ("cron", json!("")),
        ("tz", json!("Europe/Atlantis")),
        ("tz", json!("")),
        ("tz", json!(1)),
        ("input", json!("")),
        ("input", json!(long)),
        ("input", json!({ "text": "x" })),
        ("overlap", json!("queue")),
        ("overlap", json!(true)),
        ("caps.tokens_per_day", json!(0)),
        ("caps.usd_per_day", json!(-1)),
        ("caps", json!([])),
        ("name", json!("Upper")),
        ("name", json!("")),
        ("name", json!("-a")),
        ("name", json!("x".repeat(65))),
    ] {
        let mut body = yearly("b");
        let mut change = json!({});
        for body in [&mut body, &mut change] {
            match field.split_once('.') {
                Some((outer, inner)) => body[outer] = json!({ inner: value.clone() }),
                None => body[field] = value.clone(),
            }
        }
        let error = refused(&server, Method::POST, &path, Some(body), 422).await;
        assert_eq!(error["param"], field, "{error}");
        let error = refused(&server, Method::PATCH, &one, Some(change), 422).await;
        assert_eq!(error["param"], field, "{error}");
    }
    assert_eq!(server.get(&one).await, before);
    let all = server.get(&path).await;
    assert_eq!(all["schedules"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_missing_or_means_nothing_is_named_too() {
    let (server, _, path) = begun().await;
    let one = made(&server, &path, "a").await;
    let before = server.get(&one).await;
    for field in ["name", "cron", "input"] {
        let mut body = yearly("b");
        body.as_object_mut().unwrap().remove(field);
        let error = refused(&server, Method::POST, &path, Some(body), 422).await;
        assert_eq!(error["param"], field, "{error}");
    }
    for field in ["cron", "input", "overlap", "paused"] {
        let error = refused(
            &server,
            Method::PATCH,
            &one,
            Some(json!({ field: null })),
            422,
        )
        .await;
        assert_eq!(error["param"], field, "{error}");
    }
    let error = refused(
        &server,
        Method::PATCH,
        &one,
        Some(json!({ "paused": "yes" })),
        422,
    )
    .await;
    assert_eq!(error["param"], "paused");
    // Money is capped only where a price is known.
    let money = json!({ "caps": { "usd_per_day": 1 } });
    let error = refused(&server, Method::PATCH, &one, Some(money), 422).await;
    assert_eq!(error["param"], "caps.usd_per_day");
    assert_eq!(server.get(&one).await, before);
}

#[tokio::test]
async fn an_agent_has_twenty_and_no_more() {
    let (server, agent, path) = begun().await;
    for n in 0..20 {
        server.post(&path, yearly(&format!("n{n}"))).await;
    }
    refused(&server, Method::POST, &path, Some(yearly("more")), 409).await;
    let (status, _) = server
        .send(Method::DELETE, &format!("/v3/agents/{agent}"), None)
        .await;
    assert_eq!(status.as_u16(), 204);
    refused(&server, Method::GET, &path, None, 404).await;
}

#[tokio::test]
async fn a_stranger_finds_nothing() {
    let (server, _, path) = begun().await;
    let one = made(&server, &path, "a").await;
    let key = stranger(&server);
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::GET, one.clone()),
        (Method::DELETE, one.clone()),
        (Method::POST, format!("{one}/fire")),
        (Method::GET, format!("{one}/runs")),
    ] {
        let (status, answer) = server.send_as(&key, method, &path, None).await;
        assert_eq!(status.as_u16(), 404, "{path}: {answer}");
    }
    let (status, _) = server
        .send_as(&key, Method::PATCH, &one, Some(json!({})))
        .await;
    assert_eq!(status.as_u16(), 404);
    let (status, _) = server.send_as("osb_x", Method::GET, &path, None).await;
    assert_eq!(status.as_u16(), 401);
}
