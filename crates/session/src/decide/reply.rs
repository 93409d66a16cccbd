//! The model answered: what it said, and what it wants done.

use std::sync::Arc;

use super::{Facts, Refusal, end, failed};
use crate::Frozen;
use crate::fact::{Fact, Failure, Family, Outcome, Receipt, Voice, YieldReason};
use crate::state::OpenTurn;
use crate::tool::{self, Kind};
use crate::transcript::{Call, Reply, Stop, ToolResult};

/// Answers in a row that the output limit may cut before the turn gives up.
const MOST_CUTS: u32 = 3;

pub(super) fn reply(facts: &mut Facts<'_>, saw: u64, reply: Arc<Reply>) -> Result<(), Refusal> {
    let turn = facts.turn()?;
    if turn.open.is_some() || !turn.pending.is_empty() {
        return Err(Refusal::NotOpen);
    }
    let (stop, text, calls) = (
        reply.stop,
        reply.text.trim().to_owned(),
        !reply.calls.is_empty(),
    );
    let reply = rated(facts.frozen, reply);
    facts.add(Fact::ModelCompleted { saw, reply });
    // What a refused answer asked for is not carried out; the end of the turn
    // closes its calls.
    if calls && stop != Stop::Refusal {
        if !text.is_empty() {
            facts.add(Fact::AgentMessage {
                text,
                voice: Voice::Narration,
            });
        }
        proceed(facts);
    } else {
        answered(facts, stop, text);
    }
    Ok(())
}

/// The answer, its tokens told apart by whether its prompt was long.
fn rated(frozen: &Frozen, reply: Arc<Reply>) -> Arc<Reply> {
    let usage = reply.usage.map(|used| frozen.rated(used));
    if usage == reply.usage {
        return reply;
    }
    Arc::new(Reply {
        usage,
        ..Arc::unwrap_or_clone(reply)
    })
}

/// An answer without calls.
fn answered(facts: &mut Facts<'_>, stop: Stop, text: String) {
    let said = facts
        .state
        .turn
        .as_ref()
        .is_some_and(|turn| turn.said.is_some());
    let last = matches!(stop, Stop::EndTurn | Stop::ToolUse);
    let voice = if last && !said {
        Voice::Answer
    } else {
        Voice::Narration
    };
    if !text.is_empty() {
        facts.add(Fact::AgentMessage { text, voice });
    }
    match stop {
        Stop::EndTurn | Stop::ToolUse => end::close(facts, YieldReason::Completed, None),
        Stop::Pause => {}
        Stop::MaxTokens => {
            if facts
                .state
                .turn
                .as_ref()
                .is_some_and(|turn| turn.cuts > MOST_CUTS)
            {
                failed::fail(
                    facts,
                    failure(
                        "max_tokens",
                        "The model's answers were cut at the output limit again and again.",
                    ),
                );
            }
        }
        Stop::Refusal => failed::fail(facts, failure("refusal", "The model declined to answer.")),
        Stop::ContextFull => {
            // A summary helps only where there is more than this one answer to
            // summarise.
            if facts.state.context.answers <= 1 {
                let text = "The input does not fit the model's context window.";
                failed::fail(facts, failure("context_full", text));
            }
        }
    }
}

fn failure(code: &str, message: &str) -> Failure {
    Failure {
        family: Family::Model,
        code: code.to_owned(),
        message: message.to_owned(),
        retriable: false,
    }
}

/// Goes through the calls that wait: what the rules can carry out is done, and
/// the first that needs hands gets its intent written. A turn that was asked to
/// stop begins nothing more.
pub(super) fn proceed(facts: &mut Facts<'_>) {
    let stopping = |turn: &OpenTurn| turn.cancel.is_some();
    if facts.state.turn.as_ref().is_some_and(stopping) {
        return;
    }
    while let Some(call) = facts
        .state
        .turn
        .as_ref()
        .and_then(|turn| turn.pending.front().cloned())
    {
        if let Some(why) = call.unusable.clone() {
            refuse(facts, call, why);
            continue;
        }
        match tool::kind(&call.tool) {
            None => {
                let why = format!(
                    "There is no tool `{}`. The tools are: {}.",
                    call.tool,
                    tool::NAMES.join(", ")
                );
                refuse(facts, call, why);
            }
            Some(kind @ (Kind::Say | Kind::Ask)) => speak(facts, call, kind),
            Some(Kind::Exec | Kind::Read | Kind::Write) => {
                facts.add(Fact::ToolCall(call));
                return;
            }
        }
    }
    if facts.state.turn.as_ref().is_some_and(|turn| turn.asked) {
        end::close(facts, YieldReason::NeedsInput, None);
    }
}

fn speak(facts: &mut Facts<'_>, call: Call, kind: Kind) {
    // `question` is what some models call the text of `ask`.
    let text = ["text", "question", "message"]
        .iter()
        .find_map(|key| call.input.get(key)?.as_str());
    let text = text
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned);
    let Some(text) = text else {
        let why = "`text` is missing: give what to say as a string.";
        return refuse(facts, call, why.to_owned());
    };
    let voice = match kind {
        Kind::Ask => Voice::Ask(call.id),
        _ => Voice::Say(call.id),
    };
    facts.add(Fact::AgentMessage { text, voice });
}

/// A call that cannot run gets its result at once.
fn refuse(facts: &mut Facts<'_>, call: Call, why: String) {
    let command = tool::summary(&call.tool, &call.input);
    facts.add(Fact::ToolDone(Receipt {
        tool: call.tool,
        command,
        result: ToolResult {
            call: call.id,
            text: why,
            is_error: true,
        },
        outcome: Outcome::NotRun,
        output: None,
        bytes: 0,
        duration_ms: None,
        known: None,
        repeat: None,
    }));
}
