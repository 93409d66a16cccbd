//! The master key by the command line: changed while a server runs, and killed at
//! each step of the change.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;

use reqwest::Method;
use serde_json::json;

use super::{Run, bare, oc};
use crate::harness::Server;

/// A command on the server's own folder.
fn local(server: &Server, arguments: &[&str], point: Option<&str>) -> std::process::Output {
    let mut command = bare(arguments);
    command.arg("--data").arg(server.data.path());
    if let Some(point) = point {
        command.env("OC_DRILL_POINT", format!("{point}:1"));
    }
    command.output().unwrap()
}

fn key(server: &Server) -> String {
    std::fs::read_to_string(server.data.path().join("master.key")).unwrap()
}

/// Sets a secret and lists it with what is shown of its value, which is sealed:
/// both need the vault to open.
async fn works(server: &Server, agent: &str, value: &str) {
    let path = format!("/v3/agents/{agent}/secrets/TOKEN");
    let before = server.get(&format!("/v3/agents/{agent}/secrets")).await;
    let (status, set) = server
        .send(Method::PUT, &path, Some(json!({ "value": value })))
        .await;
    assert!(status.is_success(), "{set}");
    assert_eq!(set["last4"], value[value.len() - 4..], "{before}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_changes_under_a_running_server() {
    let mut server = Server::start();
    let agent = server.agent("coder", "test/script").await;
    works(&server, &agent, "the first value").await;
    let old = key(&server);
    let done = Run::of(local(&server, &["vault", "rotate-master"], None)).well();
    assert!(done.out.contains("1 data key(s)"), "{done:?}");
    assert_ne!(key(&server), old);
    let file = std::fs::metadata(server.data.path().join("master.key")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    works(&server, &agent, "the second value").await;
    let status = Run::of(local(&server, &["vault", "status", "--json"], None)).json();
    assert_eq!(
        (&status["opens"], &status["secrets"], &status["next"]),
        (&json!(true), &json!(1), &json!(null))
    );
    server.kill9();
    server.launch();
    works(&server, &agent, "the third value").await;

    let prepared = Run::of(local(
        &server,
        &["vault", "rotate-master", "--prepare"],
        None,
    ));
    assert!(prepared.well().out.contains("master.key.next"));
    let waits = Run::of(local(&server, &["vault", "status"], None)).well();
    assert!(waits.out.contains("master.key.next"), "{waits:?}");
    Run::of(local(&server, &["vault", "rotate-master"], None)).well();
    works(&server, &agent, "the fourth value").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_killed_leaves_a_key_that_opens() {
    let mut server = Server::start();
    let agent = server.agent("coder", "test/script").await;
    works(&server, &agent, "the first value").await;
    for point in ["vault.made", "vault.wrapped", "vault.swapped"] {
        let killed = local(&server, &["vault", "rotate-master"], Some(point));
        assert_eq!(killed.status.signal(), Some(9), "{point}: {killed:?}");
        works(&server, &agent, "while it ran on").await;
        server.kill9();
        server.launch();
        works(&server, &agent, "after a restart").await;
        let again = Run::of(local(&server, &["vault", "rotate-master", "--json"], None)).json();
        assert_eq!(again["rotated"], true, "{point}");
        works(&server, &agent, "after the change").await;
    }
    let list = oc(&server, &["agent", "secret", "list", "--agent", &agent]).well();
    assert!(list.out.contains("ange"), "{list:?}");
}

#[test]
fn a_folder_without_a_server_has_no_key_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let run = bare(&["vault", "rotate-master", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    let run = Run::of(run);
    assert_eq!(
        (run.code, run.err.contains("no server has run")),
        (1, true),
        "{run:?}"
    );
}
