//! Limits, forks, checkpoints, usage and erasure from the command line.

use serde_json::json;

use super::{error, oc};
use crate::harness::{Server, script};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_s_limits_are_shown_changed_and_taken_away() {
    let server = Server::start();
    server.agent("player", "test/script").await;
    let play = script(json!([{ "say": "one" }]));
    let create = [
        "session",
        "create",
        "--agent",
        "player",
        "--input",
        &play,
        "--steps",
        "9",
        "--auto-continue",
        "1",
        "--json",
    ];
    let made = oc(&server, &create).json();
    let id = made["session"]["id"].as_str().unwrap();
    assert_eq!(
        made["session"]["limits"],
        json!({ "steps": 9, "auto_continue": 1 })
    );
    server.turn_end(id, 1).await;
    let changed = oc(
        &server,
        &[
            "session", "limits", id, "--tokens", "5000", "--none", "steps", "--json",
        ],
    )
    .json();
    assert_eq!(
        changed["limits"],
        json!({ "tokens": 5000, "auto_continue": 1 })
    );
    let shown = oc(&server, &["session", "limits", id]).well().out;
    assert!(
        shown.contains("tokens") && shown.contains("5000"),
        "{shown}"
    );
    let money = oc(&server, &["session", "limits", id, "--usd", "1", "--json"]);
    assert_eq!(error(&money)["param"], "limits.usd");
    let logs = oc(&server, &["session", "logs", id]).well().out;
    assert!(
        logs.contains("limits · auto continue 1, tokens 5000"),
        "{logs}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_made_watched_and_erased_and_usage_stays() {
    let server = Server::start();
    let origin = server.play(json!([{ "say": "one" }])).await;
    server.turn_end(&origin, 1).await;
    let two = script(json!([{ "say": "two" }]));
    let shown = oc(
        &server,
        &["session", "fork", &origin, "--input", &two, "--follow"],
    )
    .well();
    assert!(
        shown.out.contains("agent ▸ two") && !shown.out.contains("agent ▸ one"),
        "{shown:?}"
    );
    let forked = oc(
        &server,
        &["session", "fork", &origin, "--at", "1", "--json"],
    )
    .json();
    let id = forked["session"]["id"].as_str().unwrap();
    let card = oc(&server, &["session", "get", id]).well().out;
    assert!(card.contains(&format!("{origin} at event 1")), "{card}");
    let none = oc(&server, &["session", "checkpoints", id]).well().out;
    assert!(none.contains("No checkpoints"), "{none}");
    let gone = oc(&server, &["session", "delete", id, "--json"]).json();
    assert_eq!(gone, json!({ "id": id, "deleted": true }));
    assert_eq!(oc(&server, &["session", "get", id]).code, 3);

    let used = oc(&server, &["usage", "--by", "session", "--json"]).json();
    let rows = used["data"].as_array().unwrap();
    assert!(
        rows.iter().any(|row| row["group"] == origin.as_str()),
        "{used}"
    );
    let table = oc(&server, &["usage"]).well().out;
    assert!(
        table.starts_with("GROUP") && table.contains("total"),
        "{table}"
    );
    let empty = oc(
        &server,
        &["usage", "--from", "2020-01-01", "--to", "2020-02-01"],
    )
    .well()
    .out;
    assert!(empty.contains("Nothing was used"), "{empty}");
}
