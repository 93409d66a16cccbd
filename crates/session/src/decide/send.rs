//! A word from outside joins the log. It is taken by the turn that runs, at its
//! next model call, or starts the next turn.

use serde_json::{Map, Value};

use super::{Facts, Refusal};
use crate::event::Actor;
use crate::fact::{Fact, Message};

/// A message.
pub(super) fn send(
    facts: &mut Facts<'_>,
    message: Message,
    actor: Option<Actor>,
    refs: Map<String, Value>,
) -> Result<(), Refusal> {
    said(facts, Fact::UserMessage(message), actor)?;
    if let Some(draft) = facts.drafts.last_mut() {
        draft.refs = refs;
    }
    Ok(())
}

/// What a program sent.
pub(super) fn request(
    facts: &mut Facts<'_>,
    payload: Value,
    actor: Option<Actor>,
) -> Result<(), Refusal> {
    said(facts, Fact::Requested { payload }, actor)
}

fn said(facts: &mut Facts<'_>, fact: Fact, actor: Option<Actor>) -> Result<(), Refusal> {
    if facts.state.archived {
        return Err(Refusal::Archived);
    }
    facts.add(fact);
    if let (Some(draft), Some(actor)) = (facts.drafts.last_mut(), actor) {
        draft.actor = actor;
    }
    Ok(())
}
