//! Commands that wait for a turn end with a number that says how it went, and show
//! what was said whole, however long it is.

use serde_json::{Value, json};

use super::{Run, error, oc};
use crate::harness::{Server, script};

/// A turn that is begun and watched to its end.
fn watched(server: &Server, steps: &Value, more: &[&str]) -> Run {
    let play = script(steps.clone());
    let create = [
        "session", "create", "--agent", "player", "--input", &play, "--follow",
    ];
    oc(server, &[&create[..], more].concat())
}

fn bash(command: &str) -> Value {
    json!({ "call": [{ "tool": "bash", "args": { "command": command } }] })
}

/// The newest session.
async fn newest(server: &Server) -> String {
    let page = server.get("/v3/sessions?limit=1").await;
    page["data"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_ends_as_the_turn_did() {
    let server = Server::start();
    server.agent("player", "test/script").await;
    let question = json!([{ "call": [{ "tool": "ask", "args": { "question": "which?" } }] }]);
    let table: [(Value, &[&str], i32, &str); 5] = [
        (json!([{ "say": "fine" }]), &[], 0, "completed"),
        (json!([{ "fail": 400, "times": -1 }]), &[], 6, "error"),
        (json!([{ "say": "no", "stop": "refusal" }]), &[], 6, "error"),
        (
            json!([bash("true"), { "say": "never" }]),
            &["--steps", "1"],
            7,
            "max_turns",
        ),
        (question, &[], 9, "needs_input"),
    ];
    for (steps, more, code, reason) in table {
        let run = watched(&server, &steps, more);
        assert_eq!(run.code, code, "{reason}: {run:?}");
        let id = newest(&server).await;
        let told = run.err.replace(&format!("Session {id}\n"), "");
        assert_eq!(told, "", "its lines say it already");

        let json = watched(&server, &steps, &[more, &["--json"]].concat());
        assert_eq!(json.code, code, "{json:?}");
        if code != 0 {
            let error: Value = serde_json::from_str(&json.err).unwrap();
            assert_eq!(
                (&error["yield_reason"], &error["code"]),
                (&json!(reason), &json!(code))
            );
        }
        let result = oc(&server, &["session", "result", &id]);
        assert_eq!(result.code, code, "{result:?}");
        assert_eq!(result.err.contains("error: the turn"), code != 0);
        server
            .post(&format!("/v3/sessions/{id}/archive"), json!({}))
            .await;
        let logs = oc(&server, &["session", "logs", &id, "--follow"]);
        assert_eq!(logs.code, code, "{logs:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_steered_or_stopped_says_so_once() {
    let server = Server::start();
    let id = server.play(json!([{ "say": "one" }])).await;
    server.turn_end(&id, 1).await;
    let failing = script(json!([{ "fail": "spend", "times": -1 }]));
    let steered = oc(&server, &["session", "steer", &id, &failing, "--follow"]);
    assert_eq!(steered.code, 6, "{steered:?}");
    let why = server.turn_end(&id, 2).await;
    let why = why["body"]["error"]["message"].as_str().unwrap();
    assert_eq!(steered.out.matches(why).count(), 1, "{steered:?}");

    let play = script(json!([bash("echo begun; sleep 600")]));
    server.say(&id, &play).await;
    server.until(&id, crate::harness::is("tool.call")).await;
    oc(&server, &["session", "cancel", &id]).well();
    server.turn_end(&id, 3).await;
    let result = oc(&server, &["session", "result", &id]);
    assert_eq!((result.code, result.out.as_str()), (8, ""), "{result:?}");
    let logs = oc(&server, &["session", "logs", &id]).well().out;
    assert!(!logs.contains("killed:"), "{logs}");
    assert!(!logs.contains("[stopped"), "{logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_not_there_yet_is_no_success() {
    let server = Server::start();
    let id = server
        .play(json!([{ "delay_ms": 600_000, "say": "late" }]))
        .await;
    server.until(&id, crate::harness::is("turn.started")).await;
    let early = oc(&server, &["session", "result", &id]);
    assert_eq!((early.code, early.out.as_str()), (1, ""));
    assert!(early.err.contains("still running"), "{early:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_shown_whole() {
    let server = Server::start();
    server.agent("player", "test/script").await;
    let long = (0..8_000).map(|n| format!("{n}\n")).collect::<String>();
    let run = watched(&server, &json!([{ "say": long }]), &[]).well();
    let id = newest(&server).await;
    let wire = server.get(&format!("/v3/sessions/{id}/result")).await;
    assert_eq!(
        wire["result"]["body_truncated"], true,
        "long enough to be cut"
    );

    let result = oc(&server, &["session", "result", &id]).well().out;
    assert_eq!(result.trim(), long.trim());
    let logs = oc(&server, &["session", "logs", &id]).well().out;
    for shown in [run.out, logs] {
        assert!(shown.contains("7999\n"), "{}", &shown[shown.len() - 400..]);
    }
    let json = oc(&server, &["session", "result", &id, "--json"]).json();
    assert_eq!(json, wire, "programs get what is on the wire");
}

#[test]
fn a_wrong_command_line_is_told_whole_to_programs_too() {
    let run = |arguments: &[&str]| {
        let mut command = super::bare(arguments);
        // What is set in the environment is not what the user must give.
        command.env("OPENCOMPUTER_API_URL", "http://127.0.0.1:9");
        command.env("OPENCOMPUTER_API_KEY", crate::harness::KEY);
        Run::of(command.output().unwrap())
    };
    let table: [(&[&str], &[&str]); 2] = [
        (
            &["agent", "create"],
            &["--prompt <PROMPT>", "--model <MODEL>", "<NAME>", "Usage:"],
        ),
        (
            &["session", "list", "--status", "foo"],
            &["foo", "awaiting_input", "archived"],
        ),
    ];
    for (arguments, parts) in table {
        let plain = run(arguments);
        let json = run(&[arguments, &["--json"]].concat());
        let message = error(&json)["error"].as_str().unwrap().to_owned();
        assert_eq!((plain.code, json.code), (2, 2));
        for part in parts {
            assert!(message.contains(part), "{part}: {message}");
            assert!(plain.err.contains(part), "{part}: {plain:?}");
        }
        assert!(!plain.err.contains("--api-key"), "{plain:?}");
    }
    let help = run(&[]);
    assert_eq!(help.code, 2);
    assert!(help.err.contains("Usage: oc"), "{help:?}");
}
