//! What a program has to be told of a conversation: what was said in earlier
//! turns, what this turn begins with, and what came of the calls it made in it.

use std::collections::VecDeque;

use serde_json::{Value, json};
use session::{Call, Item, Reply};

/// A conversation as a program is told it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Journal {
    /// Where the turn begins: tells it from every other turn of the session.
    pub begins: usize,
    /// Who said what in earlier turns.
    pub history: Vec<Value>,
    /// The messages this turn begins with.
    pub input: Vec<String>,
    /// The calls of this turn that have a result, in order.
    pub recorded: VecDeque<Recorded>,
}

/// A call that was carried out, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recorded {
    pub call: Call,
    pub outcome: Outcome,
}

/// What came of a call, and what was said meanwhile.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Outcome {
    pub text: String,
    pub is_error: bool,
    pub meanwhile: Vec<String>,
}

impl Journal {
    /// The conversation of these items.
    pub fn of(items: &[Item]) -> Self {
        let last = items.iter().rposition(ends_turn);
        let begins = last.map_or(0, |at| at + 1);
        let (earlier, turn) = items.split_at(begins);
        let first = turn
            .iter()
            .position(|item| matches!(item, Item::Assistant(_)));
        let (input, rest) = turn.split_at(first.unwrap_or(turn.len()));
        let mut recorded = VecDeque::new();
        for (at, item) in rest.iter().enumerate() {
            if let Item::Assistant(reply) = item {
                let after = &rest[at + 1..];
                recorded.extend(reply.calls.iter().filter_map(|call| {
                    let outcome = Outcome::of(&call.id, after)?;
                    Some(Recorded {
                        call: call.clone(),
                        outcome,
                    })
                }));
            }
        }
        Self {
            begins,
            history: earlier.iter().filter_map(said).collect(),
            input: input.iter().filter_map(words).collect(),
            recorded,
        }
    }
}

impl Outcome {
    /// What these items, which follow a call, tell of it; up to the next answer.
    pub fn of(call: &str, after: &[Item]) -> Option<Self> {
        let until = after
            .iter()
            .position(|item| matches!(item, Item::Assistant(_)));
        let after = &after[..until.unwrap_or(after.len())];
        let result = after.iter().find_map(|item| match item {
            Item::Result(result) if result.call == call => Some(result),
            _ => None,
        })?;
        Some(Self {
            text: result.text.clone(),
            is_error: result.is_error,
            meanwhile: after.iter().filter_map(words).collect(),
        })
    }
}

/// Whether nothing follows this in its turn: an answer without calls, or one
/// that asks the user.
fn ends_turn(item: &Item) -> bool {
    match item {
        Item::Assistant(reply) => reply.calls.is_empty() || reply.calls.iter().any(is_ask),
        _ => false,
    }
}

fn is_ask(call: &Call) -> bool {
    call.tool == "ask"
}

/// The words of the user's side.
fn words(item: &Item) -> Option<String> {
    match item {
        Item::User { text, .. } => Some(text.clone()),
        Item::Note(text) => Some(format!("<platform_note>{text}</platform_note>")),
        Item::Summary { text, .. } => Some(format!("<summary_so_far>\n{text}\n</summary_so_far>")),
        Item::Assistant(_) | Item::Result(_) => None,
    }
}

/// One side's words in the history.
fn said(item: &Item) -> Option<Value> {
    match item {
        Item::Assistant(reply) => {
            let text = spoken(reply);
            (!text.is_empty()).then(|| json!({ "role": "assistant", "content": text }))
        }
        item => words(item).map(|text| json!({ "role": "user", "content": text })),
    }
}

/// What the user heard of an answer.
fn spoken(reply: &Reply) -> String {
    let calls = reply
        .calls
        .iter()
        .filter(|call| is_ask(call) || call.tool == "say");
    let texts = calls.filter_map(|call| call.input["text"].as_str());
    let own = Some(reply.text.as_str()).filter(|text| !text.is_empty());
    own.into_iter().chain(texts).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use session::Stop;
    use session::transcript::ToolResult;

    use super::*;

    fn user(text: &str) -> Item {
        let text = text.to_owned();
        Item::User { seq: 1, text }
    }

    fn reply(text: &str, calls: &[(&str, &str, Value)]) -> Item {
        let call = |(id, tool, input): &(&str, &str, Value)| Call {
            id: (*id).to_owned(),
            tool: (*tool).to_owned(),
            input: input.clone(),
            unusable: None,
        };
        Item::Assistant(Arc::new(Reply {
            raw: "[]".into(),
            text: text.to_owned(),
            calls: calls.iter().map(call).collect(),
            stop: Stop::EndTurn,
            usage: None,
            request_id: None,
        }))
    }

    fn result(call: &str) -> Item {
        Item::Result(ToolResult {
            call: call.to_owned(),
            text: format!("of {call}"),
            is_error: false,
        })
    }

    #[test]
    fn a_turn_begins_after_the_last_answer_that_ended_one() {
        let none = Journal::of(&[]);
        assert_eq!(none, Journal::default());
        let items = [
            user("one"),
            reply("", &[("a", "say", json!({ "text": "said" }))]),
            result("a"),
            reply("done", &[]),
            user("two"),
            user("three"),
        ];
        let journal = Journal::of(&items);
        assert_eq!(
            (journal.begins, journal.input),
            (4, vec!["two".to_owned(), "three".to_owned()])
        );
        let contents: Vec<_> = journal
            .history
            .iter()
            .map(|said| said["content"].clone())
            .collect();
        assert_eq!(contents, ["one", "said", "done"]);
        assert!(journal.recorded.is_empty());
    }

    #[test]
    fn what_the_user_says_to_a_question_begins_a_turn() {
        let items = [
            user("one"),
            reply("", &[("a", "ask", json!({ "text": "which?" }))]),
            result("a"),
            user("that"),
        ];
        let journal = Journal::of(&items);
        assert_eq!(journal.input, ["that"]);
        assert_eq!(
            journal.history[1],
            json!({ "role": "assistant", "content": "which?" })
        );
    }

    #[test]
    fn calls_of_a_turn_are_recorded_with_what_was_said_meanwhile() {
        let bash = |id| reply("", &[(id, "bash", json!({ "command": id }))]);
        let items = [
            user("go"),
            bash("a"),
            result("a"),
            user("stop that"),
            bash("b"),
            result("b"),
            bash("c"),
        ];
        let journal = Journal::of(&items);
        let recorded: Vec<_> = journal.recorded.iter().map(|one| &*one.call.id).collect();
        assert_eq!(recorded, ["a", "b"], "of the last nothing is known");
        assert_eq!(journal.recorded[0].outcome.meanwhile, ["stop that"]);
        assert_eq!(journal.recorded[1].outcome.text, "of b");
        assert!(journal.recorded[1].outcome.meanwhile.is_empty());
        assert_eq!(journal.input, ["go"]);
    }
}
