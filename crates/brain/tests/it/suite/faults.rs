//! Models that fail, and thoughts that are cut.

use brain::{Delta, ErrorKind};
use serde_json::json;

use super::table::{Table, call};

pub async fn retried(table: &mut Table) {
    for fail in [
        json!(429),
        json!(529),
        json!("drop"),
        json!("garbage"),
        json!("hang"),
    ] {
        let line = json!({ "fail": fail, "say": format!("after {fail}"), "chunks": 3, "call": [call("ls")] });
        table.play(json!([line, { "say": "{{last_result}}" }]));
        let (reply, told) = table.try_think(table.ask()).await;
        assert_eq!(reply.unwrap().text, format!("after {fail}"));
        let retries = told
            .iter()
            .filter(|delta| matches!(delta, Delta::Retry { .. }));
        assert_eq!(retries.count(), 1, "{fail}: {told:?}");
        // The answer was not kept: the same is asked again.
        table.think().await;
        table.result(0, "ok");
        assert_eq!(table.rest().await, "ok");
    }
}

pub async fn given_up(table: &mut Table) {
    for (fail, kind) in [
        (json!(400), ErrorKind::BadRequest),
        (json!(401), ErrorKind::Auth),
        (json!("spend"), ErrorKind::Spend),
        (json!(529), ErrorKind::Overloaded),
    ] {
        let times = if fail == 529 { 3 } else { 1 };
        table.play(json!([{ "fail": fail, "times": times, "say": "now it works" }]));
        let error = table.try_think(table.ask()).await.0.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(table.rest().await, "now it works");
    }
}

pub async fn cut_before_the_answer(table: &mut Table) {
    if table.is_here() {
        return;
    }
    table.play(json!([{ "call": [call("ls")] }, { "delay_ms": 60_000, "say": "late" }]));
    table.think().await;
    table.result(0, "a");
    table.cut_at_once().await;
    table.play(json!([{ "say": "soon, {{results}}" }]));
    assert_eq!(table.rest().await, "soon, 1");
}

pub async fn cut_in_the_answer(table: &mut Table) {
    table.play(
        json!([{ "call": [call("ls")] }, { "say": "abc def", "chunks": 2, "chunk_ms": 60_000 }]),
    );
    table.think().await;
    table.result(0, "a");
    table.cut(|delta| matches!(delta, Delta::Text(_))).await;
    table.play(json!([{ "say": "another, {{results}}" }, { "say": "end" }]));
    assert_eq!(table.rest().await, "another, 1");
    table.say("more");
    assert_eq!(table.rest().await, "end");
}

pub async fn cut_between_results(table: &mut Table) {
    table.play(json!([{ "call": [call("1"), call("2"), call("3")] }, { "say": "{{results}}, {{last_user}}" }]));
    let reply = table.think().await;
    // The user canceled after the first: the rest was closed without a run.
    let ids: Vec<_> = reply.calls.iter().map(|call| call.id.as_str()).collect();
    table.results(&[
        (ids[0], "1", false),
        (ids[1], "Not run.", true),
        (ids[2], "Not run.", true),
    ]);
    table.say("something else");
    assert_eq!(table.think().await.text, "3, something else");
}

/// What broke off is not asked again by anybody, where calls are counted.
pub async fn limited_calls(table: &mut Table) {
    table.play(json!([{ "fail": "drop", "times": 1, "say": "abc", "chunks": 3 }]));
    let mut ask = table.ask();
    ask.metered = true;
    let (reply, told) = table.try_think(ask).await;
    assert_eq!(reply.unwrap_err().kind, ErrorKind::Broken);
    assert!(
        !told
            .iter()
            .any(|delta| matches!(delta, Delta::Retry { .. }))
    );
    assert_eq!(table.rest().await, "abc");
}
