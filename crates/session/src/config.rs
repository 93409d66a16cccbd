//! What is frozen when a session starts, and never changes while it lives.

use serde::{Deserialize, Serialize};

use crate::{Limits, ModelRef};

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
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            turn_seconds: 1800,
            steps: 200,
            max_tokens: 16_000,
            window: 200_000,
        }
    }
}

impl Frozen {
    /// Milliseconds one turn may take.
    #[must_use]
    pub fn turn_ms(&self) -> i64 {
        let seconds = self
            .limits
            .turn_seconds
            .unwrap_or(u64::MAX)
            .min(self.bounds.turn_seconds);
        i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
    }
}
