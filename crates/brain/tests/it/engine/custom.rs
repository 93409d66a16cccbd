//! Programs of users' own, as real processes.

use std::io::Write;

use brain::ErrorKind;
use serde_json::{Value, json};
use session::{Item, Stop};
use tempfile::NamedTempFile;

use crate::suite::table::{Table, call};

/// The example that everybody may copy.
const EXAMPLE: &str = "brain-python";
const MODEL: &str = "test/script";

async fn table() -> Table {
    Table::engine(EXAMPLE, MODEL).await
}

/// A program of which only the turn is written out: `turn(asked, rpc, model)`
/// returns how it ends.
fn written(turn: &str) -> NamedTempFile {
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/brain-python/brain.py"
    );
    let example = std::fs::read_to_string(example).unwrap();
    let (before, rest) = example.split_once("def turn(").unwrap();
    let (_, after) = rest.split_once("class Brain(").unwrap();
    let mut file = NamedTempFile::with_suffix(".py").unwrap();
    let rpc = "    rpc = lambda method, **params: post(asked[\"config\"][\"mcp_endpoint\"], {\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": method, \"params\": params})[\"result\"]";
    let call = "    call = lambda tool, **args: rpc(\"tools/call\", name=tool, arguments=args)";
    let turn: String = turn.lines().map(|line| format!("    {line}\n")).collect();
    write!(
        file,
        "{before}def turn(asked, tell):\n{rpc}\n{call}\n{turn}\nclass Brain({after}"
    )
    .unwrap();
    file
}

