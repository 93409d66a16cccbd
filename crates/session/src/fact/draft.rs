//! From a fact to an event: what the wire shows of it, and what stays private.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Fact, Failure, Family, Message, Outcome, Receipt, TurnEnd, Voice};
use crate::event::{Actor, Draft, INLINE, Level};
use crate::transcript::{Call, Reply};
use crate::usage::Tokens;
use crate::{Limits, Waiting, excerpt, id, tool};

/// Bytes of a text that stand in an event's body where the whole does not.
const SHOWN: usize = 24 * 1024;
/// Most characters of output in a summary line.
const SUMMARY: usize = 400;

/// What an event says of a fact.
struct Words {
    actor: Actor,
    kind: &'static str,
    level: Level,
    body: Value,
    private: Option<Value>,
}

impl Words {
    fn of(actor: Actor, kind: &'static str, level: Level, body: Value) -> Self {
        Self {
            actor,
            kind,
            level,
            body,
            private: None,
        }
    }

    fn private(self, private: Option<Value>) -> Self {
        Self { private, ..self }
    }
}

impl Fact {
    /// The event this fact is written as. `turn` is the open turn's id.
    #[must_use]
    pub fn draft(&self, session: &str, turn: Option<String>) -> Draft {
        let words = self.words(session);
        Draft {
            turn,
            kind: words.kind.to_owned(),
            level: words.level,
            actor: words.actor,
            body: object(words.body),
            refs: Map::new(),
            private: words.private.map(|value| value.to_string()),
            attached: self.attached(),
        }
    }

    fn words(&self, session: &str) -> Words {
        use Level::{Internal, Progress, User};
        let (human, agent, system) = (Actor::human, Actor::agent, Actor::system);
        match self {
            Self::UserMessage(m) => Words::of(human(), "user.message", User, message(m))
                .private(long(&m.text).map(|text| json!({ "text": text }))),
            Self::Requested { payload } => requested(payload),
            Self::TurnStarted { number, from, to } => {
                let turn = id::turn(session, *number);
                let body = json!({ "turn_id": turn, "input_from_seq": from, "input_to_seq": to });
                Words::of(system(), "turn.started", Progress, body)
            }
            Self::ModelCompleted { saw, reply } => {
                Words::of(agent(), "model.completed", Internal, model(*saw, reply))
                    .private(Some(serde_json::to_value(&**reply).unwrap_or_default()))
            }
            Self::ToolCall(call) => Words::of(agent(), "tool.call", Internal, tool_call(call)),
            Self::ToolDone(r) => {
                Words::of(system(), done_kind(r), done_level(r), done(r)).private(Some(result(r)))
            }
            Self::AgentMessage { text, voice } => spoken(text, voice),
            Self::Failed(failure) => {
                Words::of(system(), family(failure.family), User, json!(failure))
            }
            Self::CancelRequested => {
                Words::of(human(), "session.cancel_requested", Progress, json!({}))
            }
            Self::Compacted {
                saw,
                summary,
                usage,
            } => compacted(*saw, summary, *usage),
            Self::TurnCompleted(end) => {
                Words::of(system(), "turn.completed", User, turn_end(session, end))
            }
            Self::Archived => Words::of(human(), "session.archived", Progress, json!({})),
            Self::Unknown => Words::of(system(), "unknown", Internal, json!({})),
            noted => noted_words(noted),
        }
    }

    /// The whole of what the body shows in part.
    fn attached(&self) -> Option<Arc<[u8]>> {
        match self {
            Self::ToolDone(receipt) => {
                let output = receipt.output.clone();
                output.or_else(|| whole(&receipt.result.text))
            }
            Self::UserMessage(Message { text, .. }) | Self::AgentMessage { text, .. } => {
                whole(text)
            }
            _ => None,
        }
    }
}

