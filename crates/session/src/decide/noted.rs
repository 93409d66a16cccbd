//! What the platform notes about the session itself: that it was taken up
//! again, that a wait lasts, that its files are safe, that its limits changed,
//! that it is a fork.

use super::{Facts, Refusal, end};
use crate::fact::{Checkpoint, Fact, Files, Gated, Recovery, Restored, YieldReason};
use crate::usage::Tokens;
use crate::{Limits, Waiting};

/// An open turn is taken up by a run that did not begin it.
pub(super) fn recovered(facts: &mut Facts<'_>, recovery: Recovery) -> Result<(), Refusal> {
    facts.turn()?;
    let charged = recovery.charged.map(|used| facts.frozen.rated(used));
    facts.add(Fact::Recovered(Recovery {
        charged,
        ..recovery
    }));
    Ok(())
}

/// An open turn is given away between two steps.
pub(super) fn handed_over(facts: &mut Facts<'_>) -> Result<(), Refusal> {
    if !facts.turn()?.handed_over {
        facts.add(Fact::HandedOver);
    }
    Ok(())
}

/// A model call was cut. One whose turn was closed meanwhile is counted all the
/// same, also behind the end of an archived session: it was made.
pub(super) fn model_cut(facts: &mut Facts<'_>, charged: Tokens) {
    let charged = facts.frozen.rated(charged);
    facts.add(Fact::ModelCut { charged });
}

/// A wait lasts. One that was told already, or is over, is not told again.
pub(super) fn waiting(facts: &mut Facts<'_>, waiting: Waiting) -> Result<(), Refusal> {
    let state = &facts.state;
    // A place in line changes all the time; that one stands in line is told once.
    let told = state
        .note
        .as_ref()
        .is_some_and(|note| (note.what, note.deadline) == (waiting.what, waiting.deadline));
    if told {
        return Ok(());
    }
    if state.phase().at_rest() {
        return Err(Refusal::NoTurn);
    }
    facts.add(Fact::Waiting(waiting));
    Ok(())
}

/// The limits are others from now on. A limit below what is used already is
/// one that is spent.
pub(super) fn limits(facts: &mut Facts<'_>, limits: Limits) -> Result<(), Refusal> {
    open(facts)?;
    if facts.state.limits(facts.frozen) != limits {
        facts.add(Fact::LimitsChanged(limits));
    }
    Ok(())
}

/// The sandbox's files are safe.
pub(super) fn checkpointed(facts: &mut Facts<'_>, made: Checkpoint) -> Result<(), Refusal> {
    open(facts)?;
    facts.add(Fact::Checkpointed(made));
    Ok(())
}

/// The sandbox was ended. Only a session at rest sleeps.
pub(super) fn hibernated(facts: &mut Facts<'_>, checkpoint: String) -> Result<(), Refusal> {
    open(facts)?;
    if !facts.state.phase().at_rest() {
        return Err(Refusal::Busy);
    }
    facts.add(Fact::Hibernated { checkpoint });
    Ok(())
}

/// The session has a new, empty sandbox.
pub(super) fn started(facts: &mut Facts<'_>, sandbox: String) -> Result<(), Refusal> {
    open(facts)?;
    facts.add(Fact::SandboxStarted { sandbox });
    Ok(())
}

/// A new sandbox has the files of a checkpoint.
pub(super) fn restored(facts: &mut Facts<'_>, restored: Restored) -> Result<(), Refusal> {
    open(facts)?;
    facts.add(Fact::Restored(restored));
    Ok(())
}

/// The gate let a secret out, or let something not pass.
pub(super) fn gated(facts: &mut Facts<'_>, gated: Gated) -> Result<(), Refusal> {
    open(facts)?;
    facts.add(Fact::Gated(gated));
    Ok(())
}

/// The facts so far become those of another session. A turn that is open in
/// them is closed: nobody runs it here, and what it had begun was not begun here.
/// So the fork rests until it is told something of its own.
pub(super) fn forked(facts: &mut Facts<'_>, from: String, checkpoint: Option<Files>) {
    let at = facts.state.head;
    facts.add(Fact::Forked {
        from,
        at,
        checkpoint,
    });
    end::close(facts, YieldReason::Canceled, None);
}

fn open(facts: &Facts<'_>) -> Result<(), Refusal> {
    if facts.state.archived {
        Err(Refusal::Archived)
    } else {
        Ok(())
    }
}
