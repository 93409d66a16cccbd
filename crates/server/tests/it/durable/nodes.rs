//! Two nodes on one PostgreSQL and one blob store: what one loses the other
//! takes up, files too.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Server, is, script};

fn bash(command: &str) -> Value {
    json!({ "call": [{ "tool": "bash", "args": { "command": command } }] })
}

/// Two servers that share database, master key and blobs.
fn pair() -> (Server, Server, TempDir) {
    let database = store::testing::database();
    let blobs = tempfile::tempdir().unwrap();
    let folder = blobs.path().to_str().unwrap().to_owned();
    let env = [
        ("OC_DATABASE_URL", database.as_str()),
        ("OC_BLOBS", folder.as_str()),
        ("OC_LEASE_SECONDS", "2"),
    ];
    let one = Server::with(&env);
    let data = tempfile::tempdir().unwrap();
    std::fs::copy(
        one.data.path().join("master.key"),
        data.path().join("master.key"),
    )
    .unwrap();
    let two = Server::on(data, &env);
    (one, two, blobs)
}

#[tokio::test]
async fn another_node_goes_on_with_the_files_when_one_dies_in_a_turn() {
    let (one, two, _blobs) = pair();
    let agent = one.agent("mover", "test/script").await;
    let first = script(json!([bash("echo kept > note"), { "say": "ok" }]));
    let session = one.session(&agent, &first).await;
    one.until(&session, is("checkpoint.created")).await;
    let steps = script(json!([
        bash("echo begun; sleep 300"),
        bash("cat note"),
        { "say": "{{last_result}}" }
    ]));
    one.say(&session, &steps).await;
    // Either node may have taken the turn: the other one has to go on.
    let runs_on_one = tokio::select! {
        () = one.sandbox_runs(&session) => true,
        () = two.sandbox_runs(&session) => false,
    };
    let (mut dies, lives) = if runs_on_one { (one, two) } else { (two, one) };
    dies.kill9();
    let recovered = lives.until(&session, is("session.recovered")).await;
    assert_eq!(recovered["body"]["reason"], "lease_expired", "{recovered}");
    let unknown = lives.until(&session, is("tool.indeterminate")).await;
    assert!(unknown["body"]["checkpoint"]["id"].is_string(), "{unknown}");
    lives.turn_end(&session, 2).await;
    assert!(lives.result(&session).await.contains("kept"));
    // Its own sandbox has files of the past now.
    dies.launch();
    dies.sandbox_gone(&session).await;
}

#[tokio::test]
async fn a_session_stays_with_the_node_that_has_its_sandbox() {
    let (one, two, _blobs) = pair();
    let agent = one.agent("stayer", "test/script").await;
    let turn = |n: usize| {
        let count = format!("echo {n} >> turns; wc -l < turns");
        script(json!([bash(&count), { "say": "{{last_result}}" }]))
    };
    let session = one.session(&agent, &turn(1)).await;
    one.turn_end(&session, 1).await;
    for n in 2..=9 {
        // It is told by either node in turn; both hear of it at once.
        let by = if n % 2 == 0 { &two } else { &one };
        by.say(&session, &turn(n)).await;
        by.turn_end(&session, n).await;
    }
    let events = one.events(&session).await;
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!(count("sandbox.started"), 1);
    assert_eq!(count("sandbox.restored"), 0, "it was never carried over");
    // A home that is dead holds up nobody.
    let on_one = one.holds_sandbox(&session);
    let (mut dies, lives) = if on_one { (one, two) } else { (two, one) };
    lives.until(&session, is("checkpoint.created")).await;
    dies.kill9();
    lives.say(&session, &turn(10)).await;
    lives.turn_end(&session, 10).await;
    let restored = lives.until(&session, is("sandbox.restored")).await;
    assert_eq!(restored["body"]["reason"], "lost", "{restored}");
}
