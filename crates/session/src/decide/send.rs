//! A message from outside joins the log. It is taken by the turn that runs, at
//! its next model call, or starts the next turn.

use serde_json::{Map, Value};

use super::{Facts, Refusal};
use crate::event::Actor;
use crate::fact::{Fact, Message};

pub(super) fn send(
    facts: &mut Facts<'_>,
    message: Message,
    actor: Option<Actor>,
    refs: Map<String, Value>,
) -> Result<(), Refusal> {
    if facts.state.archived {
        return Err(Refusal::Archived);
    }
    facts.add(Fact::UserMessage(message));
    if let Some(draft) = facts.drafts.last_mut() {
        draft.refs = refs;
        if let Some(actor) = actor {
            draft.actor = actor;
        }
    }
    Ok(())
}
