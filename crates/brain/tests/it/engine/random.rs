//! Whatever happens to a session, in whatever order: an engine answers what our
//! own loop does, and its model is asked the same.

use brain::Deltas;
use futures::FutureExt;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use session::{Item, Reply};

use super::alike::shape;
use crate::suite::table::{Table, call};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Act {
    Say(String),
    /// A script of so many calls in its answers.
    Play(Vec<u8>),
    Note,
    Think,
    /// The results of the newest calls, those of this mask as failures.
    Results(u8),
    /// The engine dies.
    Kill,
    /// A thought that is dropped after so many looks at it.
    Drop(u8),
    /// The conversation goes on from an earlier point.
    Fork(u8),
    Compact,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        2 => "[ a-zü/@<\n]{0,12}".prop_map(Act::Say),
        2 => proptest::collection::vec(0..4u8, 1..5).prop_map(Act::Play),
        1 => Just(Act::Note),
        6 => Just(Act::Think),
        5 => any::<u8>().prop_map(Act::Results),
        2 => Just(Act::Kill),
        1 => any::<u8>().prop_map(Act::Drop),
        1 => any::<u8>().prop_map(Act::Fork),
        1 => Just(Act::Compact),
    ];
    proptest::collection::vec(act, 4..24)
}

fn lines(calls: &[u8]) -> Value {
    let line = |(at, calls): (usize, &u8)| {
        let calls: Vec<_> = (0..*calls).map(|n| call(&format!("{at}.{n}"))).collect();
        json!({ "say": format!("line {at} after {{{{results}}}}"), "call": calls })
    };
    calls.iter().enumerate().map(line).collect()
}

/// An answer without the names that depend on its place in a request.
fn plain(reply: &Reply) -> Value {
    let calls: Vec<_> = reply
        .calls
        .iter()
        .map(|call| json!([call.tool, call.input]))
        .collect();
    json!([
        reply.text,
        calls,
        format!("{:?}", reply.stop),
        reply.usage.map(|usage| usage.total())
    ])
}

/// The calls of the newest answer that have no result yet.
fn open(table: &Table) -> Vec<String> {
    let mut open = Vec::new();
    for item in &table.items {
        match item {
            Item::Assistant(reply) => {
                open = reply.calls.iter().map(|call| call.id.clone()).collect()
            }
            Item::Result(result) => open.retain(|id| *id != result.call),
            _ => {}
        }
    }
    open
}

async fn happen(table: &mut Table, act: &Act) -> Option<Value> {
    match act {
        Act::Say(text) => table.say(text),
        Act::Play(calls) => table.play(lines(calls)),
        Act::Note => table.items.push(Item::Note("Something happened.".into())),
        Act::Results(failed) => {
            for (at, id) in open(table).iter().enumerate() {
                let failed = failed & (1 << at) != 0;
                table.results(&[(id, &format!("result {at}"), failed)]);
            }
        }
        Act::Kill => table.kill_if_there(),
        Act::Drop(looks) => {
            let (deltas, _said) = Deltas::new(64);
            let model = table.model();
            let mut thought = model.think(table.ask(), deltas);
            for _ in 0..*looks {
                if (&mut thought).now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Act::Fork(at) => table.back_to(usize::from(*at) % (table.items.len() + 1)),
        Act::Compact
            if table
                .items
                .iter()
                .any(|item| matches!(item, Item::User { .. })) =>
        {
            return Some(table.compact().await.into());
        }
        Act::Compact => {}
        Act::Think => return Some(plain(&*table.think().await)),
    }
    None
}

/// All that is asked in a history, in the order of the answers that were kept.
async fn history(table: &mut Table, acts: &[Act]) -> (Vec<Value>, Value) {
    let mut answers = Vec::new();
    for act in acts {
        answers.extend(happen(table, act).await);
    }
    let last = table.think().await;
    answers.push(plain(&last));
    (answers, table.hall.log().await.last().unwrap().clone())
}

fn agrees(runtime: &'static str, model: &'static str) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let config = Config {
        cases: 8,
        failure_persistence: None,
        max_shrink_iters: 20,
        ..Config::default()
    };
    let ran = TestRunner::new(config).run(&acts(), |acts| {
        let (engine, ours) = tokio.block_on(async {
            let mut engine = Table::engine(runtime, model).await;
            let mut ours = Table::remote(model).await;
            (
                history(&mut engine, &acts).await,
                history(&mut ours, &acts).await,
            )
        });
        prop_assert_eq!(engine.0, ours.0);
        prop_assert_eq!(shape(&engine.1), shape(&ours.1));
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn claude_answers_as_our_own_loop_whatever_happens() {
    agrees("claude", "anthropic/claude-opus-5-5");
}

#[test]
fn codex_answers_as_our_own_loop_whatever_happens() {
    agrees("codex", "openai/gpt-5.5");
}
