//! Limits of a session: what the user allows, and how agent and session join.

use serde::{Deserialize, Serialize};

use crate::Usd;

/// Limits as sent on an agent or a session; an absent field sets no limit of
/// its own. All values but `auto_continue` are at least 1 (checked at the edge).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Tokens of the whole session, all four parts counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Wall-clock seconds of one turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_seconds: Option<u64>,
    /// Turns of the whole session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
    /// Money for model calls of the whole session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
    /// Model calls of one turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// Times in a row that a turn which came to its deadline goes on in a new
    /// turn by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_continue: Option<u32>,
}

impl Limits {
    /// These limits where set, the agent's elsewhere.
    #[must_use]
    pub fn over(self, agent: Self) -> Self {
        Self {
            tokens: self.tokens.or(agent.tokens),
            turn_seconds: self.turn_seconds.or(agent.turn_seconds),
            turns: self.turns.or(agent.turns),
            usd: self.usd.or(agent.usd),
            steps: self.steps.or(agent.steps),
            auto_continue: self.auto_continue.or(agent.auto_continue),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_overrides_its_agent_field_by_field() {
        let agent = Limits {
            tokens: Some(10),
            turn_seconds: Some(20),
            steps: Some(7),
            ..Limits::default()
        };
        let session = Limits {
            tokens: Some(5),
            turns: Some(3),
            ..Limits::default()
        };
        let both = Limits {
            tokens: Some(5),
            turn_seconds: Some(20),
            turns: Some(3),
            steps: Some(7),
            ..Limits::default()
        };
        assert_eq!(session.over(agent), both);
        assert_eq!(Limits::default().over(agent), agent);
    }
}
