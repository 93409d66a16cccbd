//! Facts by name: the typed form of an event.
//!
//! A fact is drafted once, by [`crate::decide`], and read back by every fold.
//! What the wire shows and what only the brain may read are told apart here
//! and nowhere else: see `draft` and `parse` in the files beside.

mod draft;
mod parse;

pub use parse::ParseError;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::Repeat;
use crate::transcript::{Call, Reply, ToolResult};
use crate::usage::Tokens;
use crate::{Limits, Millis, Waiting};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// Someone outside said something.
    UserMessage(Message),
    /// A program outside asked for something, by the agent's own address.
    Requested {
        /// What it sent: any JSON.
        payload: Value,
    },
    /// A turn began; it takes the inputs from one number to another.
    TurnStarted {
        /// From 1.
        number: u32,
        /// First input taken.
        from: u64,
        /// Last input taken.
        to: u64,
    },
    /// The model answered, having seen everything up to number `saw`.
    ModelCompleted {
        /// Highest number in the model's view.
        saw: u64,
        /// The answer.
        reply: Arc<Reply>,
    },
    /// A tool is about to run: the intent, before the effect. The arguments stand
    /// with the answer that asked for it; read back, a call has none.
    ToolCall(Call),
    /// What came of a tool call: the receipt.
    ToolDone(Receipt),
    /// The agent said something.
    AgentMessage {
        /// The text.
        text: String,
        /// In what role it was said.
        voice: Voice,
    },
    /// Something went wrong; tells whose fault in its family.
    Failed(Failure),
    /// Someone asked the running turn to stop.
    CancelRequested,
    /// The conversation was shortened: a summary stands for its past.
    Compacted {
        /// Highest number the summary covers.
        saw: u64,
        /// What the model wrote down.
        summary: String,
        /// What the summary itself cost.
        usage: Option<Tokens>,
    },
    /// The turn came to rest.
    TurnCompleted(TurnEnd),
    /// The session is closed for good.
    Archived,
    /// An open turn was taken up by a run that did not begin it.
    Recovered(Recovery),
    /// A run gave an open turn away between two steps: nothing was cut.
    HandedOver,
    /// A model call was cut before it could tell what it used: the most that
    /// can have been.
    ModelCut {
        /// Counted against the limits.
        charged: Tokens,
    },
    /// A wait lasts.
    Waiting(Waiting),
    /// A turn that came to its deadline goes on in the next one by itself.
    Continued {
        /// How many times in a row, from 1.
        number: u32,
        /// How many times it may.
        of: u32,
    },
    /// The limits are others from now on.
    LimitsChanged(Limits),
    /// What stands before is the log of another session, up to here.
    Forked {
        /// The other session.
        from: String,
        /// The last number that is shared.
        at: u64,
        /// The files it begins with.
        checkpoint: Option<Files>,
    },
    /// The sandbox's files are safe.
    Checkpointed(Checkpoint),
    /// The sandbox was ended; its files are those of the checkpoint.
    Hibernated {
        /// The checkpoint's id.
        checkpoint: String,
    },
    /// The session has a new, empty sandbox.
    SandboxStarted {
        /// The sandbox's id.
        sandbox: String,
    },
    /// A new sandbox has the files of a checkpoint.
    Restored(Restored),
    /// The gate let a secret out, or let something not pass.
    Gated(Gated),
    /// An event of a newer version: kept, and of no consequence here.
    Unknown,
}

/// How an open turn came to be taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Why the run before did not go on.
    pub reason: Lapse,
    /// The epoch of the run that goes on.
    pub epoch: u64,
    /// The worst that a model call cut by the lapse can have used; counted
    /// against the limits, because nobody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged: Option<Tokens>,
}

/// Why a run did not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lapse {
    /// Its node's lease was not renewed in time.
    LeaseExpired,
    /// Its server was started anew.
    Restarted,
    /// It stopped moving and was replaced.
    Stuck,
    /// It broke and was replaced.
    Panicked,
}

/// A checkpoint, as the rules know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Its id.
    pub id: String,
    /// The facts up to this number are in its files; later ones may be.
    pub seq: u64,
    /// When it was made.
    pub at: Millis,
}

/// What is told of a checkpoint that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its id.
    #[serde(rename = "checkpoint_id")]
    pub id: String,
    /// Why it was made: `turn`, `idle`, `timer` or `asked`.
    pub why: String,
    /// The facts up to this number are in its files.
    #[serde(rename = "as_of_seq")]
    pub seq: u64,
    /// Files in it.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Bytes it added to the blob store.
    #[serde(rename = "added_bytes")]
    pub added: u64,
}

