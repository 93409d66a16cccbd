//! The turn cannot go on: the user is told why, and the session comes to rest.

use super::{Facts, Refusal, end};
use crate::fact::{Fact, Failure, YieldReason};

pub(super) fn failed(facts: &mut Facts<'_>, failure: Failure) -> Result<(), Refusal> {
    facts.turn()?;
    fail(facts, failure);
    Ok(())
}

/// Writes the failure and ends the turn with it.
pub(super) fn fail(facts: &mut Facts<'_>, failure: Failure) {
    facts.add(Fact::Failed(failure.clone()));
    end::close(facts, YieldReason::Error, Some(failure));
}
