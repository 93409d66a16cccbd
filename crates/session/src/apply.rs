//! The fold: from a state and an event to the next state. It decides nothing
//! and refuses nothing; what is in the log has happened.

use crate::fact::{Fact, Files, Outcome, ParseError, Receipt, TurnEnd, Voice};
use crate::state::{Context, EndedTurn, OpenCall, OpenTurn, Origin, State};
use crate::transcript::{Reply, Stop, ToolResult, Transcript};
use crate::usage::{SessionUsage, Tokens};
use crate::{Event, Millis};
use serde::{Deserialize, Serialize};

/// What the model is told after its answer was cut at the output limit.
const GO_ON: &str = "Your answer was cut at the output limit. Go on from where it stopped.";
/// What stands as the result of `say`.
const SAID: &str = "Said.";
/// What stands as the result of `ask` until the answer comes as a message.
const ASKED: &str = "Asked. The answer comes as the next message.";
/// What the model is told in a turn that goes on from one that took too long.
const WENT_ON: &str = "The turn before came to its time limit. Go on where it stopped.";
/// What calls are told when a message cut the step they waited in.
const OVERTAKEN: &str = "Not run: a new message from the user came first.";

impl State {
    /// The state after `event`.
    ///
    /// # Errors
    /// If the event was not written by us.
    pub fn apply(&mut self, event: &Event) -> Result<(), ParseError> {
        let fact = Fact::parse(event)?;
        self.take(event.seq, event.at, &fact);
        Ok(())
    }

    /// The state after fact number `seq`.
    pub(crate) fn take(&mut self, seq: u64, at: Millis, fact: &Fact) {
        self.head = seq;
        self.clock(at, fact);
        match fact {
            Fact::UserMessage(message) => {
                self.waiting.push(seq);
                self.continued = 0;
                if message.interrupt {
                    self.interrupt = seq;
                }
            }
            Fact::Requested { .. } => {
                self.waiting.push(seq);
                self.continued = 0;
            }
            Fact::Continued { number, .. } => {
                self.waiting.push(seq);
                self.continued = *number;
            }
            Fact::TurnStarted { number, to, .. } => self.begin(*number, *to, at),
            Fact::TurnCompleted(end) => self.end(end, at),
            Fact::ModelCompleted { saw, reply } => {
                self.consume(*saw);
                self.context.answered(reply);
            }
            // Who cancels means all that was asked for so far: what waits must
            // not begin a turn of its own a moment later.
            Fact::CancelRequested => self.consume(seq),
            Fact::Compacted { .. } => self.context = Context::default(),
            Fact::Archived => self.archived = true,
            Fact::Forked {
                from,
                at,
                checkpoint,
            } => self.fork(from, *at, checkpoint.as_ref()),
            _ => self.note(at, fact),
        }
        let interrupt = self.interrupt;
        if let Some(turn) = &mut self.turn {
            turn.take(seq, at, fact, interrupt);
        }
    }

    /// Since when the session does, or waits for, what it does now.
    fn clock(&mut self, at: Millis, fact: &Fact) {
        let begins = match fact {
            Fact::UserMessage(_) | Fact::Requested { .. } | Fact::Continued { .. } => {
                self.turn.is_none() && self.waiting.is_empty()
            }
            Fact::TurnStarted { .. }
            | Fact::TurnCompleted(_)
            | Fact::ModelCompleted { .. }
            | Fact::Compacted { .. }
            | Fact::ToolCall(_)
            | Fact::ToolDone(_)
            | Fact::Recovered(_)
            | Fact::Archived
            | Fact::Forked { .. } => true,
            _ => false,
        };
        if begins {
            self.since = at;
            self.note = None;
        }
    }

    /// What the platform noted about the session.
    fn note(&mut self, at: Millis, fact: &Fact) {
        match fact {
            Fact::Waiting(waiting) => self.note = Some(waiting.clone()),
            Fact::LimitsChanged(limits) => self.limits = Some(*limits),
            Fact::Recovered(recovery) => {
                let charged = recovery.charged.unwrap_or_default();
                self.charged = self.charged.plus(charged);
            }
            Fact::ModelCut { charged } => self.charged = self.charged.plus(*charged),
            Fact::Checkpointed(made) => {
                self.checkpoint = Some(Files {
                    id: made.id.clone(),
                    seq: made.seq,
                    at,
                });
            }
            Fact::Hibernated { .. } => {
                self.hibernated = true;
                self.sandbox = None;
            }
            Fact::SandboxStarted { sandbox } => self.housed(sandbox),
            Fact::Restored(restored) => {
                self.housed(&restored.sandbox);
                // Not always the newest: that one may be damaged.
                self.checkpoint = restored.checkpoint.as_ref().map(|id| Files {
                    id: id.clone(),
                    seq: restored.seq,
                    at: restored.made.unwrap_or(at),
                });
            }
            _ => {}
        }
    }

