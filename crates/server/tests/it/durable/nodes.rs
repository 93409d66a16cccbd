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
