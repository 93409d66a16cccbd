//! The state of a session: small, and the same whether it was folded from the
//! whole log or read from the row that each append writes beside the facts.
//!
//! It holds what [`crate::decide`] and [`crate::duty`] need and no more; what
//! the model has seen is the [`crate::Transcript`]'s.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::fact::{Files, YieldReason};
use crate::transcript::Call;
use crate::usage::SessionUsage;
use crate::{Frozen, Limits, Millis, Tokens, Usd, Waiting};

/// What a client is told the session is doing (contract v3 §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Input is waiting and no turn runs.
    Queued,
    /// A turn runs.
    Running,
    /// The last turn asked something.
    AwaitingInput,
    /// Nothing to do.
    Idle,
    /// It cannot go on.
    Failed,
    /// Closed for good.
    Archived,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::AwaitingInput,
        Self::Idle,
        Self::Failed,
        Self::Archived,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::AwaitingInput => "awaiting_input",
            Self::Idle => "idle",
            Self::Failed => "failed",
            Self::Archived => "archived",
        }
    }

    /// The phase of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// Whether nothing happens until a command comes.
    #[must_use]
    pub fn at_rest(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// The state of a session after some number of facts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// Number of the newest fact.
    pub head: u64,
    /// Newest input a turn has taken or the model has seen.
    pub input_cursor: u64,
    /// Inputs beyond the cursor, in order.
    pub waiting: Vec<u64>,
    /// Turns begun so far.
    pub turns: u32,
    /// The turn that runs, if one does.
    pub turn: Option<OpenTurn>,
    /// The turn that ended last.
    pub last_turn: Option<EndedTurn>,
    /// Usage of all ended turns.
    pub usage: SessionUsage,
    /// How full the model's context window is.
    #[serde(default)]
    pub context: Context,
    /// Number of the newest message that cuts the step it finds running.
    pub interrupt: u64,
    /// Whether the session is closed.
    pub archived: bool,
    /// Limits that took the place of the frozen ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// When the present duty, or rest, began.
    #[serde(default)]
    pub since: Millis,
    /// What a wait that lasts said of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Waiting>,
    /// The newest checkpoint of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Files>,
    /// The sandbox that holds its files now, by id: any other that is found
    /// under its name is one of the past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// Whether its sandbox was ended to be restored when it is needed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hibernated: bool,
    /// What model calls that were cut by a crash may have used.
    #[serde(default, skip_serializing_if = "is_default")]
    pub charged: Tokens,
    /// Turns in a row that went on by themselves.
    #[serde(default, skip_serializing_if = "is_default")]
    pub continued: u32,
    /// Where this session was forked from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Rows are written with every append: what says nothing is left out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where a forked session comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The session it was forked from.
    pub session: String,
    /// The last number they share.
    pub seq: u64,
    /// Turns in the shared part.
    pub turns: u32,
}

/// The turn that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OpenTurn {
    /// From 1.
    pub number: u32,
    /// When it began.
    pub started: Millis,
    /// Model calls answered in it.
    pub steps: u32,
    /// Answers in a row that the output limit cut.
    pub cuts: u32,
    /// Calls of the newest answer that were not begun, in order.
    pub pending: VecDeque<Call>,
    /// The call whose intent is written and whose receipt is not.
    pub open: Option<OpenCall>,
    /// Whether it asked the user something.
    pub asked: bool,
    /// Number of the last event said to the user by `say` or `ask`.
    pub said: Option<u64>,
    /// Number of the last text of the agent.
    pub text: Option<u64>,
    /// When someone asked it to stop.
    pub cancel: Option<Millis>,
    /// Tokens so far.
    pub usage: Tokens,
    /// Answers that told their tokens, and answers that did not.
    pub reported: (u32, u32),
    /// Whether the run before gave it away between two steps.
    #[serde(default, skip_serializing_if = "is_default")]
    pub handed_over: bool,
    /// The newest call and its result, and how often they came in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
}

/// The same call with the same result, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// A digest of call and result.
    pub of: u64,
    /// How many times in a row.
    pub times: u32,
}