    /// It has a sandbox. Whoever waited for that waits for something else from here on.
    fn housed(&mut self, sandbox: &str) {
        self.hibernated = false;
        self.sandbox = Some(sandbox.to_owned());
        self.note = None;
    }

    /// A fork begins with what was said and with the files, and with nothing
    /// used: what the other session used is on the other's account. What waited
    /// there was said to the other, too: it is read here, and begins nothing.
    fn fork(&mut self, from: &str, at: u64, checkpoint: Option<&Files>) {
        self.origin = Some(Origin {
            session: from.to_owned(),
            seq: at,
            turns: self.turns,
        });
        self.consume(at);
        self.archived = false;
        self.hibernated = checkpoint.is_some();
        self.checkpoint = checkpoint.cloned();
        self.sandbox = None;
        self.usage = SessionUsage::default();
        self.charged = Tokens::default();
        if let Some(turn) = &mut self.turn {
            turn.usage = Tokens::default();
            turn.reported = (0, 0);
        }
    }

    fn begin(&mut self, number: u32, to: u64, at: Millis) {
        self.turns = number;
        self.turn = Some(OpenTurn {
            number,
            started: at,
            ..OpenTurn::default()
        });
        self.consume(to);
    }

    fn consume(&mut self, to: u64) {
        let seen = self.waiting.iter().filter(|seq| **seq <= to).max().copied();
        self.input_cursor = self.input_cursor.max(seen.unwrap_or(0));
        self.waiting.retain(|seq| *seq > to);
    }

    fn end(&mut self, end: &TurnEnd, at: Millis) {
        let Some(turn) = self.turn.take() else { return };
        let active = u64::try_from(at.since(turn.started)).unwrap_or(0);
        self.usage.active_ms = self.usage.active_ms.saturating_add(active);
        self.usage.tokens = self.usage.tokens.plus(turn.usage);
        if end.usage.is_some() {
            self.usage.reported_turns += 1;
            self.usage.partial_turns += u32::from(!end.complete);
        } else {
            self.usage.unreported_turns += 1;
        }
        self.last_turn = Some(EndedTurn {
            number: end.number,
            reason: end.reason,
            result: end.result,
        });
    }
}

impl Context {
    fn answered(&mut self, reply: &Reply) {
        self.answers = self.answers.saturating_add(1);
        self.full = reply.stop == Stop::ContextFull;
        if let Some(tokens) = reply.usage {
            self.tokens = tokens.total();
        }
    }
}

impl OpenTurn {
    fn take(&mut self, seq: u64, at: Millis, fact: &Fact, interrupt: u64) {
        self.handed_over = match fact {
            Fact::HandedOver => true,
            // What others say changes nothing about who runs the turn.
            Fact::UserMessage(_) | Fact::Requested { .. } => self.handed_over,
            Fact::CancelRequested | Fact::LimitsChanged(_) => self.handed_over,
            Fact::Checkpointed(_) => self.handed_over,
            _ => false,
        };
        match fact {
            Fact::ModelCompleted { saw, reply } => self.reply(reply, interrupt > *saw),
            Fact::ToolCall(call) => {
                if let Some(call) = self.unqueue(&call.id) {
                    self.open = Some(OpenCall {
                        seq,
                        since: at,
                        call,
                    });
                }
            }
            Fact::ToolDone(receipt) => self.receipt(receipt, interrupt),
            Fact::AgentMessage { voice, .. } => self.spoke(seq, voice),
            Fact::CancelRequested => self.cancel = self.cancel.or(Some(at)),
            Fact::Compacted { usage, .. } => self.used(*usage),
            _ => {}
        }
    }

    /// An answer that a message cut short while it was on its way still counts,
    /// but what it wants done is not done.
    fn reply(&mut self, reply: &Reply, overtaken: bool) {
        self.steps += 1;
        if !overtaken {
            self.pending = reply.calls.iter().cloned().collect();
        }
        self.cuts = if reply.stop == Stop::MaxTokens {
            self.cuts + 1
        } else {
            0
        };
        self.used(reply.usage);
    }

