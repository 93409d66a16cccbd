//! What a turn does, seen from outside: the quickstart, the tools, questions,
//! failures of the model, limits.

use serde_json::{Value, json};

use crate::harness::{Server, each_runtime, is, script};

each_runtime!(
    the_quickstart_runs_a_script_and_reports_what_it_really_printed,
    a_question_ends_the_turn_and_the_answer_begins_the_next,
    a_model_that_fails_for_good_ends_the_turn_with_words_and_the_session_goes_on,
    limits_end_turns_with_their_own_reasons,
    hostile_output_is_capped_kept_and_told,
    a_conversation_near_its_window_is_summarised_and_goes_on,
    a_full_window_leads_to_a_summary_and_the_turn_goes_on,
);

fn bash(command: &str) -> Value {
    json!({ "call": [{ "tool": "bash", "args": { "command": command } }] })
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|e| e["type"].as_str()).collect()
}

async fn the_quickstart_runs_a_script_and_reports_what_it_really_printed(runtime: &'static str) {
    let server = Server::of(runtime);
    let agent = server.agent("quickstart", "test/demo").await;
    let session = server.session(&agent, "Print the first 20 primes.").await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    let result = server.result(&session).await;
    assert!(result.contains("71"), "the 20th prime is 71: {result}");
    let events = server.events(&session).await;
    for kind in [
        "user.message",
        "turn.started",
        "tool.call",
        "exec.completed",
        "agent.message",
    ] {
        assert!(kinds(&events).contains(&kind), "{kind} is missing");
    }
    let seqs: Vec<_> = events.iter().filter_map(|e| e["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn files_stay_between_calls_and_turns_and_variables_do_not() {
    let server = Server::start();
    let session = server
        .play(json!([
            { "call": [
                { "tool": "bash", "args": { "command": "export SEEN=1; echo one > a.txt; pwd" } },
                { "tool": "bash", "args": { "command": "echo \"${SEEN:-unset}\"; cat a.txt" } }
            ] },
            { "say": "{{last_result}}" }
        ]))
        .await;
    server.turn_end(&session, 1).await;
    assert_eq!(server.result(&session).await, "unset\none");
    server
        .say(
            &session,
            &script(json!([bash("cat a.txt"), { "say": "{{last_result}}" }])),
        )
        .await;
    server.turn_end(&session, 2).await;
    assert_eq!(server.result(&session).await, "one");
}

#[tokio::test]
async fn every_file_tool_does_what_its_words_say() {
    let server = Server::start();
    let session = server
        .play(json!([
            { "call": [
                { "tool": "write", "args": { "path": "src/a.rs", "content": "fn one() {}\nfn two() {}\n" } },
                { "tool": "edit", "args": { "path": "src/a.rs", "old": "two", "new": "three" } },
                { "tool": "read", "args": { "path": "src/a.rs", "offset": 2 } },
                { "tool": "ls", "args": { "path": "src" } },
                { "tool": "grep", "args": { "pattern": "fn t\\w+" } },
                { "tool": "glob", "args": { "pattern": "**/*.rs" } },
                { "tool": "read", "args": { "path": "missing.txt" } },
                { "tool": "edit", "args": { "path": "src/a.rs", "old": "fn", "new": "pub fn" } },
                { "tool": "nosuch", "args": {} },
                { "tool": "bash", "args": { "cmd": "ls" } }
            ] },
            { "say": "done" }
        ]))
        .await;
    server.turn_end(&session, 1).await;
    let events = server.events(&session).await;
    let told: Vec<_> = events
        .iter()
        .filter(|e| e["type"] == "tool.result" || e["type"] == "exec.completed")
        .map(|e| {
            (
                e["body"]["is_error"].as_bool().unwrap(),
                e["body"]["output"].as_str().unwrap(),
            )
        })
        .collect();
    let expected: [(bool, &str); 10] = [
        (false, "Wrote src/a.rs (24 bytes)"),
        (false, "1 place"),
        (false, "2\tfn three() {}"),
        (false, "a.rs (26 bytes)"),
        (false, "a.rs:2: fn three() {}"),
        (false, "a.rs"),
        (true, "missing.txt"),
        (true, "src/a.rs"),
        (true, "There is no tool `nosuch`"),
        (true, "missing field `command`"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for ((failed, text), (should, words)) in told.iter().zip(expected) {
        assert_eq!(
            (*failed, text.contains(words)),
            (should, true),
            "{text} / {words}"
        );
    }
}

async fn a_question_ends_the_turn_and_the_answer_begins_the_next(runtime: &'static str) {
    let server = Server::of(runtime);
    let session = server
        .play(json!([
            { "call": [{ "tool": "ask", "args": { "text": "Which colour?" } }] },
            { "say": "You chose {{last_user}}." }
        ]))
        .await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "needs_input");
    let row = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(row["status"], "awaiting_input");
    assert_eq!(server.result(&session).await, "Which colour?");
    server.say(&session, "blue").await;
    server.turn_end(&session, 2).await;
    let messages = server
        .get(&format!("/v3/sessions/{session}/messages"))
        .await;
    assert!(messages.to_string().contains("blue"));
}

#[tokio::test]
async fn the_last_say_is_the_result_even_if_text_follows() {
    let server = Server::start();
    let session = server
        .play(json!([
            { "call": [{ "tool": "say", "args": { "text": "first" } }, { "tool": "say", "args": { "text": "second" } }] },
            { "say": "and that is all" }
        ]))
        .await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(server.result(&session).await, "second");
    let said = server
        .until(&session, |e| e["body"]["text"] == "second")
        .await;
    assert_eq!(end["body"]["result_event_id"], said["id"]);
    let last = server
        .until(&session, |e| e["body"]["text"] == "and that is all")
        .await;
    assert_eq!(last["level"], "progress");
}

async fn a_model_that_fails_for_good_ends_the_turn_with_words_and_the_session_goes_on(
    runtime: &'static str,
) {
    let mut server = Server::with(&[("OC_MODEL_ATTEMPTS", "2")]);
    server.think_in(runtime);
    for (fail, code) in [(json!("spend"), "spend_limit"), (json!(400), "bad_request")] {
        let steps = json!([{ "fail": fail, "times": -1 }]);
        let session = server.play(steps).await;
        let error = server.until(&session, is("error.model")).await;
        assert_eq!(error["body"]["code"], code, "{error}");
        let end = server.turn_end(&session, 1).await;
        assert_eq!(end["body"]["yield_reason"], "error");
        let row = server.get(&format!("/v3/sessions/{session}")).await;
        assert_eq!(row["status"], "idle");
        server
            .say(&session, &script(json!([{ "say": "well again" }])))
            .await;
        server.turn_end(&session, 2).await;
        assert_eq!(server.result(&session).await, "well again");
    }
}

async fn limits_end_turns_with_their_own_reasons(runtime: &'static str) {
    let server = Server::of(runtime);
    let agent = server.agent("limited", "test/script").await;
    let start = async |limits: Value, steps: Value| {
        let body = json!({ "agent": agent, "input": script(steps), "limits": limits });
        let started = server.post("/v3/sessions", body).await;
        started["session"]["id"].as_str().unwrap().to_owned()
    };
    let endless = json!([{ "call": [{ "tool": "bash", "args": { "command": "true" } }], "tokens": { "in": 40, "out": 20 } },
        { "call": [{ "tool": "bash", "args": { "command": "true" } }], "tokens": { "in": 40, "out": 20 } }, { "say": "never" }]);
    let spent = start(json!({ "tokens": 100 }), endless).await;
    assert_eq!(
        server.turn_end(&spent, 1).await["body"]["yield_reason"],
        "budget_exceeded"
    );
    let slow = json!([{ "call": [{ "tool": "bash", "args": { "command": "sleep 600" } }] }]);
    // An engine has to start first.
    let seconds = if runtime == "native" { 1 } else { 10 };
    let late = start(json!({ "turn_seconds": seconds }), slow).await;
    assert_eq!(
        server.turn_end(&late, 1).await["body"]["yield_reason"],
        "deadline_exceeded"
    );
    let killed = server.until(&late, is("exec.completed")).await;
    assert_eq!(killed["body"]["outcome"], "killed", "{killed}");
    let once = start(json!({ "turns": 1 }), json!([{ "say": "one" }])).await;
    assert_eq!(
        server.turn_end(&once, 1).await["body"]["yield_reason"],
        "completed"
    );
    server.say(&once, "again").await;
    assert_eq!(
        server.turn_end(&once, 2).await["body"]["yield_reason"],
        "max_turns"
    );
}

async fn hostile_output_is_capped_kept_and_told(runtime: &'static str) {
    let server = Server::of(runtime);
    let session = server
        .play(json!([
            bash("printf 'a\\377b'"),
            bash("yes 0123456789abcdef | head -c 300000"),
            bash("head -c 1073741824 /dev/zero | tr '\\0' x"),
            { "say": "alive" }
        ]))
        .await;
    server.turn_end(&session, 1).await;
    assert_eq!(server.result(&session).await, "alive");
    let events = server.events(&session).await;
    let done: Vec<_> = events
        .iter()
        .filter(|e| e["type"] == "exec.completed")
        .collect();
    assert_eq!(done[0]["body"]["output"], "a\u{fffd}b");
    assert_eq!(done[1]["body"]["bytes"], 300_000);
    assert_eq!(done[2]["body"]["bytes"], 1_073_741_824);
    assert!(done[1]["content_ref"].is_string(), "{}", done[1]);
    let id = done[1]["id"].as_str().unwrap();
    let path = format!("/v3/sessions/{session}/events/{id}/content");
    let (status, whole) = server.send(reqwest::Method::GET, &path, None).await;
    assert!(status.is_success());
    assert_eq!(whole.as_str().unwrap().len(), 300_000);
}

async fn a_conversation_near_its_window_is_summarised_and_goes_on(runtime: &'static str) {
    let mut server = Server::with(&[("OC_CONTEXT_WINDOW", "1000")]);
    server.think_in(runtime);
    let session = server
        .play(json!([
            { "call": [{ "tool": "bash", "args": { "command": "echo kept > f" } }], "tokens": { "in": 850, "out": 10 } },
            { "call": [{ "tool": "bash", "args": { "command": "cat f" } }] },
            { "say": "found {{last_result}}" }
        ]))
        .await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    assert_eq!(server.result(&session).await, "found kept");
    let events = server.events(&session).await;
    assert_eq!(
        kinds(&events)
            .iter()
            .filter(|k| **k == "context.compacted")
            .count(),
        1
    );
}

async fn a_full_window_leads_to_a_summary_and_the_turn_goes_on(runtime: &'static str) {
    let server = Server::of(runtime);
    let session = server
        .play(json!([
            bash("echo one"),
            { "fail": "context", "times": 1, "say": "after {{results}}" },
            { "say": "never" }
        ]))
        .await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    let events = server.events(&session).await;
    let compacted = |e: &&Value| e["type"] == "context.compacted";
    assert_eq!(events.iter().filter(compacted).count(), 1, "{events:#?}");
    // The results went into the summary; the script goes on where it was.
    assert_eq!(server.result(&session).await, "after 0");
    // The refused question cost nothing: two answers and a summary did.
    let row = server.get(&format!("/v3/sessions/{session}")).await;
    assert_eq!(row["usage"]["input_tokens"], 30, "{row}");
}

#[tokio::test]
async fn an_input_that_never_fits_is_told_as_such() {
    let server = Server::start();
    let session = server
        .play(json!([{ "fail": "context", "times": -1 }]))
        .await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["error"]["code"], "context_full", "{end}");
}
