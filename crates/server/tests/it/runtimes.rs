//! Sessions of other people's programs, in real brain sandboxes.

use serde_json::{Value, json};

use crate::harness::{Server, is, script};

/// A server that knows the example in Python.
fn server() -> Server {
    let data = tempfile::tempdir().unwrap();
    let place = data.path().join("runtimes");
    let server = Server::on(data, &[("OC_RUNTIMES", place.to_str().unwrap())]);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/brain-python");
    let added = std::process::Command::new(Server::program())
        .stdout(std::process::Stdio::null())
        .args([
            "runtime",
            "add",
            "snake",
            "--dir",
            example,
            "--command",
            "python3 brain.py",
        ])
        .arg("--runtimes")
        .arg(place)
        .status();
    assert!(added.unwrap().success());
    server
}

async fn agent(server: &Server) -> String {
    let wanted = json!({ "name": "a", "model": "test/script", "prompt": "p", "runtime": "snake" });
    let made = server.post("/v3/agents", wanted).await;
    made["id"].as_str().unwrap().to_owned()
}

fn bash(command: &str) -> Value {
    json!({ "call": [{ "tool": "bash", "args": { "command": command } }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_ones_own_runs_a_session() {
    let server = server();
    let agent = agent(&server).await;
    let play = script(
        json!([bash("echo one >> log"), bash("cat log"), { "say": "it says {{last_result}}" }]),
    );
    let session = server.session(&agent, &play).await;
    server.turn_end(&session, 1).await;
    assert!(server.result(&session).await.contains("one"));
    server
        .say(&session, &script(json!([{ "say": "again" }])))
        .await;
    server.turn_end(&session, 2).await;
    assert_eq!(server.result(&session).await, "again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_its_turn_runs_nothing_twice() {
    let mut server = server();
    let agent = agent(&server).await;
    let play = script(json!([
        bash("echo once >> log"),
        bash("echo begun; sleep 4; wc -l < log"),
        { "say": "lines: {{last_result}}" },
    ]));
    let session = server.session(&agent, &play).await;
    let second = |event: &Value| {
        let summary = event["body"]["args_summary"].as_str().unwrap_or_default();
        event["type"] == "tool.call" && summary.starts_with("echo begun")
    };
    server.until(&session, second).await;
    server.kill9();
    server.launch();
    server.turn_end(&session, 1).await;
    let events = server.events(&session).await;
    let done = events.iter().filter(|event| is("exec.completed")(event));
    assert_eq!(done.count(), 2, "one receipt for each: {events:#?}");
    let result = server.result(&session).await;
    assert!(
        result.starts_with("lines: ") && result.ends_with("begun\n1"),
        "{result}"
    );
}
