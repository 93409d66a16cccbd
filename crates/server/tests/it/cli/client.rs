//! Commands that talk to a server: what they print, for people and for
//! programs, and what they end with.

use serde_json::{Value, json};

use super::{Run, bare, error, oc, oc_reads, program};
use crate::harness::{KEY, Server, script};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_made_found_changed_and_deleted() {
    let server = Server::start();
    let create = [
        "agent",
        "create",
        "coder",
        "--model",
        "test/script",
        "--prompt",
        "Be brief.",
        "--turns",
        "9",
        "--json",
    ];
    let made = oc(&server, &create).json();
    assert_eq!(
        (text(&made, "name"), made["limits"]["turns"].as_u64()),
        ("coder", Some(9))
    );
    assert_eq!(
        oc(&server, &create).json()["id"],
        made["id"],
        "the same again is the same agent"
    );

    let id = text(&made, "id");
    for reference in [
        vec!["agent", "get", "coder"],
        vec!["agent", "get", id],
        vec!["agent", "get", "--agent", "coder"],
    ] {
        let arguments = [reference, vec!["--json"]].concat();
        assert_eq!(oc(&server, &arguments).json()["id"], made["id"]);
    }
    let table = oc(&server, &["agent", "ls"]).well().out;
    assert!(
        table.starts_with("ID ") && table.contains("coder") && table.contains("test/script"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "no colours in a pipe: {table:?}");

    let changed = oc(
        &server,
        &["agent", "update", "coder", "--model", "test/demo", "--json"],
    )
    .json();
    assert_eq!(
        (text(&changed, "model"), changed["revision"].as_u64()),
        ("test/demo", Some(2))
    );
    let card = oc(&server, &["agent", "get", "coder"]).well().out;
    assert!(
        card.contains("revision") && card.contains("Be brief."),
        "{card}"
    );

    assert_eq!(
        oc(&server, &["agent", "delete", "coder", "--json"]).json(),
        json!({ "id": id, "deleted": true })
    );
    let gone = oc(&server, &["agent", "get", "coder", "--json"]);
    assert_eq!((gone.code, error(&gone)["status"].as_u64()), (3, Some(404)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_started_and_watched_to_its_result() {
    let server = Server::start();
    server.agent("player", "test/script").await;
    let echo = json!({ "tool": "bash", "args": { "command": "echo from-the-sandbox" } });
    let play = script(json!([{ "call": [echo] }, { "say": "done: {{last_result}}" }]));
    let create = ["session", "create", "--agent", "player", "--input", &play];
    let shown = oc(
        &server,
        &[&create[..], &["--metadata", "{\"a\":1}", "--follow"]].concat(),
    )
    .well()
    .out;
    for part in [
        "you ▸ Please play.",
        "$ echo from-the-sandbox",
        "agent ▸ done: from-the-sandbox",
        "✓ turn completed",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "no colours in a pipe");

    let list = [
        "session", "list", "--agent", "player", "--status", "idle", "--json",
    ];
    let listed = oc(&server, &list).json();
    let id = text(&listed["data"][0], "id");
    let table = oc(&server, &["session", "list"]).well().out;
    assert!(
        table.contains(" player ") && !table.contains("agt_"),
        "{table}"
    );
    assert_eq!(
        oc(&server, &["session", "get", id, "--json"]).json()["metadata"],
        json!({ "a": 1 })
    );
    assert_eq!(
        oc(&server, &["session", "result", id]).well().out,
        "done: from-the-sandbox\n"
    );
    let result = server.get(&format!("/v3/sessions/{id}/result")).await;
    assert_eq!(
        oc(&server, &["session", "result", id, "--json"]).json(),
        result,
        "word for word"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_steered_read_and_closed() {
    let server = Server::start();
    let id = server.play(json!([{ "say": "one" }])).await;
    server.turn_end(&id, 1).await;
    let said = oc_reads(
        &server,
        &["session", "steer", &id, "-", "--follow"],
        "hello",
    )
    .well()
    .out;
    assert!(
        said.contains("you ▸ hello") && said.contains("agent ▸ done"),
        "{said}"
    );
    assert!(
        !said.contains("Please play."),
        "only what is new is shown: {said}"
    );

    let all = oc(&server, &["session", "logs", &id, "--json"]).json();
    assert_eq!(all["data"], json!(server.events(&id).await));
    let ends = [
        "session",
        "logs",
        &id,
        "--type",
        "turn.completed",
        "--level",
        "user",
        "--json",
    ];
    assert_eq!(
        oc(&server, &ends).json()["data"].as_array().unwrap().len(),
        2
    );

    assert_eq!(
        oc(&server, &["session", "cancel", &id]).well().out,
        "The session is idle.\n"
    );
    assert_eq!(
        oc(&server, &["session", "archive", &id]).well().out,
        "The session is archived.\n"
    );
    let late = oc(&server, &["session", "steer", &id, "too late", "--json"]);
    assert_eq!((late.code, error(&late)["code"].as_u64()), (4, Some(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_key_goes_in_and_never_comes_out() {
    let server = Server::start();
    let mut shown = String::new();
    let mut keep = |run: Run| {
        shown.push_str(&format!("{run:?}"));
        run
    };
    let first = keep(oc_reads(
        &server,
        &["credential", "add", "--name", "a", "--json"],
        "sk-ant-first-1111\n",
    ))
    .json();
    let mut from_env = program(
        &server,
        &[
            "credential",
            "add",
            "--provider",
            "openai",
            "--key-env",
            "MY_KEY",
            "--default",
            "--json",
        ],
    );
    let second = keep(Run::of(
        from_env.env("MY_KEY", "sk-second-2222").output().unwrap(),
    ))
    .json();
    assert_eq!(
        (text(&first, "last4"), text(&second, "last4")),
        ("1111", "2222")
    );
    assert_eq!(
        (
            first["is_default"].as_bool(),
            second["is_default"].as_bool()
        ),
        (Some(false), Some(true))
    );

    let id = text(&first, "id");
    keep(oc(&server, &["credential", "set-default", id])).well();
    let rotated = keep(oc_reads(
        &server,
        &["credential", "rotate", id, "--json"],
        "sk-ant-third-3333",
    ))
    .json();
    assert_eq!(
        (text(&rotated, "last4"), rotated["is_default"].as_bool()),
        ("3333", Some(true))
    );
    let table = keep(oc(&server, &["credential", "list"])).well().out;
    assert!(
        table.contains("3333") && table.contains("openai"),
        "{table}"
    );
    keep(oc(&server, &["credential", "remove", id])).well();
    assert_eq!(
        keep(oc(&server, &["credential", "list", "--json"])).json()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let empty = keep(oc_reads(&server, &["credential", "add"], " \n"));
    assert_eq!(empty.code, 1);

    let log = server.log();
    for secret in ["first-1111", "second-2222", "third-3333"] {
        assert!(
            !shown.contains(secret) && !log.contains(secret),
            "{secret} was shown"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_fail_has_its_number() {
    let server = Server::start();
    server.agent("taken", "test/demo").await;
    let table: [(&[&str], i32); 8] = [
        (&["session", "get", "ses_none"], 3),
        (
            &[
                "session", "create", "--agent", "taken", "--input", "x", "--source", "o/r",
            ],
            3,
        ),
        (
            &["session", "create", "--agent", "nobody", "--input", "x"],
            3,
        ),
        (
            &[
                "agent",
                "create",
                "taken",
                "--model",
                "test/script",
                "--prompt",
                "other",
            ],
            4,
        ),
        (&["agent", "update", "taken"], 2),
        (
            &[
                "agent",
                "create",
                "x",
                "--model",
                "test/demo",
                "--prompt",
                "@/no/such/file",
            ],
            1,
        ),
        (&["session", "fly"], 2),
        (&["agent", "list", "--api-url", "localhost"], 2),
    ];
    for (arguments, want) in table {
        let plain = oc(&server, arguments);
        assert_eq!(
            (plain.code, plain.out.as_str()),
            (want, ""),
            "{arguments:?}: {plain:?}"
        );
        assert!(
            plain.err.contains("error:") && !plain.err.contains('\u{1b}'),
            "{plain:?}"
        );
        let json = oc(&server, &[arguments, &["--json"]].concat());
        assert_eq!(
            (json.code, error(&json)["code"].as_i64()),
            (want, Some(i64::from(want))),
            "{arguments:?}"
        );
    }
    let unbuilt = oc(
        &server,
        &[
            "session", "create", "--agent", "taken", "--input", "x", "--source", "o/r", "--json",
        ],
    );
    assert_eq!(
        (
            text(&error(&unbuilt), "type"),
            text(&error(&unbuilt), "param")
        ),
        ("not_supported", "sources")
    );
}

#[test]
fn without_a_key_or_a_server_it_says_what_to_do() {
    let run = |command: &mut std::process::Command| Run::of(command.output().unwrap());
    let no_key = run(&mut bare(&["agent", "list"]));
    assert!(
        no_key.code == 1 && no_key.err.contains("OPENCOMPUTER_API_KEY"),
        "{no_key:?}"
    );
    // Port 9 is "discard": nobody listens there.
    let no_server = run(bare(&["agent", "list", "--api-url", "http://127.0.0.1:9"])
        .env("OPENCOMPUTER_API_KEY", KEY));
    assert!(
        no_server.code == 1 && no_server.err.contains("nothing listens there"),
        "{no_server:?}"
    );
    assert!(!format!("{no_server:?}").contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_refused() {
    let server = Server::start();
    let wrong = KEY.replace("0123", "3210");
    let run = Run::of(
        program(&server, &["agent", "list", "--json"])
            .env("OPENCOMPUTER_API_KEY", &wrong)
            .output()
            .unwrap(),
    );
    assert_eq!((run.code, error(&run)["status"].as_u64()), (3, Some(401)));
    assert!(!run.err.contains(&wrong));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_failure() {
    let server = Server::start();
    let id = server
        .play(json!([{ "say": "a lot of text ".repeat(20_000) }]))
        .await;
    server.turn_end(&id, 1).await;
    let line = format!(
        "{} session logs {id} --json | head -c 1; exit ${{PIPESTATUS[0]}}",
        Server::program().display()
    );
    let mut shell = std::process::Command::new("bash");
    shell
        .args(["-c", &line])
        .env("OPENCOMPUTER_API_URL", &server.url)
        .env("OPENCOMPUTER_API_KEY", KEY);
    let run = Run::of(shell.output().unwrap());
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "{", ""));
}
