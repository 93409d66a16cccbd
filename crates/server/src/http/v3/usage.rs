//! What was used, as the contract (v3 §9) shows it: of a session and of a turn.

use serde::Serialize;
use serde_json::Value;
use session::{SessionUsage, Tokens};
use utoipa::ToSchema;

/// Usage of a session, over its ended turns.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionUsage)]
pub struct UsageObject {
    /// Seconds in which a turn was running.
    active_seconds: u64,
    /// Turns whose tokens are known.
    reported_turns: u32,
    /// Turns whose tokens are not known.
    unreported_turns: u32,
    /// Whether the counts are all there is.
    complete: bool,
    #[serde(flatten)]
    #[schema(inline)]
    tokens: TokensObject,
    /// The sum of the four counts.
    #[serde(rename = "tokens")]
    total: u64,
}

/// Tokens; the four counts are disjoint.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensObject {
    /// Input that no cache was asked for.
    input_tokens: u64,
    /// Output, thinking included.
    output_tokens: u64,
    /// Input written to the provider's cache.
    cache_creation_input_tokens: u64,
    /// Input read from the provider's cache.
    cache_read_input_tokens: u64,
}

/// Usage of a turn.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TurnUsage, value_type = Object)]
#[serde(transparent)]
pub struct TurnUsage(pub Value);

impl From<Tokens> for TokensObject {
    fn from(tokens: Tokens) -> Self {
        Self {
            input_tokens: tokens.input,
            output_tokens: tokens.output,
            cache_creation_input_tokens: tokens.cache_write,
            cache_read_input_tokens: tokens.cache_read,
        }
    }
}

impl From<SessionUsage> for UsageObject {
    fn from(usage: SessionUsage) -> Self {
        Self {
            active_seconds: usage.active_ms / 1000,
            reported_turns: usage.reported_turns,
            unreported_turns: usage.unreported_turns,
            complete: usage.complete(),
            tokens: usage.tokens.into(),
            total: usage.tokens.total(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn usage_has_every_field_the_strict_readers_want() {
        let usage = SessionUsage {
            active_ms: 2_999,
            reported_turns: 2,
            partial_turns: 0,
            unreported_turns: 1,
            tokens: Tokens {
                input: 1,
                output: 2,
                cache_write: 4,
                cache_read: 8,
            },
        };
        let want = json!({ "active_seconds": 2, "reported_turns": 2, "unreported_turns": 1, "complete": false,
            "input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 8,
            "tokens": 15 });
        assert_eq!(
            serde_json::to_value(UsageObject::from(usage)).unwrap(),
            want
        );
    }

    #[test]
    fn it_is_complete_only_if_every_turn_told_all() {
        for (partial_turns, unreported_turns, complete) in
            [(0, 0, true), (1, 0, false), (0, 1, false)]
        {
            let usage = SessionUsage {
                partial_turns,
                unreported_turns,
                ..SessionUsage::default()
            };
            assert_eq!(UsageObject::from(usage).complete, complete);
        }
    }
}
