//! A turn begins: it takes all inputs that wait. One that may do nothing,
//! because a limit is spent, ends in the same breath.

use super::{Facts, Refusal, end};
use crate::fact::{Fact, YieldReason};

pub(super) fn begin(facts: &mut Facts<'_>) -> Result<(), Refusal> {
    let limits = facts.state.limits(facts.frozen);
    let used_up = limits
        .turns
        .is_some_and(|most| facts.state.own_turns() >= most);
    open(facts)?;
    if used_up {
        end::close(facts, YieldReason::MaxTurns, None);
    } else if facts.state.spent(facts.frozen) {
        end::close(facts, YieldReason::BudgetExceeded, None);
    }
    Ok(())
}

/// Opens the next turn.
pub(super) fn open(facts: &mut Facts<'_>) -> Result<(), Refusal> {
    let state = &facts.state;
    if state.archived || state.turn.is_some() {
        return Err(Refusal::NothingToBegin);
    }
    let (Some(from), Some(to)) = (
        state.waiting.first().copied(),
        state.waiting.last().copied(),
    ) else {
        return Err(Refusal::NothingToBegin);
    };
    let number = state.turns + 1;
    facts.add(Fact::TurnStarted { number, from, to });
    Ok(())
}
