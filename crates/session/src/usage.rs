//! What was used: the tokens of one model reply, of a turn, of a session.

use serde::{Deserialize, Serialize};

/// Token counts as a provider reports them. The four parts are disjoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Input tokens that were neither read from nor written to a cache.
    #[serde(rename = "input_tokens")]
    pub input: u64,
    /// Output tokens, thinking included.
    #[serde(rename = "output_tokens")]
    pub output: u64,
    /// Input tokens written to the provider's prompt cache.
    #[serde(rename = "cache_creation_input_tokens")]
    pub cache_write: u64,
    /// Input tokens read from the provider's prompt cache.
    #[serde(rename = "cache_read_input_tokens")]
    pub cache_read: u64,
    /// Those of them that belong to calls whose prompt was so long that each of
    /// their tokens had another price.
    #[serde(rename = "long_prompt", default, skip_serializing_if = "Long::is_none")]
    pub long: Long,
}

/// Tokens of calls with long prompts, in the same four parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Long {
    /// Input that no cache had to do with.
    #[serde(rename = "input_tokens")]
    pub input: u64,
    /// Output.
    #[serde(rename = "output_tokens")]
    pub output: u64,
    /// Input written to a cache.
    #[serde(rename = "cache_creation_input_tokens")]
    pub cache_write: u64,
    /// Input read from a cache.
    #[serde(rename = "cache_read_input_tokens")]
    pub cache_read: u64,
}

impl Long {
    /// None at all.
    pub const NONE: Self = Self {
        input: 0,
        output: 0,
        cache_write: 0,
        cache_read: 0,
    };

    /// Whether there are none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    fn with(self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            input: of(self.input, other.input),
            output: of(self.output, other.output),
            cache_write: of(self.cache_write, other.cache_write),
            cache_read: of(self.cache_read, other.cache_read),
        }
    }
}

impl Tokens {
    /// The sum of the four parts.
    #[must_use]
    pub fn total(self) -> u64 {
        self.context().saturating_add(self.output)
    }

    /// What the model had to read: everything but the output.
    #[must_use]
    pub fn context(self) -> u64 {
        self.input
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_read)
    }

    /// What these counts are over others; never below 0.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_sub(other.input),
            output: self.output.saturating_sub(other.output),
            cache_write: self.cache_write.saturating_sub(other.cache_write),
            cache_read: self.cache_read.saturating_sub(other.cache_read),
            long: self.long.with(other.long, u64::saturating_sub),
        }
    }

    /// Both counts together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            long: self.long.with(other.long, u64::saturating_add),
        }
    }

    /// These, all of them of a call with a long prompt.
    #[must_use]
    pub fn all_long(self) -> Self {
        let long = Long {
            input: self.input,
            output: self.output,
            cache_write: self.cache_write,
            cache_read: self.cache_read,
        };
        Self { long, ..self }
    }
}

/// The usage of a session: the sum over its finished turns (contract v3 §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionUsage {
    /// Wall-clock milliseconds in which a turn was running.
    pub active_ms: u64,
    /// Turns of which at least one reply reported its usage.
    pub reported_turns: u32,
    /// Turns of which nothing is known (they ended before any reply).
    pub unreported_turns: u32,
    /// Those of the reported turns in which a reply did not tell: their tokens
    /// are a lower bound.
    #[serde(default)]
    pub partial_turns: u32,
    /// Tokens of all turns.
    pub tokens: Tokens,
}

impl SessionUsage {
    /// Whether the tokens are all that was used, and no lower bound.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.unreported_turns == 0 && self.partial_turns == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_sum_of_disjoint_parts() {
        let t = Tokens {
            input: 1,
            output: 2,
            cache_write: 4,
            cache_read: 8,
            ..Tokens::default()
        };
        assert_eq!(t.total(), 15);
        assert_eq!(t.context(), 13);
        assert_eq!(t.plus(t).total(), 30);
    }

    #[test]
    fn the_wire_uses_the_contract_names() {
        let json = serde_json::to_value(Tokens::default()).unwrap_or_default();
        for key in [
            "input_tokens",
            "output_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        ] {
            assert!(json.get(key).is_some(), "{key}");
        }
    }
}
