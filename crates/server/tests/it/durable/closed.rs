//! A session that is closed or erased in the middle of a command: the command is
//! stopped, its sandbox goes at once, and no fact comes after.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, is, wait_until};

/// Who only rests keeps its sandbox for longer than a test waits.
const LONG: [(&str, &str); 1] = [("OC_IDLE_TIMEOUT_SECONDS", "3600")];

/// A command that nobody else runs, by a number that stands in its own line.
fn forever(mark: u32) -> String {
    format!("sleep {mark}{}", std::process::id())
}

/// Whether a process with that command line lives, in whatever sandbox.
fn lives(command: &str) -> bool {
    let wanted = format!("{}\0", command.replace(' ', "\0"));
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = all.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
    lines.any(|line| line == wanted.as_bytes())
}

/// A session in the middle of that command.
async fn at_work(server: &Server, command: &str) -> String {
    let call = json!([{ "tool": "bash", "args": { "command": format!("{command}; true") } }]);
    let session = server
        .play(json!([{ "call": call }, { "say": "never" }]))
        .await;
    server.until(&session, is("tool.call")).await;
    server.sandbox_runs(&session).await;
    wait_until(|| lives(command)).await;
    session
}

fn facts(server: &Server, session: &str) -> i64 {
    let db = rusqlite::Connection::open(server.data.path().join("oc.db")).unwrap();
    let sql = "SELECT COUNT(*) FROM events WHERE session = ?1";
    db.query_row(sql, [session], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn an_archived_command_is_stopped_and_its_sandbox_goes() {
    let server = Server::with(&LONG);
    let command = forever(71);
    let session = at_work(&server, &command).await;
    let path = format!("/v3/sessions/{session}/archive");
    let row = server.post(&path, json!({})).await;
    assert_eq!(row["status"], "archived");
    let closed = server.events(&session).await;
    let kinds: Vec<_> = closed.iter().map(|e| e["type"].clone()).collect();
    let end = ["tool.indeterminate", "turn.completed", "session.archived"];
    assert_eq!(kinds[kinds.len() - 3..], end, "{kinds:?}");

    server.sandbox_gone(&session).await;
    assert!(!lives(&command));
    assert_eq!(server.events(&session).await, closed, "no fact came after");
}

#[tokio::test]
async fn an_erased_command_is_stopped_and_nothing_is_left_of_its_session() {
    let server = Server::with(&LONG);
    let command = forever(72);
    let session = at_work(&server, &command).await;
    let path = format!("/v3/sessions/{session}");
    let (status, _) = server.send(Method::DELETE, &path, None).await;
    assert_eq!(status.as_u16(), 204);

    server.sandbox_gone(&session).await;
    assert!(!lives(&command));
    let (status, answer) = server.send(Method::GET, &path, None).await;
    assert_eq!(status.as_u16(), 404, "{answer}");
    wait_until(|| facts(&server, &session) == 0).await;
    // The node lives, and so do others.
    let agent = server.agent("other", "test/script").await;
    let other = server.session(&agent, "hello").await;
    let end: Value = server.turn_end(&other, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed");
    assert_eq!(facts(&server, &session), 0, "no fact came after");
}
