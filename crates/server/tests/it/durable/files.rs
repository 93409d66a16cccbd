//! Nothing is lost: files are safe after each turn, sleep with their sandbox,
//! and come back when it is lost.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Server, is, script};

fn bash(command: &str) -> Value {
    json!({ "call": [{ "tool": "bash", "args": { "command": command } }] })
}

pub fn says(command: &str) -> Value {
    json!([bash(command), { "say": "{{last_result}}" }])
}

/// Plays a script in a session that is there; the text of its result.
pub async fn next(server: &Server, session: &str, turn: usize, command: &str) -> String {
    server.say(session, &script(says(command))).await;
    server.turn_end(session, turn).await;
    server.result(session).await
}

#[tokio::test]
async fn a_sandbox_sleeps_when_its_session_idles_and_wakes_with_its_files() {
    let server = Server::with(&[("OC_IDLE_TIMEOUT_SECONDS", "1")]);
    let session = server
        .play(says(
            "echo kept > note; ln -s note link; mkdir -p a/b; echo ok",
        ))
        .await;
    server.turn_end(&session, 1).await;
    let made = server.until(&session, is("checkpoint.created")).await;
    assert!(made["body"]["files"].as_u64().unwrap() >= 2, "{made}");
    let slept = server.until(&session, is("sandbox.hibernated")).await;
    assert_eq!(
        slept["body"]["checkpoint_id"],
        made["body"]["checkpoint_id"]
    );
    let told = next(&server, &session, 2, "cat link; ls -d a/b").await;
    assert!(told.contains("kept\na/b"), "{told}");
    assert!(told.contains("woken"), "{told}");
    let woken = server.until(&session, is("sandbox.restored")).await;
    assert_eq!(woken["body"]["reason"], "woken", "{woken}");
    assert_eq!(
        woken["body"]["checkpoint_id"],
        made["body"]["checkpoint_id"]
    );
}

#[tokio::test]
async fn a_sandbox_that_dies_between_turns_comes_back_with_the_files_of_the_last() {
    let server = Server::start();
    let session = server.play(says("echo kept > note; echo ok")).await;
    server.until(&session, is("checkpoint.created")).await;
    server.kill_sandboxes();
    server.sandbox_gone(&session).await;
    let told = next(&server, &session, 2, "cat note").await;
    assert!(told.contains("kept"), "{told}");
    assert!(told.contains("The sandbox was lost"), "{told}");
    let back = server.until(&session, is("sandbox.restored")).await;
    assert_eq!(back["body"]["reason"], "lost", "{back}");
}

#[tokio::test]
async fn a_sandbox_that_dies_under_a_call_is_reported_and_the_turn_goes_on_with_its_files() {
    let server = Server::start();
    let session = server.play(says("echo kept > note; echo ok")).await;
    server.until(&session, is("checkpoint.created")).await;
    let steps = json!([
        bash("echo half; sleep 60"),
        bash("cat note"),
        { "say": "{{last_result}}" }
    ]);
    server.say(&session, &script(steps)).await;
    let mut stream = server.follow(&session, 0).await;
    stream.until(is("turn.completed")).await;
    stream.until(is("tool.call")).await;
    // It has begun when its first output is there; what says so is the guest.
    server.sandbox_runs(&session).await;
    server.kill_sandboxes();
    let unknown = stream.until(is("tool.indeterminate")).await;
    let body = &unknown["body"];
    assert!(body["checkpoint"]["id"].is_string(), "{unknown}");
    assert!(body["output"].as_str().unwrap().contains("Outcome unknown"));
    let end = stream.until(is("turn.completed")).await;
    assert_eq!(end["body"]["yield_reason"], "completed");
    let told = server.result(&session).await;
    assert!(told.contains("kept"), "{told}");
}

#[tokio::test]
async fn a_call_that_may_be_retried_runs_again_in_the_restored_sandbox() {
    let server = Server::start();
    let agent = server
        .post(
            "/v3/agents",
            json!({ "name": "again", "model": "test/script", "prompt": "x", "on_interrupt": { "bash": "retry" } }),
        )
        .await;
    let steps = json!([bash("sleep 1; echo done"), { "say": "{{last_result}}" }]);
    let session = server
        .session(agent["id"].as_str().unwrap(), &script(steps))
        .await;
    server.until(&session, is("tool.call")).await;
    server.sandbox_runs(&session).await;
    server.kill_sandboxes();
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed");
    assert!(server.result(&session).await.contains("done"));
    let events = server.events(&session).await;
    assert!(!events.iter().any(is("tool.indeterminate")), "{events:#?}");
}

