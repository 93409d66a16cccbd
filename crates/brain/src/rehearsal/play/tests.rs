//! What a rehearsal says, streams and fails with, on paused time.

use session::Provider;
use session::{Item, ModelRef};
use tokio::time::Instant;

use super::*;

fn ask(text: &str) -> Ask {
    let model = ModelRef {
        provider: Provider::Test,
        name: "script".into(),
    };
    Ask {
        model,
        system: "".into(),
        tools: [].into(),
        items: vec![Item::User {
            seq: 7,
            text: text.into(),
        }],
        max_tokens: 1000,
        key: None,
        session: "s".into(),
        purpose: Purpose::Turn,
        metered: false,
    }
}

fn play(line: Value) -> Ask {
    ask(&format!("@steps\n[{line}]"))
}

async fn think(ask: Ask) -> (Result<Reply, ModelError>, Vec<Delta>, Duration) {
    let (deltas, mut said) = Deltas::new(64);
    let patience = Patience {
        attempts: 2,
        ..Patience::default()
    };
    let began = Instant::now();
    let got = Rehearsal::new(patience).think(ask, deltas).await;
    let took = began.elapsed();
    let mut all = Vec::new();
    while let Some(delta) = said.recv().await {
        all.push(delta);
    }
    (got, all, took)
}

#[tokio::test(start_paused = true)]
async fn a_reply_has_text_calls_and_usage() {
    let line = json!({ "say": "ok", "call": [{ "tool": "bash", "args": { "command": "ls" } }, { "tool": "ls" }],
        "tokens": { "in": 1, "out": 2, "cache_read": 3, "cache_write": 4 } });
    let (reply, ..) = think(play(line)).await;
    let reply = reply.unwrap();
    assert_eq!((reply.text.as_str(), reply.stop), ("ok", Stop::ToolUse));
    let ids: Vec<_> = reply.calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["toolu_7_0_0", "toolu_7_0_1"]);
    assert_eq!(reply.usage.map(Tokens::total), Some(10));
    let raw: Value = serde_json::from_str(&reply.raw).unwrap();
    let call = json!({ "type": "tool_use", "id": "toolu_7_0_0", "name": "bash", "input": { "command": "ls" } });
    assert_eq!(raw[1], call);
}

