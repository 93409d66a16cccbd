//! What a session waits on: since when, until when, and what happens then.
//! Computed like the duty, from facts; whoever looks sees the same.

use serde::{Deserialize, Serialize};

use crate::state::{Phase, State};
use crate::{Duty, Frozen, Millis, duty, tool};

/// What is waited on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An answer of the model.
    Model,
    /// The end of a tool call.
    Tool,
    /// A message from outside.
    Human,
    /// A free place among the running turns.
    Quota,
    /// A sandbox that is being made or restored.
    Sandbox,
    /// The next attempt of a model call that failed.
    Retry,
    /// A moment that was planned.
    Schedule,
}

/// A wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What for.
    pub what: What,
    /// Since when.
    pub since: Millis,
    /// Until when at the latest; `None` if nothing but a command ends it.
    pub deadline: Option<Millis>,
    /// What happens at the deadline, or what ends the wait; in words.
    pub next: String,
    /// The place in line: 1 is next. Known to the store, not to the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
}

/// What the session waits on at this moment; `None` for one that waits for
/// nothing in particular.
#[must_use]
pub fn waiting(frozen: &Frozen, state: &State, now: Millis) -> Option<Waiting> {
    let (what, deadline, next) = match state.phase() {
        Phase::Idle | Phase::Failed | Phase::Archived => return None,
        Phase::AwaitingInput => (What::Human, None, "a message starts the next turn"),
        Phase::Queued => (
            What::Quota,
            None,
            "the turn begins when a place among the running turns is free",
        ),
        Phase::Running => return running(frozen, state, now),
    };
    Some(Waiting {
        what,
        since: state.since,
        deadline,
        next: next.to_owned(),
        place: None,
    })
}

fn running(frozen: &Frozen, state: &State, now: Millis) -> Option<Waiting> {
    // A wait that was told is over at its deadline: what was to come then has come.
    let told = state.note.as_ref();
    if let Some(note) = told.filter(|note| note.deadline.is_none_or(|at| now < at)) {
        return Some(note.clone());
    }
    let end = duty::deadline(frozen, state);
    let (what, bound, at_bound) = match duty(frozen, state, now) {
        Duty::Act(open) => (
            What::Tool,
            tool::seconds(
                &open.call.tool,
                &open.call.input,
                frozen.bounds.tool_seconds,
            ),
            "the call is stopped, and the model is told",
        ),
        Duty::Rest | Duty::Begin | Duty::Think | Duty::Compact | Duty::End(_) => (
            What::Model,
            frozen.bounds.model_seconds,
            "the model is asked again",
        ),
    };
    let bound = i64::try_from(bound.saturating_mul(1000)).unwrap_or(i64::MAX);
    let own = Some(state.since.plus(bound));
    let turn_first = end.is_some_and(|end| own.is_none_or(|own| end <= own));
    let (deadline, next) = if turn_first {
        (end, "the turn ends with deadline_exceeded")
    } else {
        (own, at_bound)
    };
    Some(Waiting {
        what,
        since: state.since,
        deadline,
        next: next.to_owned(),
        place: None,
    })
}
