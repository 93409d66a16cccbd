//! Sessions whose brain is a vendor's engine in a sandbox of its own: by the
//! same rules as any other, and beside the native loop in each play.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, is, runtimes, script};

/// The runtimes that think, native first.
const RUNTIMES: [&str; 3] = ["native", "claude", "codex"];

fn server() -> Server {
    with(&[])
}

fn with(env: &[(&str, &str)]) -> Server {
    for engine in &RUNTIMES[1..] {
        let there = runtimes().join(engine).join("current").exists();
        assert!(there, "no {engine}: run scripts/install-test-deps");
    }
    let mut all = vec![("OC_LEASE_SECONDS", "2")];
    all.extend(env);
    Server::with(&all)
}

/// A session of an agent of that runtime, and what it is told first.
async fn play(server: &Server, runtime: &str, steps: Value) -> String {
    start(server, runtime, json!({ "input": script(steps) })).await
}

async fn start(server: &Server, runtime: &str, mut body: Value) -> String {
    let agent = json!({ "name": format!("by-{runtime}"), "model": "test/script", "runtime": runtime, "prompt": "Play." });
    body["agent"] = server.post("/v3/agents", agent).await["id"].clone();
    let started = server.post("/v3/sessions", body).await;
    started["session"]["id"].as_str().unwrap().to_owned()
}

fn bash(command: &str) -> Value {
    json!({ "call": [{ "tool": "bash", "args": { "command": command } }] })
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["type"] == kind).count()
}

/// What a log tells of the conversation: the words, the calls and how they came
/// out, and the tokens.
fn told(events: &[Value]) -> Vec<Value> {
    let show = |event: &Value| {
        let body = &event["body"];
        let fields: &[&str] = match event["type"].as_str()? {
            "user.message" | "agent.message" => &["text"],
            "tool.call" => &["tool", "args_summary"],
            "exec.completed" => &["output", "exit_code", "outcome"],
            "model.completed" => &["stop_reason", "tool_calls", "usage"],
            "turn.completed" => &["yield_reason", "outcome"],
            "turn.started" | "turn.failed" | "input.requested" => &[],
            _ => return None,
        };
        let shown = fields.iter().map(|field| body[*field].clone());
        Some(json!([event["type"], shown.collect::<Vec<_>>()]))
    };
    events.iter().filter_map(show).collect()
}

#[tokio::test]
async fn a_session_goes_the_same_way_whoever_thinks() {
    let server = server();
    let mut logs = Vec::new();
    for runtime in RUNTIMES {
        let steps = json!([
            { "say": "to work", "call": [
                { "tool": "write", "args": { "path": "a", "content": "one\n" } },
                { "tool": "bash", "args": { "command": "cat a; exit 3" } },
                { "tool": "nonsense", "args": {} } ] },
            { "call": [{ "tool": "say", "args": { "text": "half way" } }] },
            { "call": [{ "tool": "ask", "args": { "text": "which?" } }] },
            { "say": "{{results}} results; you want {{last_user}}" } ]);
        let session = play(&server, runtime, steps).await;
        server.turn_end(&session, 1).await;
        server.say(&session, "/clear").await;
        let end = server.turn_end(&session, 2).await;
        assert_eq!(end["body"]["yield_reason"], "completed", "{runtime}: {end}");
        assert_eq!(server.result(&session).await, "5 results; you want /clear");
        logs.push(told(&server.events(&session).await));
    }
    assert_eq!(logs[0], logs[1], "claude differs");
    assert_eq!(logs[0], logs[2], "codex differs");
}

#[tokio::test]
async fn a_cancel_cuts_an_engine_that_waits_for_its_model() {
    let server = server();
    for runtime in &RUNTIMES[1..] {
        let session = play(&server, runtime, json!([{ "fail": "hang" }])).await;
        server.until(&session, is("turn.started")).await;
        let path = format!("/v3/sessions/{session}/cancel");
        server.send(Method::POST, &path, None).await;
        let end = server.turn_end(&session, 1).await;
        assert_eq!(end["body"]["yield_reason"], "canceled", "{runtime}");
        let again = script(json!([bash("echo fine"), { "say": "{{last_result}}" }]));
        server.say(&session, &again).await;
        server.turn_end(&session, 2).await;
        assert_eq!(server.result(&session).await, "fine", "{runtime}");
    }
}

