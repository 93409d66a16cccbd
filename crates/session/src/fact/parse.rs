//! From an event back to the fact it was drafted from.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Fact, Failure, Family, Gated, Message, Outcome, Receipt, TurnEnd, Voice, YieldReason};
use crate::event::Event;
use crate::{Call, id, usage::Tokens};

/// An event that says it is of a kind we know, and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {id} ({kind}) has no usable `{field}`")]
pub struct ParseError {
    /// The event's id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// What is missing or wrong.
    pub field: &'static str,
}

impl Fact {
    /// Reads the fact that an event holds.
    ///
    /// # Errors
    /// If the event is of a kind we know but was not written by us.
    pub fn parse(event: &Event) -> Result<Self, ParseError> {
        read(event).map_err(|field| ParseError {
            id: event.id.clone(),
            kind: event.draft.kind.clone(),
            field,
        })
    }
}

fn read(event: &Event) -> Result<Fact, &'static str> {
    let body = &event.draft.body;
    Ok(match event.draft.kind.as_str() {
        "user.message" => Fact::UserMessage(Message {
            text: whole_text(event)?,
            raw: body.get("raw").cloned(),
            interrupt: body
                .get("interrupt")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        }),
        "http.request" => Fact::Requested {
            payload: payload(event)?,
        },
        "turn.started" => Fact::TurnStarted {
            number: number_of(event)?,
            from: number(body, "input_from_seq")?,
            to: number(body, "input_to_seq")?,
        },
        "model.completed" => Fact::ModelCompleted {
            saw: number(body, "saw_seq")?,
            reply: private(event)?,
        },
        "tool.call" => Fact::ToolCall(Call {
            id: text(body, "call_id")?,
            tool: text(body, "tool")?,
            input: Value::Null,
            unusable: None,
        }),
        "exec.completed" | "tool.result" | "tool.indeterminate" => Fact::ToolDone(receipt(event)?),
        "agent.message" => Fact::AgentMessage {
            text: text(body, "text")?,
            voice: private::<Voice>(event)?,
        },
        "error.model" => failed(event, Family::Model)?,
        "error.runtime" => failed(event, Family::Runtime)?,
        "error.task" => failed(event, Family::Task)?,
        "session.cancel_requested" => Fact::CancelRequested,
        "session.archived" => Fact::Archived,
        "context.compacted" => Fact::Compacted {
            saw: number(body, "through_seq")?,
            summary: text(&private::<Map<String, Value>>(event)?, "summary")?,
            usage: body
                .get("usage")
                .and_then(|usage| serde_json::from_value(usage.clone()).ok()),
        },
        "turn.completed" => Fact::TurnCompleted(turn_end(event)?),
        _ => return noted(event),
    })
}

/// What the platform noted about the session itself.
fn noted(event: &Event) -> Result<Fact, &'static str> {
    let body = &event.draft.body;
    Ok(match event.draft.kind.as_str() {
        "session.recovered" => Fact::Recovered(whole(body, "reason")?),
        "session.handed_over" => Fact::HandedOver,
        "model.cut" => Fact::ModelCut {
            charged: body
                .get("charged")
                .and_then(|charged| serde_json::from_value(charged.clone()).ok())
                .ok_or("charged")?,
        },
        "session.waiting" => Fact::Waiting(whole(body, "what")?),
        "session.continued" => Fact::Continued {
            number: count(body, "number")?,
            of: count(body, "of")?,
        },
        "session.limits_changed" => Fact::LimitsChanged(private(event)?),
        "session.forked" => Fact::Forked {
            from: text(body, "from_session")?,
            at: number(body, "at_seq")?,
            checkpoint: body
                .get("checkpoint")
                .and_then(|files| serde_json::from_value(files.clone()).ok()),
        },
        "checkpoint.created" => Fact::Checkpointed(whole(body, "checkpoint_id")?),
        "sandbox.hibernated" => Fact::Hibernated {
            checkpoint: text(body, "checkpoint_id")?,
        },
        "sandbox.started" => Fact::SandboxStarted {
            sandbox: text(body, "sandbox_id")?,
        },
        "sandbox.restored" => Fact::Restored(whole(body, "as_of_seq")?),
        "egress.denied" => Fact::Gated(whole(body, "host")?),
        "egress.granted" => Fact::Gated(Gated {
            granted: true,
            ..whole(body, "host")?
        }),
        _ => Fact::Unknown,
    })
}

