//! From a fact to an event: what the wire shows of it, and what stays private.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Fact, Failure, Family, Message, Outcome, Receipt, TurnEnd, Voice};
use crate::event::{Actor, Draft, INLINE, Level};
use crate::transcript::{Call, Reply};
use crate::{id, tool};

/// Bytes of a text that stand in an event's body where the whole does not.
const SHOWN: usize = 24 * 1024;
/// Most characters of output in a summary line.
const SUMMARY: usize = 400;

impl Fact {
    /// The event this fact is written as. `turn` is the open turn's id.
    #[must_use]
    pub fn draft(&self, session: &str, turn: Option<String>) -> Draft {
        use Level::{Internal, Progress, User};
        let (kind, level, actor, body, private) = match self {
            Self::UserMessage(m) => (
                "user.message",
                User,
                Actor::human(),
                message(m),
                long(&m.text).map(|text| json!({ "text": text })),
            ),
            Self::TurnStarted { number, from, to } => {
                let body = json!({ "turn_id": id::turn(session, *number), "input_from_seq": from, "input_to_seq": to });
                ("turn.started", Progress, Actor::system(), body, None)
            }
            Self::ModelCompleted { saw, reply } => {
                let private = serde_json::to_value(&**reply).unwrap_or_default();
                (
                    "model.completed",
                    Internal,
                    Actor::agent(),
                    model(*saw, reply),
                    Some(private),
                )
            }
            Self::ToolCall(call) => ("tool.call", Internal, Actor::agent(), tool_call(call), None),
            Self::ToolDone(r) => (
                done_kind(r),
                done_level(r),
                Actor::system(),
                done(r),
                Some(json!(r.result)),
            ),
            Self::AgentMessage { text, voice } => {
                let level = if *voice == Voice::Narration {
                    Progress
                } else {
                    User
                };
                (
                    "agent.message",
                    level,
                    Actor::agent(),
                    json!({ "text": shown(text) }),
                    Some(json!(voice)),
                )
            }
            Self::Failed(failure) => (
                family(failure.family),
                User,
                Actor::system(),
                json!(failure),
                None,
            ),
            Self::CancelRequested => (
                "session.cancel_requested",
                Progress,
                Actor::human(),
                json!({}),
                None,
            ),
            Self::Compacted {
                saw,
                summary,
                usage,
            } => {
                let body = json!({ "through_seq": saw, "usage": usage,
                    "summary": "The conversation came near the model's context window and was summarised." });
                (
                    "context.compacted",
                    Progress,
                    Actor::system(),
                    body,
                    Some(json!({ "summary": summary })),
                )
            }
            Self::TurnCompleted(end) => (
                "turn.completed",
                User,
                Actor::system(),
                turn_end(session, end),
                None,
            ),
            Self::Archived => (
                "session.archived",
                Progress,
                Actor::human(),
                json!({}),
                None,
            ),
            Self::Unknown => ("unknown", Internal, Actor::system(), json!({}), None),
        };
        let attached = match self {
            Self::ToolDone(receipt) => receipt
                .output
                .clone()
                .or_else(|| whole(&receipt.result.text)),
            Self::UserMessage(Message { text, .. }) | Self::AgentMessage { text, .. } => {
                whole(text)
            }
            _ => None,
        };
        Draft {
            turn,
            kind: kind.to_owned(),
            level,
            actor,
            body: object(body),
            refs: Map::new(),
            private: private.map(|value| value.to_string()),
            attached,
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn message(m: &Message) -> Value {
    let mut body = json!({ "text": shown(&m.text) });
    if let Some(raw) = &m.raw {
        body["raw"] = raw.clone();
    }
    if m.interrupt {
        body["interrupt"] = true.into();
    }
    body
}

fn model(saw: u64, reply: &Reply) -> Value {
    let mut body =
        json!({ "saw_seq": saw, "stop_reason": reply.stop, "tool_calls": reply.calls.len() });
    if let Some(usage) = reply.usage {
        body["usage"] = json!(usage);
    }
    if let Some(request) = &reply.request_id {
        body["request_id"] = request.as_str().into();
    }
    body
}

fn tool_call(call: &Call) -> Value {
    json!({ "call_id": call.id, "tool": call.tool, "args_summary": tool::summary(&call.tool, &call.input) })
}

fn done_kind(receipt: &Receipt) -> &'static str {
    match (&receipt.outcome, tool::kind(&receipt.tool)) {
        (Outcome::Indeterminate, _) => "tool.indeterminate",
        (Outcome::NotRun, _) => "tool.result",
        (_, Some(tool::Kind::Exec)) => "exec.completed",
        _ => "tool.result",
    }
}

fn done_level(receipt: &Receipt) -> Level {
    if receipt.outcome == Outcome::Indeterminate {
        Level::Progress
    } else {
        Level::Internal
    }
}

fn done(receipt: &Receipt) -> Value {
    let text = &receipt.result.text;
    let mut body = json!({
        "call_id": receipt.result.call,
        "tool": receipt.tool,
        "command": receipt.command,
        "summary": cut(text, SUMMARY),
        "output": shown(text),
        "bytes": receipt.bytes,
        "is_error": receipt.result.is_error,
    });
    if let Value::Object(more) = json!(receipt.outcome) {
        for (key, value) in more {
            body[key] = value;
        }
    }
    if let Some(ms) = receipt.duration_ms {
        body["duration_ms"] = ms.into();
    }
    body
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Model => "error.model",
        Family::Runtime => "error.runtime",
        Family::Task => "error.task",
    }
}

fn turn_end(session: &str, end: &TurnEnd) -> Value {
    let reason = end.reason.name();
    let mut body = json!({ "turn_id": id::turn(session, end.number), "yield_reason": reason, "outcome": reason });
    if let Some(seq) = end.result {
        body["result_event_id"] = id::event(session, seq).into();
    }
    body["usage"] = end.usage.map_or_else(
        || json!({ "reported": false }),
        |tokens| {
            let mut usage = json!(tokens);
            usage["reported"] = true.into();
            usage["tokens"] = tokens.total().into();
            if !end.complete {
                usage["complete"] = false.into();
            }
            usage
        },
    );
    if let Some(Failure {
        code,
        message,
        retriable,
        ..
    }) = &end.error
    {
        body["error"] = json!({ "code": code, "message": message, "retriable": retriable });
    }
    body
}

/// The text, if it is more than may stand in a body.
fn long(text: &str) -> Option<&str> {
    (text.len() > INLINE).then_some(text)
}

/// What is attached to a body that shows only part of the text.
fn whole(text: &str) -> Option<Arc<[u8]>> {
    long(text).map(|text| text.as_bytes().into())
}

/// The text, or as much of it as stands in a body.
fn shown(text: &str) -> String {
    match long(text) {
        None => text.to_owned(),
        Some(text) => format!("{}…", &text[..text.floor_char_boundary(SHOWN)]),
    }
}

/// The text, or its first characters and an ellipsis.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
