//! What an engine might take for something else, and what seldom happens.

use brain::{Delta, most_tokens};
use serde_json::json;
use session::{Item, Stop, Tokens};

use super::table::{Table, call};

pub async fn commands_of_an_engine(table: &mut Table) {
    for text in [
        "/clear",
        "/compact now",
        "!ls",
        "@/etc/passwd",
        "#remember",
        "exit",
        "<b>&lt;",
    ] {
        table.say(text);
        assert_eq!(table.think().await.text, format!("You said: {text}"));
    }
}

pub async fn unknown_tools(table: &mut Table) {
    let nonsense = json!({ "tool": "Bash", "args": { "command": "ls" } });
    let odd = json!({ "tool": "read", "args": { "nothing": [1] } });
    table.play(json!([{ "call": [nonsense, call("ls"), odd] }, { "say": "{{last_result}}" }]));
    let reply = table.think().await;
    let ids: Vec<_> = reply.calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids.len(), 3);
    let results = [
        (ids[0], "There is no tool Bash.", true),
        (ids[1], "a", false),
        (ids[2], "path: missing", true),
    ];
    table.results(&results);
    let text = table.think().await.text.clone();
    assert!(text.ends_with("path: missing"), "{text}");
}

pub async fn empty_answer(table: &mut Table) {
    table.play(json!([{ "say": "" }, { "say": "two" }]));
    let reply = table.think().await;
    assert_eq!((reply.text.as_str(), reply.stop), ("", Stop::EndTurn));
    table.say("anything?");
    let text = table.think().await.text.clone();
    // Of an answer without any content there is nothing to send back.
    assert!(["", "two"].contains(&text.as_str()), "{text}");
}

pub async fn max_tokens(table: &mut Table) {
    table.play(json!([{ "say": "half of", "stop": "max_tokens" }, { "say": "the rest", "call": [call("ls")] }, { "say": "end" }]));
    let reply = table.think().await;
    assert_eq!(
        (reply.text.as_str(), reply.stop),
        ("half of", Stop::MaxTokens)
    );
    assert_eq!(table.think().await.text, "the rest");
    table.result(0, "a");
    assert_eq!(table.think().await.text, "end");
}

pub async fn max_tokens_in_a_call(table: &mut Table) {
    table.play(
        json!([{ "call": [call("one"), call("two")], "stop": "max_tokens" }, { "say": "again" }]),
    );
    let reply = table.think().await;
    assert_eq!(reply.stop, Stop::MaxTokens);
    let usable: Vec<_> = reply
        .calls
        .iter()
        .map(|call| call.unusable.is_none())
        .collect();
    assert_eq!(usable, [true, false]);
    table.result(0, "1");
    table.result(1, "not run");
    assert_eq!(table.think().await.text, "again");
}

pub async fn refusal(table: &mut Table) {
    table.play(json!([{ "say": "I would rather not", "stop": "refusal" }, { "say": "gladly" }]));
    assert_eq!(table.think().await.stop, Stop::Refusal);
    table.say("please");
    assert_eq!(table.think().await.text, "gladly");
}

pub async fn fork(table: &mut Table) {
    table.play(json!([{ "call": [call("ls")] }, { "say": "{{last_user}}: {{last_result}}" }]));
    table.think().await;
    table.result(0, "a");
    let here = table.items.len();
    for branch in ["left", "right"] {
        table.back_to(here);
        table.say(branch);
        assert_eq!(table.think().await.text, format!("{branch}: a"));
    }
}

pub async fn compaction(table: &mut Table) {
    table.say("the task");
    table.think().await;
    table.play(json!([{ "call": [call("ls")] }, { "say": "middle" }, { "say": "end" }]));
    table.think().await;
    table.result(0, "a");
    table.think().await;
    let summary = table.compact().await;
    assert!(!summary.is_empty());
    table.say("and on it goes");
    let reply = table.think().await;
    // Only the rehearsal model itself is told how far its script was.
    assert!(reply.text == "end" || !table.is_here(), "{reply:?}");
}

pub async fn a_window_that_is_full(table: &mut Table) {
    table.say("before");
    table.think().await;
    table.play(json!([{ "fail": "context", "times": -1 }]));
    let reply = table.think().await;
    assert!(reply.is_refused_for_length(), "{reply:?}");
    table.back_to(2);
    table.say("shorter");
    table.compact().await;
    assert_eq!(table.think().await.text, "You said: shorter");
}

pub async fn usage(table: &mut Table) {
    let tokens = json!({ "in": 100, "out": 20, "cache_read": 3, "cache_write": 4 });
    table.play(json!([{ "say": "one", "tokens": tokens }, { "say": "two" }]));
    let reply = table.think().await;
    let used = reply.usage.unwrap();
    assert_eq!(used.output, 20);
    assert_eq!(used.input + used.cache_read + used.cache_write, 107);
    assert_eq!(used.cache_read, 3);
    table.say("more");
    let used = table.think().await.usage;
    assert_eq!(
        used,
        Some(Tokens {
            input: 10,
            output: 10,
            cache_read: 0,
            cache_write: 0,
            ..Tokens::default()
        })
    );
}

pub async fn deltas(table: &mut Table) {
    table.play(json!([{ "say": "in several pieces", "chunks": 5, "call": [call("ls")] }]));
    let (reply, told) = table.try_think(table.ask()).await;
    let text = told.iter().filter_map(|delta| match delta {
        Delta::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let text = text.collect::<String>();
    assert_eq!(
        (text.as_str(), reply.unwrap().text.as_str()),
        ("in several pieces", "in several pieces")
    );
}

pub async fn large_message(table: &mut Table) {
    let large = "word ".repeat(200_000);
    table.say(&large);
    assert_eq!(table.think().await.text, format!("You said: {large}"));
    table.say("and now");
    assert_eq!(table.think().await.text, "You said: and now");
}

pub async fn counts(table: &mut Table) {
    table.play(json!([{ "say": "one", "tokens": { "in": 1000 } }]));
    let ask = table.ask();
    let counted = table.count(&ask).await;
    assert!((1000..=1300).contains(&counted), "{counted}");
    assert!(most_tokens(&ask) > 0);
    table.items.push(Item::Note("n".into()));
}