/// The body as a whole; `field` is named if it is none of that kind.
fn whole<T: DeserializeOwned>(
    body: &Map<String, Value>,
    field: &'static str,
) -> Result<T, &'static str> {
    serde_json::from_value(Value::Object(body.clone())).map_err(|_| field)
}

fn count(body: &Map<String, Value>, field: &'static str) -> Result<u32, &'static str> {
    u32::try_from(number(body, field)?).map_err(|_| field)
}

/// The text of a message: a long one stands whole only in the private part.
fn whole_text(event: &Event) -> Result<String, &'static str> {
    if event.draft.private.is_some() {
        return text(&private(event)?, "text");
    }
    text(&event.draft.body, "text")
}

/// What a program sent: a large one stands whole only in the private part.
fn payload(event: &Event) -> Result<Value, &'static str> {
    let private = match event.draft.private {
        Some(_) => Some(private::<Map<String, Value>>(event)?),
        None => None,
    };
    let body = private.as_ref().unwrap_or(&event.draft.body);
    body.get("payload").cloned().ok_or("payload")
}

fn receipt(event: &Event) -> Result<Receipt, &'static str> {
    let body = &event.draft.body;
    let outcome: Outcome =
        serde_json::from_value(Value::Object(body.clone())).map_err(|_| "outcome")?;
    Ok(Receipt {
        tool: text(body, "tool")?,
        command: text(body, "command")?,
        result: private(event)?,
        outcome,
        output: None,
        bytes: number(body, "bytes")?,
        duration_ms: body.get("duration_ms").and_then(Value::as_u64),
        known: None,
        repeat: private::<Counted>(event)?.repeat,
    })
}

/// The part of a receipt that only the rules read.
#[derive(serde::Deserialize)]
struct Counted {
    #[serde(default)]
    repeat: Option<crate::state::Repeat>,
}

fn turn_end(event: &Event) -> Result<TurnEnd, &'static str> {
    let body = &event.draft.body;
    let usage = body.get("usage").cloned().unwrap_or_default();
    let reported = usage
        .get("reported")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let complete = usage
        .get("complete")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    let tokens: Option<Tokens> = if reported {
        serde_json::from_value(usage).ok()
    } else {
        None
    };
    let result = body.get("result_event_id").and_then(Value::as_str);
    Ok(TurnEnd {
        number: number_of(event)?,
        reason: YieldReason::named(&text(body, "yield_reason")?).ok_or("yield_reason")?,
        result: result.and_then(id::origin).map(|(_, seq)| seq),
        usage: tokens,
        complete,
        error: body
            .get("error")
            .and_then(|error| serde_json::from_value(error.clone()).ok()),
    })
}

fn failed(event: &Event, family: Family) -> Result<Fact, &'static str> {
    let body = Value::Object(event.draft.body.clone());
    let failure: Failure = serde_json::from_value(body).map_err(|_| "code")?;
    Ok(Fact::Failed(Failure { family, ..failure }))
}

fn number_of(event: &Event) -> Result<u32, &'static str> {
    // Facts before a fork keep the ids of the session they were written in.
    let id = text(&event.draft.body, "turn_id")?;
    let number = id::origin(&id).map(|(_, number)| number);
    number
        .and_then(|number| u32::try_from(number).ok())
        .ok_or("turn_id")
}

fn text(body: &Map<String, Value>, field: &'static str) -> Result<String, &'static str> {
    body.get(field)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or(field)
}

fn number(body: &Map<String, Value>, field: &'static str) -> Result<u64, &'static str> {
    body.get(field).and_then(Value::as_u64).ok_or(field)
}

fn private<T: DeserializeOwned>(event: &Event) -> Result<T, &'static str> {
    let text = event.draft.private.as_deref().ok_or("private")?;
    serde_json::from_str(text).map_err(|_| "private")
}
