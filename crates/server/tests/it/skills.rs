//! Skills of sessions: their model is told of them, whoever thinks, and their
//! files are in the sandbox, also in a fork's and after sleep.

use std::io::{BufRead, BufReader, Cursor, Write};
use std::process::{Child, Command, Stdio};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::harness::{KEY, Server, each_runtime, is, script};

each_runtime!(a_session_is_told_of_its_skills_and_finds_them);

/// What its SKILL.md says.
const TRIAGE: &str =
    "---\nname: triage\ndescription: Sorts issues.\n---\nRun bin/sort and do what it says.\n";

/// An archive of these files: path, mode, content.
pub fn archive(files: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, mode, content) in files {
        let options = SimpleFileOptions::default().unix_permissions(*mode);
        zip.start_file(*path, options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An archive of one skill with a program that says this.
pub fn triage(says: &str) -> Vec<u8> {
    archive(&[
        ("triage/SKILL.md", 0o644, TRIAGE),
        (
            "triage/bin/sort",
            0o755,
            &format!("#!/bin/sh\necho {says}\n"),
        ),
    ])
}

/// Gives an agent skills, as that key's owner.
pub async fn put(server: &Server, key: &str, agent: &str, zip: Vec<u8>) -> (StatusCode, Value) {
    let url = server.at(&format!("/v3/agents/{agent}/skills"));
    let request = server.http().put(url).bearer_auth(key);
    let sent = request.header("content-type", "application/zip").body(zip);
    let answer = sent.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// A player with the skill.
async fn player(server: &Server) -> String {
    let agent = server.agent("player", "test/script").await;
    let (status, put) = put(server, KEY, &agent, triage("first")).await;
    assert_eq!(status, StatusCode::OK, "{put}");
    agent
}

/// A model server that shows what it was asked.
struct Rehearsal {
    child: Child,
    url: String,
}

impl Rehearsal {
    fn start() -> Self {
        let mut child = Command::new(Server::program())
            .args(["rehearse", "--listen", "127.0.0.1:0", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        Self {
            child,
            url: told["url"].as_str().unwrap().to_owned(),
        }
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn says(command: &str) -> String {
    let call = json!({ "call": [{ "tool": "bash", "args": { "command": command } }] });
    script(json!([call, { "say": "{{last_result}}" }]))
}

async fn a_session_is_told_of_its_skills_and_finds_them(runtime: &'static str) {
    let rehearsal = Rehearsal::start();
    let url = rehearsal.url.as_str();
    let openai = format!("{url}/v1");
    let server = Server::with(&[
        ("OC_ANTHROPIC_BASE_URL", url),
        ("OC_OPENAI_BASE_URL", &openai),
    ]);
    let model = match runtime {
        "codex" => "openai/gpt-5",
        _ => "anthropic/claude-opus-4-8",
    };
    let body = json!({ "name": "a", "model": model, "runtime": runtime, "prompt": "Play.", "key": "sk-test" });
    let agent = server.post("/v3/agents", body).await;
    let agent = agent["id"].as_str().unwrap();
    put(&server, KEY, agent, triage("found")).await;
    let command = "cd /skills/triage && cat SKILL.md && bin/sort && stat -c %a SKILL.md bin/sort";
    let session = server.session(agent, &says(command)).await;
    server.turn_end(&session, 1).await;
    let want = format!("{TRIAGE}found\n644\n755");
    assert_eq!(server.result(&session).await, want);
    let log = server.http().get(format!("{url}/__log")).send().await;
    let log = log.unwrap().text().await.unwrap();
    let told = "- triage (/skills/triage/SKILL.md): Sorts issues.";
    assert!(log.contains(told), "{log}");
}

#[tokio::test]
async fn skills_sleep_and_are_forked_with_the_other_files_and_stay_what_they_were() {
    let server = Server::with(&[("OC_IDLE_TIMEOUT_SECONDS", "1")]);
    let agent = player(&server).await;
    let add = "echo mine > /skills/triage/note; /skills/triage/bin/sort";
    let session = server.session(&agent, &says(add)).await;
    server.turn_end(&session, 1).await;
    assert_eq!(server.result(&session).await, "first");
    // What the agent is given later is for later sessions.
    put(&server, KEY, &agent, triage("second")).await;
    server.until(&session, is("sandbox.hibernated")).await;
    let look = says("/skills/triage/bin/sort; cat /skills/triage/note");
    server.say(&session, &look).await;
    server.turn_end(&session, 2).await;
    let told = server.result(&session).await;
    assert!(told.ends_with("first\nmine"), "{told}");

    let path = format!("/v3/sessions/{session}/fork");
    let fork = server.post(&path, json!({ "input": look })).await;
    let fork = fork["session"]["id"].as_str().unwrap();
    server.turn_end(fork, 3).await;
    let told = server.result(fork).await;
    assert!(told.ends_with("first\nmine"), "{told}");

    let later = server.session(&agent, &look).await;
    server.turn_end(&later, 1).await;
    let told = server.result(&later).await;
    assert!(
        told.starts_with("second\n") && !told.contains("mine"),
        "{told}"
    );
}

#[tokio::test]
async fn a_sandbox_that_was_lost_before_its_first_checkpoint_has_them_again() {
    let server = Server::start();
    let agent = player(&server).await;
    let session = server.session(&agent, &says("echo begun; sleep 60")).await;
    // Only then do the skills stand there, and what runs is the call.
    server.until(&session, is("sandbox.started")).await;
    server.sandbox_runs(&session).await;
    let look = says("/skills/triage/bin/sort");
    server.kill_sandboxes();
    server.until(&session, is("tool.indeterminate")).await;
    server.turn_end(&session, 1).await;
    server.say(&session, &look).await;
    server.turn_end(&session, 2).await;
    let told = server.result(&session).await;
    assert!(told.ends_with("first"), "{told}");
}

#[tokio::test]
async fn a_session_that_calls_nothing_needs_no_sandbox_for_its_skills() {
    let server = Server::start();
    let agent = player(&server).await;
    let session = server
        .session(&agent, &script(json!([{ "say": "hi" }])))
        .await;
    server.turn_end(&session, 1).await;
    assert!(!server.holds_sandbox(&session));
    let events = server.events(&session).await;
    assert!(!events.iter().any(is("sandbox.started")), "{events:#?}");
}

#[tokio::test]
async fn skills_that_are_damaged_are_said_to_be_and_nothing_runs_without_them() {
    let server = Server::start();
    let agent = player(&server).await;
    let all = server.data.path().join("blobs/skills");
    std::fs::remove_dir_all(all).unwrap();
    let session = server.session(&agent, &says("echo ran")).await;
    server.turn_end(&session, 1).await;
    let told = server.result(&session).await;
    assert!(told.contains("its skills cannot be read"), "{told}");
    assert!(!told.contains("ran"), "{told}");
    // Given again, they are there for that session too.
    let path = format!("/v3/agents/{agent}/skills");
    let (status, _) = server.send(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::OK);
    put(&server, KEY, &agent, triage("first")).await;
    server.say(&session, &says("/skills/triage/bin/sort")).await;
    server.turn_end(&session, 2).await;
    let told = server.result(&session).await;
    assert!(told.ends_with("first"), "{told}");
}
