//! How many tokens a question has: what a provider says, and a bound where it
//! says nothing.

use serde_json::Value;
use session::{Item, Provider};

use crate::model::Ask;
use crate::rehearsal;
use crate::{ErrorKind, ModelError};

/// Tokens a provider puts around one message, block or tool.
const AROUND: u64 = 24;
/// Tokens a provider adds to a question of its own: its words on how tools are
/// used, above all.
const ADDED: u64 = 1500;
/// The providers call their counts estimates. This part of one is put on top.
const ESTIMATED: u64 = 200;

/// A number of input tokens that this question does not exceed. It is safe
/// rather than close: no token of a tokenizer stands for less than one byte.
/// For the rehearsal model it is what its script will report.
#[must_use]
pub fn most_tokens(ask: &Ask) -> u64 {
    if ask.model.provider == Provider::Test
        && let Ok(tokens) = rehearsal::count(ask)
    {
        return tokens;
    }
    let tools = ask.tools.iter().map(|tool| {
        let schema = bytes(&tool.schema.to_string());
        bytes(tool.name) + bytes(tool.description) + schema + AROUND
    });
    let items = ask.items.iter().map(item);
    let all = tools.chain(items).fold(ADDED, u64::saturating_add);
    all.saturating_add(bytes(&ask.system))
}

/// The same from what the newest answer used: its question and itself are the
/// beginning of this question, in the very words of whoever asks. `None` where
/// nothing was used yet, or nobody said how much.
pub(crate) fn most_tokens_since(ask: &Ask) -> Option<u64> {
    let newest = |item: &Item| matches!(item, Item::Assistant(_));
    let at = ask.items.iter().rposition(newest)?;
    let (before, after) = ask.items.split_at(at + 1);
    let Some(Item::Assistant(reply)) = before.last() else {
        return None;
    };
    let used = reply.usage.filter(|_| !reply.is_refused_for_length())?;
    let new = after.iter().map(item).fold(AROUND, u64::saturating_add);
    Some(used.total().saturating_add(new))
}

fn item(item: &Item) -> u64 {
    match item {
        Item::User { text, .. } | Item::Note(text) | Item::Summary { text, .. } => {
            bytes(text) + 2 * AROUND
        }
        Item::Result(result) => bytes(&result.text) + bytes(&result.call) + 2 * AROUND,
        Item::Assistant(reply) => {
            let blocks = reply.calls.len() as u64 + 2;
            // The content as it goes back, or the text where there is none.
            bytes(&reply.raw).max(bytes(&reply.text)) + blocks * 2 * AROUND
        }
    }
}

fn bytes(text: &str) -> u64 {
    text.len() as u64
}

/// Whether a turn can do without the count that failed: the bound is as safe.
/// What would fail the call as well is left to be told. A window that is too
/// small is told by the call itself.
pub(crate) fn can_do_without(error: &ModelError) -> bool {
    !matches!(error.kind, ErrorKind::Auth | ErrorKind::Spend)
}

/// The number in the answer to a question for it.
pub(crate) fn counted(answer: &Value) -> Option<u64> {
    let tokens = answer.get("input_tokens")?.as_u64()?;
    Some(tokens.saturating_add(tokens / ESTIMATED))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use session::ModelRef;
    use session::transcript::ToolResult;

    use super::*;
    use crate::Purpose;
    use crate::api::{Api, Want};

    fn ask(model: &str, items: Vec<Item>) -> Ask {
        Ask {
            model: ModelRef::parse(model, "native").unwrap(),
            system: "You are a test.".into(),
            tools: session::tool::native().into(),
            items,
            max_tokens: 1000,
            key: None,
            session: "s".into(),
            purpose: Purpose::Turn,
            metered: false,
        }
    }

    fn items() -> impl Strategy<Value = Vec<Item>> {
        let text = "\\PC{0,40}";
        let item = prop_oneof![
            text.prop_map(|text| Item::User { seq: 1, text }),
            text.prop_map(Item::Note),
            text.prop_map(|text| Item::Summary { text, replies: 1 }),
            text.prop_map(|text| Item::Result(ToolResult {
                call: "call_1".into(),
                text,
                is_error: true,
            })),
        ];
        proptest::collection::vec(item, 0..6)
    }

    proptest! {
        #[test]
        fn the_bound_is_not_below_the_bytes_of_the_question(items in items()) {
            for (api, model) in [(Api::Messages, "anthropic/claude-opus-5-5"), (Api::Responses, "openai/gpt-5.5")] {
                let ask = ask(model, items.clone());
                let body = api.body(&ask, Want::Count).unwrap();
                // What JSON writes as an escape is one byte of the text.
                let escapes = body.iter().filter(|byte| **byte == b'\\').count();
                prop_assert!(most_tokens(&ask) + escapes as u64 >= body.len() as u64);
            }
        }
    }

    #[test]
    fn the_bound_of_a_rehearsal_is_what_it_will_report() {
        let text = r#"@steps
[{ "tokens": { "in": 100000, "cache_read": 5 } }]"#;
        let mut asked = ask(
            "test/script",
            vec![Item::User {
                seq: 1,
                text: text.into(),
            }],
        );
        assert_eq!(most_tokens(&asked), 100_005);
        asked.items = vec![Item::User {
            seq: 1,
            text: "@steps\n[{".into(),
        }];
        assert!(most_tokens(&asked) > 10);
    }

    #[test]
    fn what_the_newest_answer_used_bounds_the_next_question() {
        let reply = |usage| {
            Item::Assistant(std::sync::Arc::new(session::Reply {
                raw: "[{}]".into(),
                text: String::new(),
                calls: vec![],
                stop: session::Stop::EndTurn,
                usage,
                request_id: None,
            }))
        };
        let used = session::Tokens {
            input: 1000,
            output: 200,
            cache_read: 30,
            cache_write: 4,
            ..session::Tokens::default()
        };
        let long = Item::Note("x".repeat(50_000));
        let new = Item::Note("y".repeat(100));
        let asked = |items| most_tokens_since(&ask("anthropic/claude-opus-5-5", items));
        let bound = asked(vec![long.clone(), reply(Some(used)), new.clone()]).unwrap();
        assert!((1334..1500).contains(&bound), "{bound}");
        assert_eq!(asked(vec![long.clone(), reply(None), new.clone()]), None);
        assert_eq!(asked(vec![reply(Some(used)), reply(None)]), None);
        assert_eq!(asked(vec![long, new]), None);
    }

    #[test]
    fn a_count_is_read_and_has_a_little_put_on_top() {
        for (answer, want) in [
            (json!({ "input_tokens": 10 }), Some(10)),
            (json!({ "input_tokens": 20_000 }), Some(20_100)),
            (json!({ "input_tokens": "10" }), None),
            (json!([]), None),
        ] {
            assert_eq!(counted(&answer), want, "{answer}");
        }
    }
}