/// How full the model's context window is. It outlives the turns: a
/// conversation of many short turns fills the window as one long turn does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Context {
    /// Tokens in view at the newest answer, its own output included.
    pub tokens: u64,
    /// Whether the provider said the window is full.
    pub full: bool,
    /// Answers since the conversation began or was last summarised.
    pub answers: u32,
}

/// A call that may be running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// Number of the intent.
    pub seq: u64,
    /// When the intent was written.
    pub since: Millis,
    /// The call.
    pub call: Call,
}

/// A turn that came to rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedTurn {
    /// From 1.
    pub number: u32,
    /// Why it came to rest.
    pub reason: YieldReason,
    /// Number of the event that carries the result.
    pub result: Option<u64>,
}

impl State {
    /// What a client is told.
    #[must_use]
    pub fn phase(&self) -> Phase {
        if self.archived {
            Phase::Archived
        } else if self.turn.is_some() {
            Phase::Running
        } else if !self.waiting.is_empty() {
            Phase::Queued
        } else if self
            .last_turn
            .as_ref()
            .is_some_and(|turn| turn.reason == YieldReason::NeedsInput)
        {
            Phase::AwaitingInput
        } else {
            Phase::Idle
        }
    }

    /// Tokens used by all turns, the open one included.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let open = self.turn.as_ref().map_or(0, |turn| turn.usage.total());
        self.usage.tokens.total().saturating_add(open)
    }

    /// The limits as they hold now.
    #[must_use]
    pub fn limits(&self, frozen: &Frozen) -> Limits {
        self.limits.unwrap_or(frozen.limits)
    }

    /// Tokens of the whole session that count against its limits: what was
    /// reported, and the worst that calls cut by a crash can have used.
    #[must_use]
    pub fn counted(&self) -> Tokens {
        let open = self.turn.as_ref().map(|turn| turn.usage);
        let reported = self.usage.tokens.plus(open.unwrap_or_default());
        reported.plus(self.charged)
    }

    /// Tokens and money that the limits still leave; `None` where there is no
    /// limit, or no price to reckon with.
    #[must_use]
    pub fn left(&self, frozen: &Frozen) -> (Option<u64>, Option<Usd>) {
        let (limits, used) = (self.limits(frozen), self.counted());
        let tokens = limits.tokens.map(|most| most.saturating_sub(used.total()));
        let usd = limits
            .usd
            .and_then(|most| Some(most.less(frozen.cost(used)?)));
        (tokens, usd)
    }

    /// Whether a limit on tokens or money is spent.
    #[must_use]
    pub fn spent(&self, frozen: &Frozen) -> bool {
        let (tokens, usd) = self.left(frozen);
        tokens == Some(0) || usd == Some(Usd(0))
    }

    /// Turns that count against the limit on turns.
    #[must_use]
    pub fn own_turns(&self) -> u32 {
        let shared = self.origin.as_ref().map_or(0, |origin| origin.turns);
        self.turns.saturating_sub(shared)
    }

    /// Whether a message came after number `seq` that cuts the step begun there.
    #[must_use]
    pub fn interrupted_since(&self, seq: u64) -> bool {
        self.interrupt > seq
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phase_names_are_frozen() {
        let names = Phase::ALL.map(Phase::name);
        assert_eq!(
            names,
            [
                "queued",
                "running",
                "awaiting_input",
                "idle",
                "failed",
                "archived"
            ]
        );
        for phase in Phase::ALL {
            assert_eq!(Phase::named(phase.name()), Some(phase));
        }
    }

    #[test]
    fn a_stored_state_of_today_stays_readable() {
        let text = r#"{"head":3,"input_cursor":1,"waiting":[3],"turns":1,"turn":null,
            "last_turn":{"number":1,"reason":"needs_input","result":2},
            "usage":{"active_ms":5,"reported_turns":1,"unreported_turns":0,"tokens":
              {"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":0}},
            "interrupt":0,"archived":false}"#;
        let state: State = serde_json::from_str(text).expect("readable");
        assert_eq!(state.phase(), Phase::Queued);
        assert_eq!(state.tokens(), 3);
    }
}
