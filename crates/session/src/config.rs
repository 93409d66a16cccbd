//! What is frozen when a session starts, and never changes while it lives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Limits, ModelRef, Prices, Usd};

/// The configuration of a session, pinned at its creation: providers bind
/// signed thinking to the exact system prompt and tools, and a session must
/// not change its character because its agent was edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// The agent's id.
    pub agent: String,
    /// The agent's revision number.
    pub revision: u32,
    /// The system prompt.
    pub prompt: String,
    /// `sha256:` and the hex digest of the prompt.
    pub prompt_hash: String,
    /// The model.
    pub model: ModelRef,
    /// The runtime's name.
    pub runtime: String,
    /// `managed` or the id of a credential.
    pub credential: String,
    /// Limits, session over agent.
    pub limits: Limits,
    /// The platform's own limits, from the server's configuration.
    pub bounds: Bounds,
    /// What becomes of a call whose outcome is unknown, by tool; `*` is every
    /// tool that is not named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub on_interrupt: BTreeMap<String, OnInterrupt>,
    /// What the model costs; `None` if nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// What all sessions of the agent together may use. The caps of the org are
    /// the operator's, and hold as they are at the moment of each model call.
    #[serde(default, skip_serializing_if = "Caps::is_none")]
    pub caps: Caps,
    /// What the session's sandboxes may reach.
    #[serde(default, skip_serializing_if = "Egress::is_open")]
    pub egress: Egress,
    /// The secret stores, by name, whose secrets its sandboxes are given as sealed
    /// tokens; where two hold a secret of one name, the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_stores: Vec<String>,
    /// The skills of the agent's revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills: Option<Skills>,
    /// What began it, if no key did by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// What begins sessions by itself: something of an agent, with caps of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Which of the two.
    pub kind: CauseKind,
    /// Its id.
    pub id: String,
    /// What all sessions that it began together may use, as it was then. It holds
    /// when the cause is gone; as long as it is there, its caps hold as they are.
    #[serde(default, skip_serializing_if = "Caps::is_none")]
    pub caps: Caps,
}

/// What can begin a session by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CauseKind {
    /// The hour.
    Schedule,
    /// A call to its URL.
    Hook,
}

impl CauseKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Schedule, Self::Hook];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Hook => "hook",
        }
    }
}

/// The skills of a session: what its model is told of them. Their files are
/// found by the digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skills {
    /// `sha256:` and the hex digest of the bundle of files.
    pub digest: String,
    /// The skills, by name.
    pub list: Vec<Skill>,
}

/// A skill: a folder of instructions and programs for one kind of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skill {
    /// The name of its folder.
    pub name: String,
    /// What it is for, on one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What the sandboxes of a session may reach. Private addresses are closed to
/// them whatever this says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// The public internet.
    #[default]
    Open,
    /// Nothing.
    None,
    /// These hosts: a name, or `*.` and a domain for all names below it.
    Allowlist(Vec<String>),
}

impl Egress {
    /// Whether it is as if nothing was said.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::Open
    }
}

/// What becomes of a tool call whose outcome is unknown after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInterrupt {
    /// The model is told, and decides.
    #[default]
    Report,
    /// It is run again: the user says that this is safe.
    Retry,
}

/// What a whole group of sessions may use in a day and in a month (UTC). All
/// of it is optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Caps {
    /// Tokens in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// Tokens in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_month: Option<u64>,
    /// Money in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_day: Option<Usd>,
    /// Money in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_month: Option<Usd>,
}

impl Caps {
    /// Whether nothing is capped.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether money is capped, which takes a model whose price is known.
    #[must_use]
    pub fn money(&self) -> bool {
        self.usd_per_day.is_some() || self.usd_per_month.is_some()
    }
}

/// The platform's limits on a session, frozen with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Longest turn in seconds, whatever the limits say.
    pub turn_seconds: u64,
    /// Most model calls in one turn.
    pub steps: u32,
    /// Output tokens asked for in one model call.
    pub max_tokens: u32,
    /// Context window of the model in tokens.
    pub window: u64,
    /// Equal calls with equal results in a row after which the model is told
    /// that it makes no progress; one more ends the turn. 0 turns this off.
    #[serde(default = "loop_after")]
    pub loop_after: u32,
    /// Longest single model call, in seconds, its retries not counted.
    #[serde(default = "model_seconds")]
    pub model_seconds: u64,
    /// Longest tool call, in seconds.
    #[serde(default = "tool_seconds")]
    pub tool_seconds: u64,
}

fn loop_after() -> u32 {
    Bounds::default().loop_after
}

fn model_seconds() -> u64 {
    Bounds::default().model_seconds
}

fn tool_seconds() -> u64 {
    Bounds::default().tool_seconds
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            turn_seconds: 1800,
            steps: 200,
            max_tokens: 16_000,
            window: 200_000,
            loop_after: 5,
            model_seconds: 600,
            tool_seconds: 1800,
        }
    }
}

impl Frozen {
    /// What becomes of a call of that tool whose outcome is unknown.
    #[must_use]
    pub fn on_interrupt(&self, tool: &str) -> OnInterrupt {
        let named = self.on_interrupt.get(tool);
        named
            .or_else(|| self.on_interrupt.get("*"))
            .copied()
            .unwrap_or_default()
    }

    /// The tokens of one call, told apart by whether its prompt was long.
    #[must_use]
    pub fn rated(&self, call: crate::Tokens) -> crate::Tokens {
        self.prices.map_or(call, |prices| prices.rated(call))
    }

    /// What these tokens cost, if the price is known.
    #[must_use]
    pub fn cost(&self, tokens: crate::Tokens) -> Option<Usd> {
        self.prices.map(|prices| prices.cost(tokens))
    }
}
