//! Hooks and agents' addresses by the command line.

use serde_json::{Value, json};

use super::{oc, oc_reads};
use crate::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_made_shown_changed_and_revoked() {
    let server = Server::start();
    server.agent("triage", "test/script").await;
    let create = "agent hook create github-issues --agent triage --tokens-per-day 900 --json";
    let made = oc(&server, &create.split(' ').collect::<Vec<_>>()).json();
    let url = made["hook_url"].as_str().unwrap();
    assert_eq!(made["hook"]["caps"], json!({ "tokens_per_day": 900 }));
    let shown = oc(&server, &["agent", "hooks", "--agent", "triage"]).well();
    assert!(shown.out.contains("github-issues"), "{shown:?}");
    assert!(!shown.out.contains("ochk_"), "{shown:?}");
    let of = |verb| ["agent", "hook", verb, "github-issues", "--agent", "triage"];
    let card = oc(&server, &of("get")).well();
    assert!(card.out.contains("active"), "{card:?}");
    let nothing = oc(&server, &of("update"));
    assert_eq!(nothing.code, 2, "{nothing:?}");
    let open = [&of("update")[..], &["--no-caps", "--json"]].concat();
    assert_eq!(oc(&server, &open).json()["caps"], json!({}));
    let unsure = oc(&server, &of("revoke"));
    assert!(
        unsure.code == 2 && unsure.err.contains("--yes"),
        "{unsure:?}"
    );
    let path = &url[url.find("/agents/").unwrap()..];
    let called = server.http().post(server.at(path)).send().await.unwrap();
    assert!(called.status().is_success());
    oc(&server, &[&of("revoke")[..], &["--yes"]].concat()).well();
    let called = server.http().post(server.at(path)).send().await.unwrap();
    assert_eq!(called.status().as_u16(), 404);
    let gone = oc(&server, &of("get"));
    assert_eq!(
        gone.code, 3,
        "names are those of hooks that are not revoked"
    );
    let all = [
        "agent",
        "hook",
        "list",
        "--agent",
        "triage",
        "--include-revoked",
        "--json",
    ];
    assert_eq!(oc(&server, &all).json()["data"][0]["status"], "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_invoked_with_any_json() {
    let server = Server::start();
    server.agent("triage", "test/script").await;
    let invoke = [
        "agent",
        "invoke",
        "triage",
        "--data",
        r#"{"issue":7}"#,
        "--idempotency-key",
        "k",
    ];
    let first = oc(&server, &[&invoke[..], &["--json"]].concat()).json();
    let session = first["session"]["id"].as_str().unwrap();
    server.turn_end(session, 1).await;
    assert_eq!(server.result(session).await, r#"You said: {"issue":7}"#);
    let again = oc(&server, &invoke).well();
    assert!(
        again.out.contains("before") && again.out.contains(session),
        "{again:?}"
    );
    let read = oc_reads(
        &server,
        &["agent", "invoke", "triage", "--stdin", "--json"],
        "[1]",
    )
    .json();
    assert_eq!(read["replayed"], false);
    let other = ["agent", "invoke", "triage", "--data", "{", "--json"];
    let wrong = oc(&server, &other);
    let error: Value = serde_json::from_str(&wrong.err).unwrap();
    assert!(
        wrong.code == 2 && error["error"].as_str().unwrap().contains("JSON"),
        "{error}"
    );
    let logs = oc(&server, &["session", "logs", session]).well();
    assert!(logs.out.contains("request ▸"), "{logs:?}");
}