/// What the platform notes about the session itself.
fn noted_words(fact: &Fact) -> Words {
    use Level::{Internal, Progress};
    let (kind, level, body) = match fact {
        Fact::Recovered(recovery) => ("session.recovered", Progress, json!(recovery)),
        Fact::HandedOver => ("session.handed_over", Internal, json!({})),
        Fact::ModelCut { charged } => ("model.cut", Internal, json!({ "charged": charged })),
        Fact::Waiting(waiting) => ("session.waiting", Progress, waited(waiting)),
        Fact::Continued { number, of } => {
            let body = json!({ "number": number, "of": of });
            ("session.continued", Progress, body)
        }
        Fact::LimitsChanged(limits) => {
            let body = json!({ "limits": shown_limits(limits) });
            let private = json!(limits);
            return Words::of(Actor::human(), "session.limits_changed", Progress, body)
                .private(Some(private));
        }
        Fact::Forked {
            from,
            at,
            checkpoint,
        } => {
            let body = json!({ "from_session": from, "at_seq": at, "checkpoint": checkpoint });
            ("session.forked", Progress, body)
        }
        Fact::Checkpointed(made) => ("checkpoint.created", Internal, json!(made)),
        Fact::Hibernated { checkpoint } => {
            let body = json!({ "checkpoint_id": checkpoint });
            ("sandbox.hibernated", Internal, body)
        }
        Fact::SandboxStarted { sandbox } => {
            let body = json!({ "sandbox_id": sandbox });
            ("sandbox.started", Internal, body)
        }
        Fact::Restored(restored) => ("sandbox.restored", Internal, json!(restored)),
        Fact::Gated(gated) if gated.granted => ("egress.granted", Internal, json!(gated)),
        Fact::Gated(gated) => ("egress.denied", Internal, json!(gated)),
        _ => ("unknown", Internal, json!({})),
    };
    Words::of(Actor::system(), kind, level, body)
}

/// Moments in a body are milliseconds since the epoch, like all of the log's;
/// a face renders them.
fn waited(waiting: &Waiting) -> Value {
    json!(waiting)
}

/// Limits as people write them: money in dollars.
fn shown_limits(limits: &Limits) -> Value {
    let mut shown = json!(limits);
    if let Some(usd) = limits.usd {
        shown["usd"] = usd.as_dollars().into();
    }
    shown
}

fn spoken(text: &str, voice: &Voice) -> Words {
    let level = match voice {
        Voice::Narration => Level::Progress,
        Voice::Answer | Voice::Say(_) | Voice::Ask(_) => Level::User,
    };
    let body = json!({ "text": shown(text) });
    Words::of(Actor::agent(), "agent.message", level, body).private(Some(json!(voice)))
}

fn compacted(saw: u64, summary: &str, usage: Option<Tokens>) -> Words {
    let text = "The conversation came near the model's context window and was summarised.";
    let body = json!({ "through_seq": saw, "usage": usage, "summary": text });
    Words::of(Actor::system(), "context.compacted", Level::Progress, body)
        .private(Some(json!({ "summary": summary })))
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

/// What a program sent. A body over the limit is put away by whoever keeps it: what
/// the fold needs of it then stands in the private part.
fn requested(payload: &Value) -> Words {
    let body = json!({ "payload": payload });
    let private = (body.to_string().len() > INLINE).then(|| body.clone());
    Words::of(Actor::human(), "http.request", Level::User, body).private(private)
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

/// What the brain and the rules read back of a receipt.
fn result(receipt: &Receipt) -> Value {
    let mut result = json!(receipt.result);
    if let Some(repeat) = receipt.repeat {
        result["repeat"] = json!(repeat);
    }
    result
}

fn done(receipt: &Receipt) -> Value {
    let text = &receipt.result.text;
    let mut body = json!({
        "call_id": receipt.result.call,
        "tool": receipt.tool,
        "command": receipt.command,
        "summary": cut(text, SUMMARY),
        "output": ends(text, receipt.bytes),
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
    if let Some(Value::Object(known)) = receipt.known.as_ref().map(|known| json!(known)) {
        for (key, value) in known {
            body[key] = value;
        }
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

/// The output, or as much of its two ends as stands in a body; `all` bytes were
/// written.
fn ends(text: &str, all: u64) -> String {
    long(text).map_or_else(|| text.to_owned(), |text| excerpt(text, SHOWN, all))
}

/// The text, or its first characters and an ellipsis.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
