//! Turns as they usually go.

use brain::Purpose;
use serde_json::json;
use session::{Item, Stop};

use super::table::{Table, call};

pub async fn words(table: &mut Table) {
    for text in ["hello", "and again", "and again"] {
        table.say(text);
        let reply = table.think().await;
        assert_eq!(reply.text, format!("You said: {text}"));
        assert_eq!((reply.stop, reply.calls.len()), (Stop::EndTurn, 0));
    }
}

pub async fn a_call(table: &mut Table) {
    table.play(
        json!([{ "say": "looking", "call": [call("ls")] }, { "say": "it said {{last_result}}" }]),
    );
    let reply = table.think().await;
    assert_eq!(
        (reply.text.as_str(), reply.stop),
        ("looking", Stop::ToolUse)
    );
    assert_eq!(reply.calls[0].tool, "bash");
    assert_eq!(reply.calls[0].input, json!({ "command": "ls" }));
    table.result(0, "a file");
    assert_eq!(table.rest().await, "it said a file");
    table.say("more");
    assert_eq!(table.rest().await, "done");
}

pub async fn several_calls(table: &mut Table) {
    let read = json!({ "tool": "read", "args": { "path": "a" } });
    let calls = [call("one"), read, call("three")];
    table.play(json!([{ "call": calls }, { "say": "{{results}}, {{last_result}}" }, { "call": [call("four")] }]));
    let reply = table.think().await;
    let tools: Vec<_> = reply.calls.iter().map(|call| call.tool.as_str()).collect();
    assert_eq!(tools, ["bash", "read", "bash"]);
    let ids: Vec<_> = reply.calls.iter().map(|call| call.id.clone()).collect();
    table.results(&[
        (&ids[0], "1", false),
        (&ids[1], "2", true),
        (&ids[2], "3", false),
    ]);
    assert_eq!(table.think().await.text, "3, 3");
    table.say("go on");
    let reply = table.think().await;
    assert!(!ids.contains(&reply.calls[0].id), "an id was given twice");
}

pub async fn steer(table: &mut Table) {
    table.play(json!([{ "call": [call("work")] }, { "call": [call("{{last_user}}")], "say": "{{last_user}}" }, { "say": "{{last_user}}" }]));
    table.think().await;
    table.result(0, "worked");
    table.say("faster");
    table.say("please");
    let reply = table.think().await;
    assert_eq!(reply.text, "please");
    table.result(0, "worked");
    table.say("stop");
    assert_eq!(table.think().await.text, "stop");
    table.say("thanks");
    assert_eq!(table.think().await.text, "done");
}

pub async fn question(table: &mut Table) {
    let ask = json!({ "tool": "ask", "args": { "text": "which?" } });
    table.play(json!([{ "call": [ask] }, { "say": "then {{last_user}}" }]));
    let reply = table.think().await;
    assert_eq!(reply.calls[0].input, json!({ "text": "which?" }));
    table.result(0, "The question was put to the user.");
    table.say("the first");
    assert_eq!(table.think().await.text, "then the first");
}

pub async fn notes(table: &mut Table) {
    table.play(json!([{ "say": "one" }, { "say": "two" }]));
    assert_eq!(table.think().await.text, "one");
    table.items.push(Item::Note("The sandbox was lost.".into()));
    assert_eq!(table.think().await.text, "two");
}

pub async fn long_result(table: &mut Table) {
    table.play(json!([{ "call": [call("cat")] }, { "say": "{{last_result}}" }]));
    table.think().await;
    let long: String = (0..40_000).map(|n| format!("{n} ü ")).collect();
    table.result(0, &long);
    assert!(
        table.think().await.text == long,
        "the result did not come whole"
    );
}

pub async fn parallel_sessions(table: &mut Table) {
    let seats: Vec<_> = (0..3)
        .map(|n| table.beside(&format!("session_{n}")))
        .collect();
    let answers = seats.iter().enumerate();
    let answers = answers.map(|(n, seat)| async move { seat.answer(&format!("I am {n}")).await });
    let answers = futures::future::join_all(answers).await;
    assert_eq!(
        answers,
        ["You said: I am 0", "You said: I am 1", "You said: I am 2"]
    );
}

/// The server checks that signed thinking stands where it stood, in a
/// conversation of many forms.
pub async fn thinking_goes_back(table: &mut Table) {
    table.play(json!([{ "call": [call("1"), call("2")] }, { "say": "middle", "call": [call("3")] }, { "call": [call("4")] }, { "say": "end" }]));
    assert_eq!(table.rest().await, "end");
    table.say("next");
    assert_eq!(table.rest().await, "done");
    table
        .items
        .push(Item::Note(brain::compaction_prompt().to_owned()));
    let mut ask = table.ask();
    ask.purpose = Purpose::Compact;
    table.try_think(ask).await.0.unwrap();
}
