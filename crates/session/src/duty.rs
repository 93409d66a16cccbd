//! The duty: what must be happening now, computed from facts and the clock.
//! Starting, resuming after a crash and failing over all begin by asking it.

use crate::fact::YieldReason;
use crate::state::{OpenCall, OpenTurn, State};
use crate::{Frozen, Millis};

/// Part of the context window, in percent, at which a conversation is
/// summarised; the rest is room for the answer and the summary itself.
const NEARLY_FULL: u64 = 80;

/// What must be happening now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duty {
    /// Nothing, until a command comes.
    Rest,
    /// Begin the turn that waits.
    Begin,
    /// Ask the model.
    Think,
    /// Summarise the conversation, then ask the model.
    Compact,
    /// Carry out this call, or find out what became of it.
    Act(Box<OpenCall>),
    /// End the turn; if a call is open, stop it first.
    End(YieldReason),
}

/// The duty of a session in this state at this moment.
#[must_use]
pub fn duty(frozen: &Frozen, state: &State, now: Millis) -> Duty {
    if state.archived {
        return Duty::Rest;
    }
    match &state.turn {
        Some(turn) => in_turn(frozen, state, turn, now),
        None if state.waiting.is_empty() => Duty::Rest,
        None => Duty::Begin,
    }
}

/// When the open turn must have come to rest.
#[must_use]
pub fn deadline(frozen: &Frozen, state: &State) -> Option<Millis> {
    state
        .turn
        .as_ref()
        .map(|turn| turn.started.plus(turn_ms(frozen, state)))
}

/// Milliseconds one turn may take.
fn turn_ms(frozen: &Frozen, state: &State) -> i64 {
    let wanted = state.limits(frozen).turn_seconds.unwrap_or(u64::MAX);
    let seconds = wanted.min(frozen.bounds.turn_seconds);
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

fn in_turn(frozen: &Frozen, state: &State, turn: &OpenTurn, now: Millis) -> Duty {
    if turn.cancel.is_some() {
        return Duty::End(YieldReason::Canceled);
    }
    if now.since(turn.started) >= turn_ms(frozen, state) {
        return Duty::End(YieldReason::DeadlineExceeded);
    }
    if let Some(open) = &turn.open {
        return Duty::Act(Box::new(open.clone()));
    }
    if state.spent(frozen) {
        return Duty::End(YieldReason::BudgetExceeded);
    }
    let steps = state.limits(frozen).steps.unwrap_or(u32::MAX);
    if turn.steps >= steps.min(frozen.bounds.steps) {
        return Duty::End(YieldReason::MaxTurns);
    }
    if state.context.full || nearly_full(state.context.tokens, frozen.bounds.window) {
        return Duty::Compact;
    }
    Duty::Think
}

fn nearly_full(context: u64, window: u64) -> bool {
    context.saturating_mul(100) >= window.saturating_mul(NEARLY_FULL)
}
