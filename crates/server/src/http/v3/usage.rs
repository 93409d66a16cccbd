//! What was used, as the contract (v3 §9) shows it: of a session and of a turn.

use serde::Serialize;
use serde_json::Value;
use session::{Frozen, State, Tokens, Usd};
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
    /// What these tokens cost, in USD, if the model's price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total_cost_usd: Option<f64>,
    /// Tokens that model calls cut by a crash may have used besides: nobody can
    /// know, so they count against the limits.
    #[serde(skip_serializing_if = "is_none")]
    charged_tokens: u64,
    /// What the active seconds cost, in USD.
    cost_usd: f64,
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

impl TurnUsage {
    /// The usage that an event tells of, with its cost where the price is known.
    pub fn of(told: Option<Value>, frozen: &Frozen) -> Self {
        let mut usage = told.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let tokens = serde_json::from_value::<Tokens>(usage.clone());
        if let Some(cost) = tokens.ok().and_then(|tokens| frozen.cost(tokens)) {
            usage["total_cost_usd"] = cost.as_dollars().into();
        }
        Self(usage)
    }
}

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

impl UsageObject {
    /// Usage of the session of that state; `hour` is what an hour costs, in USD.
    pub fn new(frozen: &Frozen, state: &State, hour: f64) -> Self {
        let usage = state.usage;
        let active_seconds = usage.active_ms / 1000;
        Self {
            active_seconds,
            reported_turns: usage.reported_turns,
            unreported_turns: usage.unreported_turns,
            complete: usage.complete(),
            tokens: usage.tokens.into(),
            total: usage.tokens.total(),
            total_cost_usd: frozen.cost(usage.tokens).map(Usd::as_dollars),
            charged_tokens: state.charged.total(),
            cost_usd: time_cost(active_seconds, hour),
        }
    }
}

/// What so many seconds cost at that price per hour, to the nano-dollar.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds stay far below the 53 bits that are exact"
)]
pub fn time_cost(seconds: u64, hour: f64) -> f64 {
    let dollars = seconds as f64 * hour / 3600.0;
    Usd::dollars(dollars).unwrap_or_default().as_dollars()
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session::{Prices, SessionUsage};

    use super::*;
    use crate::http::v3::sessions::testing::frozen;

    fn shown(frozen: &Frozen, usage: SessionUsage, charged: Tokens) -> Value {
        let state = State {
            usage,
            charged,
            ..State::default()
        };
        json!(UsageObject::new(frozen, &state, 0.012))
    }

    const USED: Tokens = Tokens {
        input: 1,
        output: 2,
        cache_write: 4,
        cache_read: 8,
        long: session::Long::NONE,
    };

    #[test]
    fn usage_has_every_field_the_strict_readers_want() {
        let usage = SessionUsage {
            active_ms: 2_999,
            reported_turns: 2,
            partial_turns: 0,
            unreported_turns: 1,
            tokens: USED,
        };
        let want = json!({ "active_seconds": 2, "reported_turns": 2, "unreported_turns": 1, "complete": false,
            "input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 8,
            "tokens": 15, "cost_usd": 0.000_006_667 });
        assert_eq!(shown(&frozen(), usage, Tokens::default()), want);
    }

    #[test]
    fn a_known_price_gives_a_cost_and_a_cut_call_is_told() {
        let prices = Prices {
            input: 3_000,
            output: 15_000,
            cache_write: 4_000,
            cache_read: 300,
            long: None,
        };
        let frozen = Frozen {
            prices: Some(prices),
            ..frozen()
        };
        let usage = SessionUsage {
            tokens: USED,
            ..SessionUsage::default()
        };
        let shown = shown(&frozen, usage, USED);
        assert_eq!(shown["total_cost_usd"], 0.000_051_4);
        assert_eq!(shown["charged_tokens"], 15);
        let turn = TurnUsage::of(Some(json!(USED)), &frozen);
        assert_eq!(turn.0["total_cost_usd"], 0.000_051_4);
        let unknown = json!({ "reported": false });
        assert_eq!(TurnUsage::of(Some(unknown.clone()), &frozen).0, unknown);
        assert_eq!(TurnUsage::of(None, &frozen).0, json!({}));
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
            let shown = shown(&frozen(), usage, Tokens::default());
            assert_eq!(shown["complete"], complete);
        }
    }
}