async fn playing(program: &NamedTempFile) -> Table {
    Table::engine(program.path().to_str().unwrap(), MODEL).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_thinks_and_acts() {
    let mut table = table().await;
    table.play(
        json!([{ "call": [call("ls"), call("pwd")] }, { "say": "{{results}}: {{last_result}}" }]),
    );
    let reply = table.think().await;
    assert_eq!(
        (reply.calls.len(), reply.stop),
        (1, Stop::ToolUse),
        "one by one"
    );
    assert_eq!(reply.calls[0].input, json!({ "command": "ls" }));
    assert_eq!(
        reply.usage.unwrap().total(),
        20,
        "of what went through the door"
    );
    table.result(0, "a file");
    let second = table.think().await;
    assert_eq!(second.calls[0].input, json!({ "command": "pwd" }));
    assert_ne!(second.calls[0].id, reply.calls[0].id);
    assert_eq!(second.usage.unwrap().total(), 0, "no model was asked");
    table.result(0, "here");
    assert_eq!(table.rest().await, "2: here");
    table.play(json!([{ "say": "again" }]));
    assert_eq!(table.rest().await, "again");
    assert_eq!(table.stage().starts(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_dies_is_given_its_turn_again_and_nothing_runs_twice() {
    let mut table = table().await;
    table.play(json!([{ "call": [call("one")] }, { "call": [call("two")] }, { "call": [call("three")] }, { "say": "{{results}}" }]));
    for command in ["one", "two"] {
        let reply = table.think().await;
        assert_eq!(reply.calls[0].input["command"], command);
        table.result(0, command);
        table.stage().kill();
    }
    let reply = table.think().await;
    assert_eq!(reply.calls[0].input["command"], "three");
    table.result(0, "three");
    assert_eq!(table.rest().await, "3");
    assert_eq!(table.stage().starts(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_is_told_what_was_said_before() {
    let program = written(
        "tell(\"x\", \"y\"); said = asked[\"history\"]; call(\"say\", text=json.dumps([asked[\"input\"], said, asked[\"config\"][\"resume\"]])); return \"quiescent\"",
    );
    let mut table = playing(&program).await;
    let said = |reply: &session::Reply| -> Value {
        serde_json::from_str(reply.calls[0].input["text"].as_str().unwrap()).unwrap()
    };
    for resume in [false, true] {
        table.say("hello");
        let reply = table.think().await;
        assert_eq!(said(&reply)[2], resume);
        table.result(0, "said");
        assert_eq!(table.rest().await, "", "what it said was said");
    }
    table.stage().kill();
    table.say("again");
    let heard = said(&*table.think().await);
    assert_eq!(heard[0], json!([{ "role": "user", "content": "again" }]));
    assert_eq!(heard[1][0], json!({ "role": "user", "content": "hello" }));
    assert_eq!(heard[1].as_array().unwrap().len(), 4);
    assert_eq!(heard[2], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_ends_the_turn_and_its_answer_begins_one() {
    let mut table = table().await;
    table.play(json!([{ "call": [{ "tool": "ask", "args": { "text": "which?" } }] }, { "say": "then {{last_user}}" }]));
    let reply = table.think().await;
    assert_eq!(
        (reply.calls[0].tool.as_str(), reply.calls.len()),
        ("ask", 1)
    );
    table.result(0, "asked");
    table.say("that one");
    assert_eq!(table.rest().await, "then that one");
    assert_eq!(table.stage().starts(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_user_says_meanwhile_comes_with_the_result() {
    let program = written(
        "call(\"say\", text=json.dumps(call(\"bash\", command=\"a\")[\"content\"])); return \"quiescent\"",
    );
    let mut table = playing(&program).await;
    table.say("go");
    table.think().await;
    table.result(0, "worked");
    table.say("faster");
    for again in [false, true] {
        let reply = table.think().await;
        let heard = reply.calls[0].input["text"].as_str().unwrap();
        assert!(
            heard.contains("worked") && heard.contains("meanwhile: faster"),
            "{heard}"
        );
        if !again {
            table.back_to(table.items.len() - 1);
            table.stage().engines.end("session_1");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_side_by_side_are_carried_out_in_order() {
    let program = written(
        "heard = []\nwork = lambda n: heard.append(call(\"bash\", command=str(n))[\"content\"][0][\"text\"])\nthreads = [threading.Thread(target=work, args=(n,)) for n in range(3)]\n[one.start() for one in threads]; [one.join() for one in threads]\ncall(\"say\", text=\" \".join(sorted(heard)))\nreturn \"quiescent\"",
    );
    let mut table = playing(&program).await;
    table.say("go");
    for _ in 0..3 {
        let reply = table.think().await;
        let command = reply.calls[0].input["command"].as_str().unwrap().to_owned();
        table.result(0, &format!("did{command}"));
    }
    assert_eq!(table.think().await.calls[0].input["text"], "did0 did1 did2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_fails_says_why() {
    for (turn, words) in [
        ("raise RuntimeError(\"no idea\")", "no idea"),
        ("os._exit(3)", "it ended"),
        ("tell(\"done\", None)\nreturn \"quiescent\"", ""),
    ] {
        let program = written(turn);
        let mut table = playing(&program).await;
        table.say("go");
        let (thought, _) = table.try_think(table.ask()).await;
        match words {
            "" => assert_eq!(thought.unwrap().text, ""),
            words => {
                let error = thought.unwrap_err();
                assert!(error.message.contains(words), "{error}");
            }
        }
    }
    let mut table = Table::engine("/nonexistent.py", MODEL).await;
    table.say("go");
    let error = table.try_think(table.ask()).await.0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Broken);
    assert!(
        error.message.contains("nonexistent"),
        "its own words: {error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_fails_fails_the_turn() {
    let mut table = table().await;
    table.play(json!([{ "fail": 400 }]));
    let error = table.try_think(table.ask()).await.0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    table.back_to(0);
    table.say("hello");
    assert_eq!(
        table.rest().await,
        "You said: hello",
        "another process goes on"
    );
    assert_eq!(table.stage().starts(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_is_limited_asks_no_more_than_it_may() {
    let ask = "ask = lambda: post(os.environ[\"ANTHROPIC_BASE_URL\"] + \"/v1/messages\", {\"model\": \"other\", \"max_tokens\": 99, \"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}, **{\"x-api-key\": os.environ[\"ANTHROPIC_API_KEY\"], \"anthropic-version\": \"2023-06-01\"})";
    let program = written(&format!(
        "{ask}\nfirst = ask()\ntry: ask()\nexcept Exception as error: return call(\"say\", text=first[\"model\"] + \" \" + str(error)) and \"quiescent\""
    ));
    let mut table = playing(&program).await;
    table.say("go");
    let mut ask = table.ask();
    (ask.metered, ask.max_tokens) = (true, 10);
    let reply = table.try_think(ask).await.0.unwrap();
    let heard = reply.calls[0].input["text"].as_str().unwrap();
    assert!(heard.starts_with("script HTTP Error 429"), "{heard}");
    assert_eq!(reply.usage.unwrap().output, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_summary_is_asked_of_the_plain_model_and_begins_anew() {
    let mut table = table().await;
    table.say("hello");
    table.rest().await;
    table.compact().await;
    table.say("after");
    assert_eq!(table.rest().await, "You said: after");
    assert_eq!(table.stage().starts(), 2);
    assert!(matches!(table.items.first(), Some(Item::Summary { .. })));
}