#[tokio::test(start_paused = true)]
async fn stops_are_as_scripted() {
    for (line, stop, cut) in [
        (json!({ "say": "x" }), Stop::EndTurn, 0),
        (json!({ "say": "x", "stop": "end_turn" }), Stop::EndTurn, 0),
        (
            json!({ "say": "x", "stop": "max_tokens" }),
            Stop::MaxTokens,
            0,
        ),
        (json!({ "stop": "refusal" }), Stop::Refusal, 0),
        (json!({ "call": [{ "tool": "ls" }] }), Stop::ToolUse, 0),
        (
            json!({ "call": [{ "tool": "ls" }, { "tool": "ls" }], "stop": "max_tokens" }),
            Stop::MaxTokens,
            1,
        ),
    ] {
        let (reply, ..) = think(play(line.clone())).await;
        let reply = reply.unwrap();
        let unusable = reply
            .calls
            .iter()
            .filter(|call| call.unusable.is_some())
            .count();
        assert_eq!((reply.stop, unusable), (stop, cut), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn text_comes_in_chunks_with_the_waits_asked_for() {
    let line = json!({ "say": "abcdef", "chunks": 3, "chunk_ms": 20, "delay_ms": 100 });
    let (_, deltas, took) = think(play(line)).await;
    let want = ["ab", "cd", "ef"].map(|text| Delta::Text(text.to_owned()));
    assert_eq!(deltas, want);
    assert_eq!(took, Duration::from_millis(140));
}

#[tokio::test(start_paused = true)]
async fn failures_worth_a_retry_are_retried_and_told() {
    for fail in [
        json!(408),
        json!(429),
        json!(500),
        json!(529),
        json!("drop"),
        json!("garbage"),
        json!("hang"),
    ] {
        let (reply, deltas, _) = think(play(json!({ "fail": fail, "say": "at last" }))).await;
        assert_eq!(reply.unwrap().text, "at last", "{fail}");
        let told = deltas
            .iter()
            .filter(|delta| matches!(delta, Delta::Retry { attempt: 1, .. }));
        assert_eq!(told.count(), 1, "{fail}: {deltas:?}");
        assert!(deltas.contains(&Delta::Restart), "{fail}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_that_last_end_as_what_they_are() {
    for (fail, kind, attempts) in [
        (json!(400), ErrorKind::BadRequest, 1),
        (json!("spend"), ErrorKind::Spend, 1),
        (json!(401), ErrorKind::Auth, 1),
        (json!(529), ErrorKind::Overloaded, 2),
        (json!("hang"), ErrorKind::Timeout, 2),
        (json!("drop"), ErrorKind::Broken, 2),
    ] {
        let (got, deltas, _) = think(play(json!({ "fail": fail, "times": -1 }))).await;
        assert_eq!(got.unwrap_err().kind, kind, "{fail}");
        let retries = deltas
            .iter()
            .filter(|delta| matches!(delta, Delta::Retry { .. }));
        assert_eq!(retries.count(), attempts - 1, "{fail}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_is_asked_for_is_kept() {
    let (_, deltas, took) = think(play(json!({ "fail": 429, "retry_after": 7.5 }))).await;
    assert!(took >= Duration::from_millis(7500), "{took:?}");
    assert!(matches!(deltas[0], Delta::Retry { after_ms, .. } if after_ms >= 7500));
}

#[tokio::test(start_paused = true)]
async fn all_attempts_together_end_in_time() {
    for (line, kind) in [
        (
            json!({ "delay_ms": 90_000, "fail": 529, "times": -1 }),
            ErrorKind::Timeout,
        ),
        (json!({ "delay_ms": 3_600_000 }), ErrorKind::Timeout),
        (
            json!({ "fail": 429, "retry_after": 100, "times": -1 }),
            ErrorKind::RateLimited,
        ),
        (
            json!({ "fail": "hang", "times": -1, "say": "x" }),
            ErrorKind::Timeout,
        ),
    ] {
        let patience = Patience {
            attempts: u32::MAX,
            ..Patience::default()
        };
        let (deltas, _said) = Deltas::new(64);
        let began = Instant::now();
        let got = Rehearsal::new(patience)
            .think(play(line.clone()), deltas)
            .await;
        assert_eq!(got.unwrap_err().kind, kind, "{line}");
        assert!(
            began.elapsed() <= patience.total + Duration::from_millis(10),
            "{line}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_model_and_a_broken_script_are_told_at_once() {
    let mut unknown = ask("hi");
    unknown.model.name = "nosuch".into();
    for (ask, kind, words) in [
        (unknown, ErrorKind::NotFound, "test/nosuch"),
        (ask("@steps\n[{"), ErrorKind::BadRequest, "line 1 column 2"),
    ] {
        let (got, deltas, _) = think(ask).await;
        let error = got.unwrap_err();
        assert_eq!((error.kind, deltas.len()), (kind, 0));
        assert!(error.message.contains(words), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_summary_is_the_same_for_the_same_conversation() {
    let mut asked = play(json!({ "fail": 500, "times": -1 }));
    asked.purpose = Purpose::Compact;
    let (first, ..) = think(asked.clone()).await;
    let (second, ..) = think(asked).await;
    let first = first.unwrap();
    assert!(first.text.contains("1 messages"), "{}", first.text);
    assert_eq!(first, second.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_holds_nothing_up() {
    let (deltas, _unread) = Deltas::new(1);
    let line = json!({ "say": "abcdef", "chunks": 6 });
    let reply = Rehearsal::default().think(play(line), deltas).await;
    assert_eq!(reply.unwrap().text, "abcdef");
}

#[test]
fn chunks_are_even_whole_and_never_empty() {
    for (say, count, ms, want) in [
        ("", None, None, vec![]),
        ("", Some(3), Some(1), vec![]),
        ("abc", None, None, vec!["abc"]),
        ("abc", Some(0), None, vec!["abc"]),
        ("abc", Some(2), None, vec!["ab", "c"]),
        ("abc", Some(99), None, vec!["a", "b", "c"]),
        ("äöü", Some(3), None, vec!["ä", "ö", "ü"]),
        ("one two", None, Some(5), vec!["one ", "two"]),
    ] {
        let line = Line {
            say: Some(say.to_owned()),
            chunks: count,
            chunk_ms: ms,
            ..Line::default()
        };
        assert_eq!(chunks(&line), want, "{say:?} {count:?} {ms:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_is_played_to_its_end_whatever_comes_between() {
    let script = json!([{ "call": [{ "tool": "ls" }] }, { "say": "{{results}}/{{last_user}}" }]);
    let mut asked = ask(&format!("@steps\n{script}"));
    for want in ["", "1/steer", "done", "done"] {
        let reply = think(asked.clone()).await.0.unwrap();
        assert_eq!(reply.text, want);
        let results = reply.calls.iter().map(|call| {
            Item::Result(session::transcript::ToolResult {
                call: call.id.clone(),
                text: "r".into(),
                is_error: false,
            })
        });
        let results: Vec<_> = results.collect();
        asked.items.push(Item::Assistant(reply.into()));
        asked.items.extend(results);
        asked.items.push(Item::User {
            seq: 20,
            text: "steer".into(),
        });
    }
}
