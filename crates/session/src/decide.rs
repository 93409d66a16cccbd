//! From a command to facts, or to a refusal. Nothing else makes facts.
//!
//! A command comes from outside (send, cancel, archive) or from the driver,
//! which tells what it did of its duty (begin, replied, done, …). Each has a
//! file of its own; this one holds what they share.

mod begin;
mod cancel;
mod compacted;
mod end;
mod failed;
mod noted;
mod receipt;
mod reply;
mod send;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::event::{Actor, Draft};
use crate::fact::{
    Checkpoint, Fact, Failure, Files, Gated, Message, Receipt, Recovery, Restored, YieldReason,
};
use crate::state::{OpenTurn, State};
use crate::transcript::Reply;
use crate::usage::Tokens;
use crate::{Frozen, Limits, Millis, Waiting, id};

/// A wish.
#[derive(Debug, Clone)]
pub enum Command {
    /// Someone outside says something.
    Send {
        /// What.
        message: Message,
        /// Who, if not simply the user.
        actor: Option<Actor>,
        /// Links the sender gave.
        refs: Map<String, Value>,
    },
    /// A program outside asks for something, by the agent's own address.
    Request {
        /// What it sent: any JSON.
        payload: Value,
        /// Who, if not simply the user.
        actor: Option<Actor>,
    },
    /// Someone wants the running turn to stop.
    Cancel,
    /// Someone closes the session for good.
    Archive,
    /// The driver begins the turn that waits.
    Begin,
    /// The model answered, having seen everything up to a number.
    Replied {
        /// That number.
        saw: u64,
        /// The answer.
        reply: Arc<Reply>,
    },
    /// The model could not be made to answer.
    Failed(Failure),
    /// The open call came to an end.
    Done(Receipt),
    /// The conversation was summarised.
    Compacted {
        /// Highest number the summary covers.
        saw: u64,
        /// The summary.
        summary: String,
        /// What it cost.
        usage: Option<Tokens>,
    },
    /// The turn must stop now; the open call, if any, was stopped like this.
    End {
        /// Why.
        reason: YieldReason,
        /// What became of the open call.
        open: Option<Receipt>,
    },
    /// Someone sets other limits.
    SetLimits(Limits),
    /// The driver takes up an open turn that another run left.
    Recovered(Recovery),
    /// The driver gives an open turn away between two steps.
    HandOver,
    /// The driver cut a model call, which can have used this much.
    ModelCut(Tokens),
    /// A wait lasts.
    Waiting(Waiting),
    /// The sandbox's files are safe.
    Checkpointed(Checkpoint),
    /// The sandbox was ended; its files are those of this checkpoint.
    Hibernated(String),
    /// The session has a new, empty sandbox of this id.
    SandboxStarted(String),
    /// A new sandbox has the files of a checkpoint.
    Restored(Restored),
    /// The gate let a secret out, or let something not pass.
    Gated(Gated),
    /// The facts so far become those of another session, the one this is
    /// decided for.
    Fork {
        /// The session they come from.
        from: String,
        /// The files it begins with.
        checkpoint: Option<Files>,
    },
}

/// A command that is not allowed now: data, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The session is closed.
    #[error("the session is archived and takes no more input")]
    Archived,
    /// The command belongs to a turn, and none runs.
    #[error("no turn is running")]
    NoTurn,
    /// A turn runs already, or nothing waits for one.
    #[error("there is no turn to begin")]
    NothingToBegin,
    /// The receipt is not of the call that is open.
    #[error("that call is not open")]
    NotOpen,
    /// Something runs or waits.
    #[error("the session is not at rest")]
    Busy,
}

/// What a command leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The facts, in order; none if there is nothing to do.
    pub drafts: Vec<Draft>,
    /// The state after them.
    pub state: State,
}

/// Decides a command.
///
/// # Errors
/// A [`Refusal`] if the command is not allowed in this state.
pub fn decide(
    session: &str,
    frozen: &Frozen,
    state: &State,
    command: Command,
    now: Millis,
) -> Result<Decided, Refusal> {
    let mut facts = Facts {
        session,
        frozen,
        now,
        drafts: Vec::new(),
        state: state.clone(),
    };
    match command {
        Command::Send {
            message,
            actor,
            refs,
        } => send::send(&mut facts, message, actor, refs)?,
        Command::Request { payload, actor } => send::request(&mut facts, payload, actor)?,
        Command::Cancel => cancel::cancel(&mut facts),
        Command::Archive => cancel::archive(&mut facts),
        Command::Begin => begin::begin(&mut facts)?,
        Command::Replied { saw, reply } => reply::reply(&mut facts, saw, reply)?,
        Command::Failed(failure) => failed::failed(&mut facts, failure)?,
        Command::Done(receipt) => receipt::receipt(&mut facts, receipt)?,
        Command::Compacted {
            saw,
            summary,
            usage,
        } => compacted::compacted(&mut facts, saw, summary, usage)?,
        Command::End { reason, open } => end::end(&mut facts, reason, open)?,
        Command::SetLimits(limits) => noted::limits(&mut facts, limits)?,
        Command::Recovered(recovery) => noted::recovered(&mut facts, recovery)?,
        Command::HandOver => noted::handed_over(&mut facts)?,
        Command::ModelCut(charged) => noted::model_cut(&mut facts, charged),
        Command::Waiting(waiting) => noted::waiting(&mut facts, waiting)?,
        Command::Checkpointed(made) => noted::checkpointed(&mut facts, made)?,
        Command::Hibernated(checkpoint) => noted::hibernated(&mut facts, checkpoint)?,
        Command::SandboxStarted(sandbox) => noted::started(&mut facts, sandbox)?,
        Command::Restored(restored) => noted::restored(&mut facts, restored)?,
        Command::Gated(gated) => noted::gated(&mut facts, gated)?,
        Command::Fork { from, checkpoint } => noted::forked(&mut facts, from, checkpoint),
    }
    Ok(Decided {
        drafts: facts.drafts,
        state: facts.state,
    })
}

/// Facts being gathered: each is applied as it is added, so that the next
/// rule sees the state it leads to.
struct Facts<'a> {
    session: &'a str,
    frozen: &'a Frozen,
    now: Millis,
    drafts: Vec<Draft>,
    state: State,
}

impl Facts<'_> {
    /// Adds a fact and returns its number.
    fn add(&mut self, fact: Fact) -> u64 {
        let draft = fact.draft(self.session, self.turn_id(&fact));
        self.drafts.push(draft);
        let seq = self.state.head + 1;
        self.state.take(seq, self.now, &fact);
        seq
    }

    /// The turn a fact belongs to: the open one, or the one it opens.
    fn turn_id(&self, fact: &Fact) -> Option<String> {
        let number = match fact {
            Fact::TurnStarted { number, .. } => Some(*number),
            Fact::UserMessage(_) | Fact::Requested { .. } | Fact::Archived => None,
            _ => self.state.turn.as_ref().map(|turn| turn.number),
        };
        number.map(|number| id::turn(self.session, number))
    }

    fn turn(&self) -> Result<&OpenTurn, Refusal> {
        self.state.turn.as_ref().ok_or(Refusal::NoTurn)
    }
}
