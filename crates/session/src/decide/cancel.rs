//! Stopping: `cancel` asks the turn to stop and lets the driver tell how its
//! step ended; `archive` closes the session at once, whatever runs.
//!
//! Both do nothing, and succeed, where there is nothing to stop: a client that
//! repeats them after a lost answer must not get an error.

use super::{Facts, begin, end};
use crate::fact::{Fact, YieldReason};

pub(super) fn cancel(facts: &mut Facts<'_>) {
    if facts.state.archived {
        return;
    }
    match &facts.state.turn {
        // A turn that stops already is asked once more where something was said
        // since: that, too, is what this cancel means.
        Some(turn) if turn.cancel.is_none() || !facts.state.waiting.is_empty() => {
            facts.add(Fact::CancelRequested);
        }
        Some(_) => {}
        // Input that waits is taken by a turn that ends at once: otherwise the
        // run that the user just canceled would begin a moment later.
        None => take_waiting(facts),
    }
}

pub(super) fn archive(facts: &mut Facts<'_>) {
    if facts.state.archived {
        return;
    }
    if facts.state.turn.is_some() {
        end::close(facts, YieldReason::Canceled, None);
    }
    facts.add(Fact::Archived);
}

fn take_waiting(facts: &mut Facts<'_>) {
    if begin::open(facts).is_ok() {
        end::close(facts, YieldReason::Canceled, None);
    }
}