/// What is told of files that were put into a new sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The sandbox's id.
    #[serde(rename = "sandbox_id")]
    pub sandbox: String,
    /// The checkpoint's id; `None` if there was none to restore.
    #[serde(rename = "checkpoint_id")]
    pub checkpoint: Option<String>,
    /// The facts up to this number are in its files.
    #[serde(rename = "as_of_seq")]
    pub seq: u64,
    /// When the checkpoint was made.
    #[serde(rename = "made_at", default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Millis>,
    /// Why a new sandbox was needed: `woken`, `lost` or `forked`.
    pub reason: String,
    /// Checkpoints that were to be restored before it and could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}

/// What the gate decided on something that wanted out of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gated {
    /// Whether a secret was let out; else something was not let pass.
    #[serde(skip)]
    pub granted: bool,
    /// The host it wanted to reach: a name, or an address where none is known.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The secret's name, where one is concerned; never its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Why it was not let pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many times, since this was told last.
    pub times: u64,
}

/// What is known of a call whose outcome is not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    /// When its intent was written.
    pub started_at: Millis,
    /// The end of what it had printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_so_far: Option<String>,
    /// The checkpoint that the files of the next sandbox come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Files>,
}

/// A message from outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// What was said.
    pub text: String,
    /// What the sender attached, verbatim.
    pub raw: Option<Value>,
    /// Whether it cuts the current step instead of waiting for its end.
    pub interrupt: bool,
}

/// In what role the agent spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "voice", content = "call")]
pub enum Voice {
    /// The last text of a turn.
    Answer,
    /// Text on the way to a tool call.
    Narration,
    /// The `say` tool, by this call.
    Say(String),
    /// The `ask` tool, by this call.
    Ask(String),
}

/// What came of a tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The tool.
    pub tool: String,
    /// The command or the arguments in one line, for people.
    pub command: String,
    /// What the model is told.
    pub result: ToolResult,
    /// How it ended.
    pub outcome: Outcome,
    /// All output, where it is more than the model is told.
    pub output: Option<Arc<[u8]>>,
    /// How much output there was in all, in bytes.
    pub bytes: u64,
    /// How long it took; `None` if that is not known.
    pub duration_ms: Option<u64>,
    /// What is known of it, if its outcome is not.
    pub known: Option<Box<Known>>,
    /// How often this call gave this result in a row; the rules count it.
    pub repeat: Option<Repeat>,
}

/// How a tool call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It ran to its end; commands have an exit code.
    Done {
        /// The exit code of a command.
        exit_code: Option<i32>,
    },
    /// It was stopped, for this reason (`canceled`, `timeout`, `out_of_memory`, …).
    Killed {
        /// One word.
        reason: String,
    },
    /// It never began.
    NotRun,
    /// It may have run, wholly or in part: its sandbox is gone.
    Indeterminate,
}

/// Why something failed, for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault: the model's, the platform's or the task's.
    #[serde(skip)]
    pub family: Family,
    /// A stable word for programs.
    pub code: String,
    /// What happened and what can be done, for people.
    pub message: String,
    /// Whether sending the message again may help.
    pub retriable: bool,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// The provider's, or the credential's.
    Model,
    /// Ours.
    #[default]
    Runtime,
    /// The task's own.
    Task,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnEnd {
    /// The turn's number.
    pub number: u32,
    /// Why it came to rest.
    pub reason: YieldReason,
    /// Number of the event that carries the result.
    pub result: Option<u64>,
    /// Tokens of the turn; `None` if no answer reported any.
    pub usage: Option<Tokens>,
    /// Whether every answer reported its tokens.
    pub complete: bool,
    /// What went wrong, if that is why.
    pub error: Option<Failure>,
}

/// Why a turn came to rest (contract v3 §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum YieldReason {
    /// It finished.
    Completed,
    /// It asked the user something.
    NeedsInput,
    /// It failed.
    Error,
    /// The token limit is spent.
    BudgetExceeded,
    /// It took too long.
    DeadlineExceeded,
    /// It used all its turns or steps.
    MaxTurns,
    /// Someone stopped it.
    Canceled,
}

impl YieldReason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::NeedsInput,
        Self::Error,
        Self::BudgetExceeded,
        Self::DeadlineExceeded,
        Self::MaxTurns,
        Self::Canceled,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::NeedsInput => "needs_input",
            Self::Error => "error",
            Self::BudgetExceeded => "budget_exceeded",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::MaxTurns => "max_turns",
            Self::Canceled => "canceled",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Why a call of the turn has no result, in words for the model.
    #[must_use]
    pub fn not_run(self) -> String {
        format!(
            "Not run: the turn ended first ({}).",
            self.name().replace('_', " ")
        )
    }
}