#[tokio::test]
async fn a_budget_is_a_budget() {
    let server = server();
    let step = json!({ "call": [{ "tool": "bash", "args": { "command": "true" } }], "tokens": { "in": 40, "out": 20 } });
    for runtime in RUNTIMES {
        let steps = script(json!([step, step, { "say": "never" }]));
        let body = json!({ "input": steps, "limits": { "tokens": 100 } });
        let session = start(&server, runtime, body).await;
        let end = server.turn_end(&session, 1).await;
        assert_eq!(
            end["body"]["yield_reason"], "budget_exceeded",
            "{runtime}: {end}"
        );
        let row = server.get(&format!("/v3/sessions/{session}")).await;
        let tokens = row["usage"]["tokens"].as_u64().unwrap();
        assert!((60..=100).contains(&tokens), "{runtime}: {row}");
    }
}

#[tokio::test]
async fn a_fork_of_an_engines_session_goes_its_own_way() {
    let server = server();
    for runtime in &RUNTIMES[1..] {
        let steps =
            json!([bash("echo one > f"), { "say": "{{last_user}}" }, { "say": "{{last_user}}" }]);
        let session = play(&server, runtime, steps).await;
        server.turn_end(&session, 1).await;
        let path = format!("/v3/sessions/{session}/fork");
        let fork = server.post(&path, json!({ "input": "the fork" })).await;
        let fork = fork["session"]["id"].as_str().unwrap().to_owned();
        server.say(&session, "the trunk").await;
        server.turn_end(&fork, 2).await;
        server.turn_end(&session, 2).await;
        assert_eq!(server.result(&fork).await, "the fork", "{runtime}");
        assert_eq!(server.result(&session).await, "the trunk", "{runtime}");
    }
}

/// Two commands that may each run once, a slow answer between them.
fn dangerous() -> Value {
    json!([
        bash("echo begun; sleep 2; echo x >> marks"),
        { "say": "slowly", "chunks": 20, "chunk_ms": 100, "call": [{ "tool": "bash", "args": { "command": "echo x >> marks" } }] },
        bash("wc -l < marks"),
        { "say": "{{last_result}}" }
    ])
}

#[tokio::test]
async fn no_command_runs_twice_through_crashes_of_the_server() {
    for runtime in &RUNTIMES[1..] {
        let mut server = server();
        let session = play(&server, runtime, dangerous()).await;
        // While a command runs, and while the model answers.
        for moment in ["tool.call", "exec.completed"] {
            server.until(&session, is(moment)).await;
            server.kill9();
            server.launch();
        }
        let end = server.turn_end(&session, 1).await;
        assert_eq!(end["body"]["yield_reason"], "completed", "{runtime}: {end}");
        assert_eq!(server.result(&session).await, "2", "{runtime}");
        let events = server.events(&session).await;
        assert_eq!(count(&events, "exec.completed"), 3, "{runtime}");
    }
}

#[tokio::test]
async fn no_command_runs_twice_through_deaths_of_the_engine() {
    let server = server();
    for runtime in &RUNTIMES[1..] {
        let session = play(&server, runtime, dangerous()).await;
        for moment in ["tool.call", "exec.completed"] {
            server.until(&session, is(moment)).await;
            server.kill_engine_of(&session).await;
        }
        let end = server.turn_end(&session, 1).await;
        assert_eq!(end["body"]["yield_reason"], "completed", "{runtime}: {end}");
        assert_eq!(server.result(&session).await, "2", "{runtime}");
    }
}

#[tokio::test]
async fn an_engines_session_goes_on_on_another_machine() {
    for runtime in &RUNTIMES[1..] {
        let mut server = server();
        let session = play(&server, runtime, json!([bash("echo kept > f"), { "say": "one" }, bash("cat f"), { "say": "{{last_result}}" }])).await;
        server.turn_end(&session, 1).await;
        server.until(&session, is("checkpoint.created")).await;
        server.kill9();
        server.kill_sandboxes();
        std::fs::remove_dir_all(server.data.path().join("hands")).unwrap();
        server.launch();
        server.say(&session, "and now").await;
        server.turn_end(&session, 2).await;
        let result = server.result(&session).await;
        assert!(result.ends_with("\nkept"), "{runtime}: {result}");
    }
}