    fn used(&mut self, tokens: Option<Tokens>) {
        match tokens {
            Some(tokens) => {
                self.usage = self.usage.plus(tokens);
                self.reported.0 += 1;
            }
            None => self.reported.1 += 1,
        }
    }

    fn receipt(&mut self, receipt: &Receipt, interrupt: u64) {
        let open = self
            .open
            .take_if(|open| open.call.id == receipt.result.call);
        self.repeat = receipt.repeat;
        if open.is_some_and(|open| interrupt > open.seq) {
            self.pending.clear();
        }
        self.unqueue(&receipt.result.call);
    }

    fn spoke(&mut self, seq: u64, voice: &Voice) {
        match voice {
            Voice::Answer | Voice::Narration => self.text = Some(seq),
            Voice::Say(call) | Voice::Ask(call) => {
                self.said = Some(seq);
                self.asked |= matches!(voice, Voice::Ask(_));
                self.unqueue(call);
            }
        }
    }

    fn unqueue(&mut self, id: &str) -> Option<crate::Call> {
        let at = self.pending.iter().position(|call| call.id == id)?;
        self.pending.remove(at)
    }
}

/// Everything a driver folds: the state and what the model has seen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Fold {
    /// The small part.
    pub state: State,
    /// The large part.
    pub transcript: Transcript,
    /// Whether anything was ever carried out in a sandbox: if so and there is
    /// none now, what it held is lost.
    pub used_hands: bool,
}

impl Fold {
    /// The fold as bytes, to be kept so that a long log need not be folded from
    /// its beginning.
    #[must_use]
    pub fn freeze(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads back what [`Fold::freeze`] wrote; `None` if this is not it. A fold
    /// is a shortcut: who cannot read it folds the log.
    #[must_use]
    pub fn thaw(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The fold after `event`.
    ///
    /// # Errors
    /// If the event was not written by us.
    pub fn apply(&mut self, event: &Event) -> Result<(), ParseError> {
        let fact = Fact::parse(event)?;
        let overtaken = self.overtakes(&fact);
        self.state.take(event.seq, event.at, &fact);
        self.used_hands |=
            matches!(&fact, Fact::ToolDone(receipt) if receipt.outcome != Outcome::NotRun);
        self.transcript.take(event.seq, fact, overtaken);
        Ok(())
    }

    /// Whether the step that this fact ends was cut by a message: then the calls
    /// that waited behind it are not carried out.
    fn overtakes(&self, fact: &Fact) -> bool {
        let began = match fact {
            Fact::ModelCompleted { saw, .. } => Some(*saw),
            Fact::ToolDone(receipt) => self
                .state
                .turn
                .as_ref()
                .and_then(|turn| turn.open.as_ref())
                .filter(|open| open.call.id == receipt.result.call)
                .map(|open| open.seq),
            _ => None,
        };
        began.is_some_and(|seq| self.state.interrupted_since(seq))
    }
}

impl Transcript {
    fn take(&mut self, seq: u64, fact: Fact, overtaken: bool) {
        match fact {
            Fact::UserMessage(message) => self.message(seq, message.text),
            Fact::Requested { payload } => self.message(seq, payload.to_string()),
            Fact::Continued { .. } => self.note(seq, WENT_ON.to_owned()),
            Fact::ModelCompleted { saw, reply } => {
                let cut = reply.stop == Stop::MaxTokens && reply.calls.is_empty();
                self.reply(saw, reply);
                if cut {
                    self.note(seq, GO_ON.to_owned());
                }
                if overtaken {
                    self.close(seq, OVERTAKEN);
                }
            }
            Fact::ToolDone(receipt) => {
                self.result(seq, receipt.result);
                if overtaken {
                    self.close(seq, OVERTAKEN);
                }
            }
            Fact::AgentMessage {
                voice: Voice::Say(call),
                ..
            } => self.result(seq, told(call, SAID)),
            Fact::AgentMessage {
                voice: Voice::Ask(call),
                ..
            } => self.result(seq, told(call, ASKED)),
            Fact::Compacted { saw, summary, .. } => self.compact(saw, summary),
            Fact::TurnCompleted(TurnEnd { reason, .. }) => self.close(seq, &reason.not_run()),
            _ => {}
        }
    }
}

fn told(call: String, text: &str) -> ToolResult {
    ToolResult {
        call,
        text: text.to_owned(),
        is_error: false,
    }
}
