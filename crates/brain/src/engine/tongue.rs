//! The engines there are, and the one thing they share: each is told what came
//! of its calls or that a turn begins, and asks at the door.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::live::Gone;
use super::place::Stream;
use super::{claude, codex};
use crate::api::Api;
use crate::model::Ask;
use crate::wire::conversation::{Entry, conversation};

/// Longest result an engine is shown, in characters: beyond it, some put it
/// into a file. The model is shown all of it, by the door.
const SHOWN: usize = 48_000;

/// A vendor's engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Claude,
    Codex,
}

/// How to start an engine: its program and arguments, environment and files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub command: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub files: Vec<(String, Vec<u8>)>,
}

/// What an engine is told so that it asks its model again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Feed {
    /// A turn begins, or goes on after a restart.
    Go,
    /// What came of the calls of the newest answer.
    Results(Vec<Shown>),
}

/// A result, as an engine is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub call: String,
    pub text: String,
    pub is_error: bool,
}

/// A talk with an engine.
pub(super) enum Tongue {
    Claude(claude::Talk),
    Codex(codex::Talk),
}

impl Kind {
    /// The engine of that runtime.
    pub fn of(runtime: &str) -> Option<Self> {
        match runtime {
            "claude" | "claude-agent-sdk" => Some(Self::Claude),
            "codex" => Some(Self::Codex),
            _ => None,
        }
    }

    /// The runtime's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
        }
    }

    /// The API by which it asks its model.
    pub fn api(self) -> Api {
        match self {
            Self::Claude => Api::Messages,
            Self::Codex => Api::Responses,
        }
    }

    /// How to start an engine that knows this conversation already, but for
    /// the words with which its newest part ends.
    pub fn plan(self, ask: &Ask, token: &SecretString) -> Plan {
        match self {
            Self::Claude => claude::plan(ask, token),
            Self::Codex => codex::plan(ask, token),
        }
    }

    /// Begins to talk with an engine that was started by that plan.
    pub fn greet(self, stdio: Box<dyn Stream>, ask: &Ask) -> Tongue {
        match self {
            Self::Claude => Tongue::Claude(claude::Talk::new(stdio, ask)),
            Self::Codex => Tongue::Codex(codex::Talk::new(stdio, ask)),
        }
    }
}

impl Feed {
    /// What an engine is told that waits for the results of the newest answer,
    /// or for nothing if that made no calls.
    pub fn of(ask: &Ask) -> Self {
        let shown = |outcome: &crate::wire::conversation::Outcome<'_>| Shown {
            call: outcome.call.to_owned(),
            text: outcome.text.chars().take(SHOWN).collect(),
            is_error: outcome.is_error,
        };
        match conversation(&ask.items).last() {
            Some(Entry::User { results, .. }) if !results.is_empty() => {
                Self::Results(results.iter().map(shown).collect())
            }
            _ => Self::Go,
        }
    }
}

impl Tongue {
    /// Tells the engine what it needs to ask its model again.
    pub fn feed(&mut self, feed: Feed) {
        match self {
            Self::Claude(talk) => talk.feed(feed),
            Self::Codex(talk) => talk.feed(feed),
        }
    }

    /// Listens to the engine, and answers its own questions, until it is of no
    /// more use. May be given up at any moment and taken up again.
    pub async fn run(&mut self) -> Gone {
        match self {
            Self::Claude(talk) => talk.run().await,
            Self::Codex(talk) => talk.run().await,
        }
    }
}