#[tokio::test]
async fn a_damaged_checkpoint_is_passed_over_for_an_older_one_and_that_is_said() {
    let mut server = Server::with(&[("OC_IDLE_TIMEOUT_SECONDS", "1")]);
    let session = server.play(says("echo one > note; echo ok")).await;
    server.until(&session, is("sandbox.hibernated")).await;
    let older = server.blobs();
    next(&server, &session, 2, "echo two > note; echo ok").await;
    let mut stream = server.follow(&session, 0).await;
    for _ in 0..2 {
        stream.until(is("sandbox.hibernated")).await;
    }
    server.kill9();
    let newer: Vec<_> = server
        .blobs()
        .into_iter()
        .filter(|blob| !older.contains(blob))
        .collect();
    assert!(!newer.is_empty());
    for blob in newer {
        std::fs::write(blob, b"damage").unwrap();
    }
    server.launch();
    let told = next(&server, &session, 3, "cat note").await;
    assert!(told.contains("one"), "{told}");
    let mut stream = server.follow(&session, 0).await;
    stream.until(is("sandbox.restored")).await;
    let back = stream.until(is("sandbox.restored")).await;
    assert_eq!(
        back["body"]["skipped"].as_array().unwrap().len(),
        1,
        "{back}"
    );
}

/// Content that is the same each time, and much of it even when it is packed.
const DATA: &str = "seq 1 200000 | awk '{ print ($1 * 7919) % 104729 }' > data; sum data";

/// Ends the server and puts rubbish into all blobs that are larger than that and not
/// among these.
fn spoil(server: &mut Server, larger: u64, not: &[PathBuf]) {
    server.kill9();
    let blobs = server.blobs().into_iter();
    let large = |blob: &PathBuf| blob.metadata().unwrap().len() > larger;
    let bad: Vec<_> = blobs.filter(|b| large(b) && !not.contains(b)).collect();
    assert!(!bad.is_empty());
    for blob in bad {
        std::fs::write(blob, b"damage").unwrap();
    }
    server.launch();
}

#[tokio::test]
async fn work_that_is_done_again_after_damage_is_kept_and_not_taken_for_what_is_damaged() {
    let mut server = Server::with(&[("OC_IDLE_TIMEOUT_SECONDS", "1")]);
    let session = server.play(says("echo one > note; echo ok")).await;
    server.until(&session, is("sandbox.hibernated")).await;
    let older = server.blobs();
    let sum = next(&server, &session, 2, DATA).await;
    let sum = sum.lines().last().unwrap().to_owned();
    let mut stream = server.follow(&session, 0).await;
    for _ in 0..2 {
        stream.until(is("sandbox.hibernated")).await;
    }
    // What says which files there are is small.
    spoil(&mut server, 50_000, &older);
    let told = next(&server, &session, 3, &format!("ls; {DATA}")).await;
    assert!(told.contains(&sum) && told.contains("note\n"), "{told}");
    let mut stream = server.follow(&session, 0).await;
    for _ in 0..3 {
        stream.until(is("sandbox.hibernated")).await;
    }
    let told = next(&server, &session, 4, "cat note; sum data").await;
    assert!(told.contains(&format!("one\n{sum}")), "{told}");
    assert!(told.contains("woken"), "{told}");
    let woken = stream.until(is("sandbox.restored")).await;
    assert_eq!(woken["body"]["skipped"], Value::Null, "{woken}");
    let path = format!("/v3/sessions/{session}/checkpoints");
    let listed = server.get(&path).await["data"].take();
    let damaged = |made: &&Value| made["damaged_at"].is_string();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.iter().filter(damaged).count(), 1, "{listed:#?}");
    assert!(!damaged(&&listed[0]), "{listed:#?}");
}

#[tokio::test]
async fn a_session_whose_files_are_all_damaged_says_so_and_goes_on_without_them() {
    let mut server = Server::with(&[("OC_IDLE_TIMEOUT_SECONDS", "1")]);
    let session = server.play(says("echo one > note; echo ok")).await;
    server.until(&session, is("sandbox.hibernated")).await;
    spoil(&mut server, 0, &[]);
    let told = next(&server, &session, 2, "ls -A; echo two > next").await;
    assert!(told.contains("are damaged and cannot be read"), "{told}");
    assert!(!told.contains("note"), "{told}");
    let back = server.until(&session, is("sandbox.restored")).await;
    assert_eq!(back["body"]["checkpoint_id"], Value::Null, "{back}");
    let skipped = back["body"]["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 1, "{back}");
    // From here on it is a session like any other.
    let mut stream = server.follow(&session, back["seq"].as_u64().unwrap()).await;
    stream.until(is("sandbox.hibernated")).await;
    let told = next(&server, &session, 3, "cat next").await;
    assert!(told.contains("two") && told.contains("woken"), "{told}");
}

#[tokio::test]
async fn the_files_of_an_archived_session_s_sandbox_are_not_kept_running() {
    let server = Server::start();
    let session = server.play(says("echo ok")).await;
    server.turn_end(&session, 1).await;
    let path = format!("/v3/sessions/{session}/archive");
    server.post(&path, json!({})).await;
    server.sandbox_gone(&session).await;
}
