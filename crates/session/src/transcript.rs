//! What the model has seen and said, in the order it saw it.
//!
//! The transcript is folded from the log and is append-only between
//! compactions: providers bind signed thinking to the exact bytes before it,
//! so a later fact never changes an earlier item. Two facts can race: a message
//! that arrives while the model is answering has a lower number than the
//! answer, though the model had not seen it. Each reply therefore names the
//! highest number it `saw`; what came later stands behind the reply.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::usage::Tokens;

/// One tool call as the model asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The provider's call id; also the idempotency key of the exec.
    pub id: String,
    /// The tool's name.
    pub tool: String,
    /// The arguments, as the model gave them.
    pub input: Value,
    /// Set when the call must not run: the reply was cut inside it, or its
    /// arguments were no JSON. The text says why, in words for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It said all it wanted.
    EndTurn,
    /// It wants its calls carried out.
    ToolUse,
    /// The output limit cut it.
    MaxTokens,
    /// The provider asks to be called again with the content as it is.
    Pause,
    /// It declined to answer.
    Refusal,
    /// The context window is full.
    ContextFull,
}

/// One finished answer of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The provider's content array as JSON text, byte for byte.
    pub raw: Arc<str>,
    /// All text of the answer, joined.
    pub text: String,
    /// The calls, in order.
    pub calls: Vec<Call>,
    /// Why it stopped.
    pub stop: Stop,
    /// Tokens used; `None` if the provider did not say.
    pub usage: Option<Tokens>,
    /// The provider's id of the request, for support.
    pub request_id: Option<String>,
}

impl Reply {
    /// Whether the provider refused the question because it is too long for the
    /// window, and so nothing was answered at all.
    #[must_use]
    pub fn is_refused_for_length(&self) -> bool {
        self.stop == Stop::ContextFull && self.text.is_empty() && self.calls.is_empty()
    }
}

/// One thing the model has seen or said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Item {
    /// A message from outside.
    User {
        /// The event's number.
        seq: u64,
        /// The text.
        text: String,
    },
    /// A word from the platform to the model, sent in the user's role.
    Note(String),
    /// An answer of the model.
    Assistant(Arc<Reply>),
    /// What came of a call of the answer before.
    Result(ToolResult),
    /// Stands for everything before it, after a compaction.
    Summary {
        /// What the model wrote down.
        text: String,
        /// Answers given since the newest user message that was kept: a
        /// scripted model counts on from here.
        replies: u64,
    },
}

/// What the model is told came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call's id.
    pub call: String,
    /// The text for the model, already capped.
    pub text: String,
    /// Whether the call failed.
    pub is_error: bool,
}

/// Everything the model has seen and said, and what it will see next.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Transcript {
    items: Vec<Item>,
    /// Arrived, not yet seen by the model; in order of arrival.
    unseen: VecDeque<(u64, Item)>,
    /// Calls of the newest answer that have no result yet.
    open: Vec<String>,
    /// Tokens the newest answer had in view, its own output included.
    context: u64,
    /// The first message of the session.
    first: Option<String>,
}

impl Transcript {
    /// What the next model call is to see: all items, then what is unseen.
    #[must_use]
    pub fn view(&self) -> Vec<Item> {
        self.items
            .iter()
            .cloned()
            .chain(self.unseen.iter().map(|(_, item)| item.clone()))
            .collect()
    }

    /// The newest message texts the model has not seen yet.
    pub fn unseen_messages(&self) -> impl Iterator<Item = (u64, &str)> {
        self.unseen.iter().filter_map(|(seq, item)| match item {
            Item::User { text, .. } => Some((*seq, text.as_str())),
            _ => None,
        })
    }

    /// The first message of the session, whatever was summarised since.
    #[must_use]
    pub fn first_message(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// Tokens in the model's view at its newest answer.
    #[must_use]
    pub fn context(&self) -> u64 {
        self.context
    }

    pub(crate) fn message(&mut self, seq: u64, text: String) {
        if self.first.is_none() {
            self.first = Some(text.clone());
        }
        self.unseen.push_back((seq, Item::User { seq, text }));
    }

    pub(crate) fn note(&mut self, seq: u64, text: String) {
        self.unseen.push_back((seq, Item::Note(text)));
    }

    /// Results go before messages that arrived meanwhile: a provider wants
    /// them first after the calls.
    pub(crate) fn result(&mut self, seq: u64, result: ToolResult) {
        self.open.retain(|id| *id != result.call);
        let at = self
            .unseen
            .iter()
            .take_while(|(_, item)| matches!(item, Item::Result(_)))
            .count();
        self.unseen.insert(at, (seq, Item::Result(result)));
    }

    /// Takes in an answer given after seeing everything up to number `saw`.
    pub(crate) fn reply(&mut self, saw: u64, reply: Arc<Reply>) {
        let mut later = VecDeque::new();
        for (seq, item) in self.unseen.drain(..) {
            // A result can carry a higher number than a message before it, yet
            // was seen with it: results are always in view when we ask.
            if seq <= saw {
                self.items.push(item)
            } else {
                later.push_back((seq, item))
            }
        }
        self.unseen = later;
        self.open = reply.calls.iter().map(|call| call.id.clone()).collect();
        if let Some(usage) = reply.usage {
            self.context = usage.total();
        }
        self.items.push(Item::Assistant(reply));
    }

    /// Closes calls that will never run, so that each call has its result.
    pub(crate) fn close(&mut self, seq: u64, why: &str) {
        for call in std::mem::take(&mut self.open) {
            self.result(
                seq,
                ToolResult {
                    call,
                    text: why.to_owned(),
                    is_error: true,
                },
            );
        }
    }

    /// Puts a summary in the place of everything the model saw up to `saw`.
    /// Messages that no answer followed yet are kept as they were said, and
    /// the newest one before them.
    pub(crate) fn compact(&mut self, saw: u64, summary: String) {
        self.unseen
            .retain(|(seq, item)| *seq > saw || matches!(item, Item::User { .. }));
        let newest = self
            .items
            .iter()
            .rposition(|item| matches!(item, Item::User { .. }));
        let replies = self.replies_since(newest);
        let kept = newest.map(|at| self.items.swap_remove(at));
        self.items.clear();
        self.items.push(Item::Summary {
            text: summary,
            replies,
        });
        self.items.extend(kept);
        self.context = 0;
    }

    /// Answers after position `from`, those counted by a summary included.
    fn replies_since(&self, from: Option<usize>) -> u64 {
        let counted = |item: &Item| match item {
            Item::Assistant(reply) if !reply.is_refused_for_length() => 1,
            Item::Assistant(_)
            | Item::Summary { .. }
            | Item::User { .. }
            | Item::Note(_)
            | Item::Result(_) => 0,
        };
        let after: u64 = self
            .items
            .iter()
            .skip(from.map_or(0, |at| at + 1))
            .map(counted)
            .sum();
        let before = self
            .items
            .iter()
            .take(from.unwrap_or(0))
            .map(|item| match item {
                Item::Summary { replies, .. } => *replies,
                _ => 0,
            });
        // A summary directly before the kept message counted for that message.
        let directly = from == Some(1);
        after + if directly { before.sum() } else { 0 }
    }
}
