//! Which line a conversation leads to.

use std::borrow::Cow;

use serde_json::json;

use super::*;

fn user(seq: u64, text: &str) -> Seen<'_> {
    Seen::User {
        seq,
        text: Cow::Borrowed(text),
    }
}

fn said() -> Seen<'static> {
    Seen::Said { calls: true }
}

const THREE: &str = "play\n@steps\n[{\"say\":\"a\"},{\"say\":\"b\"},{\"say\":\"c\"}]";

#[test]
fn the_next_line_follows_from_the_conversation_alone() {
    let result = || Seen::Result {
        text: "r".into(),
        is_error: false,
    };
    let other = "@steps\n[{\"say\":\"x\"}]";
    for (seen, want, place) in [
        (vec![user(4, THREE)], "a", (4, 0)),
        (vec![user(4, THREE), said(), result()], "b", (4, 1)),
        (
            vec![user(4, THREE), said(), user(6, "steer"), said()],
            "c",
            (4, 2),
        ),
        (vec![user(4, THREE), said(), said(), said()], "done", (4, 3)),
        (
            vec![user(1, "hi"), said(), user(4, THREE), said()],
            "b",
            (4, 1),
        ),
        (vec![user(4, THREE), said(), user(7, other)], "x", (7, 0)),
        (
            vec![Seen::Summary { replies: 2 }, user(4, THREE)],
            "c",
            (4, 2),
        ),
        (
            vec![
                Seen::Summary { replies: 2 },
                user(3, "kept"),
                user(4, THREE),
            ],
            "a",
            (4, 0),
        ),
        (
            vec![user(1, "hello"), said(), user(2, "you")],
            "You said: you",
            (0, 0),
        ),
        (
            vec![user(2, "{{results}}")],
            "You said: {{results}}",
            (0, 0),
        ),
        (
            vec![user(2, "@steps\n[{\"say\":\"{{results}} results\"}]")],
            "0 results",
            (2, 0),
        ),
        (vec![], "You said: ", (0, 0)),
    ] {
        let part = part(&Scene(seen.clone())).unwrap();
        assert_eq!(part.line.say.as_deref(), Some(want), "{seen:?}");
        assert_eq!((part.seq, part.index), place, "{seen:?}");
    }
}

#[test]
fn the_mark_is_a_line_of_its_own() {
    for (text, want) in [
        ("@steps\n[]", Some("[]")),
        ("a\n@steps\n[]", Some("[]")),
        ("a\r\n@steps\r\n[]", Some("[]")),
        ("a @steps\n[]", None),
        ("@steps []", None),
        ("@steps", Some("")),
        ("@steps2\n@steps\n[1]", Some("[1]")),
        ("@steps@steps\n[1]", None),
        ("no mark", None),
        ("", None),
    ] {
        assert_eq!(after_mark(text), want, "{text:?}");
    }
}

#[test]
fn a_script_that_cannot_be_read_names_the_place() {
    for (script, words) in [
        ("", "EOF"),
        ("{}", "line 1 column"),
        ("[{\"say\": 1}]", "line 1 column"),
        ("[{}, {\"sya\": \"typo\"}]", "unknown field `sya`"),
        ("[{\"fail\": \"nope\"}]", "`fail` is an HTTP status"),
        ("[{}, {\"fail\": 200}]", "Reply 1"),
        ("[{\"call\": [{\"args\": {}}]}]", "missing field `tool`"),
        ("[{\"stop\": \"tired\"}]", "unknown variant `tired`"),
        ("[] and more", "line 1 column 4"),
    ] {
        let error = read(script, 0).unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest, "{script}");
        assert!(error.message.contains(words), "{script}: {error}");
    }
}

#[test]
fn every_field_is_read() {
    let script = json!([{ "say": "s", "call": [{ "tool": "bash", "args": { "command": "x" } }, { "tool": "ls" }],
        "chunk_ms": 1, "chunks": 2, "delay_ms": 3, "tokens": { "in": 4, "cache_write": 5 },
        "fail": 529, "retry_after": 0.5, "times": -1, "stop": "max_tokens" }]);
    let line = read(&script.to_string(), 0).unwrap().unwrap();
    let want = Line {
        say: Some("s".into()),
        call: vec![
            Wish {
                tool: "bash".into(),
                args: json!({ "command": "x" }),
            },
            Wish {
                tool: "ls".into(),
                args: json!({}),
            },
        ],
        chunk_ms: Some(1),
        chunks: Some(2),
        delay_ms: Some(3),
        tokens: Spent {
            input: 4,
            cache_write: 5,
            ..Spent::default()
        },
        fail: Some(Fail::Status(529)),
        retry_after: Some(0.5),
        times: Some(-1),
        stop: Some(Stop::MaxTokens),
    };
    assert_eq!(line, want);
    assert_eq!(read("[{}]", 0).unwrap(), Some(Line::default()));
    assert_eq!(
        read("[{\"fail\":\"hang\"}]", 0).unwrap().unwrap().fail,
        Some(Fail::Named(Named::Hang))
    );
}
