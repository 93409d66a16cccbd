//! Limits as they are sent, changed and shown.

use serde::{Deserialize, Serialize};
use session::{Limits, Usd};
use utoipa::ToSchema;

use super::number::{Again, Count, Dollars, given};

/// Limits; an absent one sets none.
/// A name that is not known is refused: a mistyped limit would be none.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Limits)]
pub struct LimitsIn {
    /// Tokens of the whole session, input and output.
    #[schema(value_type = u64, minimum = 1, required = false)]
    tokens: Option<Count>,
    /// US dollars that the model calls of the whole session may cost; takes a
    /// model whose price the server knows.
    #[schema(value_type = f64, exclusive_minimum = 0, required = false)]
    usd: Option<Dollars>,
    /// Turns of the whole session.
    #[schema(value_type = u64, minimum = 1, required = false)]
    turns: Option<Count>,
    /// Seconds of one turn.
    #[schema(value_type = u64, minimum = 1, required = false)]
    turn_seconds: Option<Count>,
    /// Model calls of one turn.
    #[schema(value_type = u64, minimum = 1, required = false)]
    steps: Option<Count>,
    /// Times in a row that a turn which came to its deadline goes on in a new
    /// turn by itself.
    #[schema(value_type = u32, minimum = 0, maximum = 100, required = false)]
    auto_continue: Option<Again>,
}

impl From<LimitsIn> for Limits {
    fn from(sent: LimitsIn) -> Self {
        Self {
            tokens: sent.tokens.map(|count| count.0),
            usd: sent.usd.map(|dollars| dollars.0),
            turns: sent.turns.map(Count::small),
            turn_seconds: sent.turn_seconds.map(|count| count.0),
            steps: sent.steps.map(Count::small),
            auto_continue: sent.auto_continue.map(|again| again.0),
        }
    }
}

/// A change of limits: what is absent stays, and null takes a limit away.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsChange {
    /// Tokens of the whole session, input and output.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    tokens: Option<Option<Count>>,
    /// US dollars that the model calls of the whole session may cost.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, exclusive_minimum = 0)]
    usd: Option<Option<Dollars>>,
    /// Turns of the whole session.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    turns: Option<Option<Count>>,
    /// Seconds of one turn.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    turn_seconds: Option<Option<Count>>,
    /// Model calls of one turn.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    steps: Option<Option<Count>>,
    /// Times in a row that a turn goes on by itself.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 100)]
    auto_continue: Option<Option<Again>>,
}

impl LimitsChange {
    /// The limits after this change of them.
    pub fn onto(&self, before: Limits) -> Limits {
        fn or<T: Copy, U>(sent: Option<Option<T>>, to: fn(T) -> U, before: Option<U>) -> Option<U> {
            sent.map_or(before, |sent| sent.map(to))
        }
        Limits {
            tokens: or(self.tokens, |count| count.0, before.tokens),
            usd: or(self.usd, |dollars| dollars.0, before.usd),
            turns: or(self.turns, Count::small, before.turns),
            turn_seconds: or(self.turn_seconds, |count| count.0, before.turn_seconds),
            steps: or(self.steps, Count::small, before.steps),
            auto_continue: or(self.auto_continue, |again| again.0, before.auto_continue),
        }
    }
}

/// Limits as they are shown: those that are set, money in dollars.
#[derive(Debug, Serialize)]
pub struct LimitsObject {
    #[serde(flatten)]
    whole: Limits,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd: Option<f64>,
}

impl From<Limits> for LimitsObject {
    fn from(limits: Limits) -> Self {
        Self {
            usd: limits.usd.map(Usd::as_dollars),
            whole: Limits {
                usd: None,
                ..limits
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn all() -> Limits {
        Limits {
            tokens: Some(5),
            usd: Some(Usd(250_000_000)),
            turns: Some(2),
            turn_seconds: Some(7),
            steps: Some(3),
            auto_continue: Some(1),
        }
    }

    fn read(value: Value) -> Limits {
        serde_json::from_value::<LimitsIn>(value).unwrap().into()
    }

    #[test]
    fn what_is_sent_is_shown_again() {
        let sent = json!({ "tokens": 5, "usd": 0.25, "turns": 2, "turn_seconds": 7, "steps": 3, "auto_continue": 1 });
        assert_eq!(read(sent.clone()), all());
        assert_eq!(json!(LimitsObject::from(all())), sent);
        assert_eq!(json!(LimitsObject::from(Limits::default())), json!({}));
        assert_eq!(read(json!({ "tokens": null })), Limits::default());
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name_and_null_takes_away() {
        let change: LimitsChange =
            serde_json::from_value(json!({ "usd": 1, "turns": null })).unwrap();
        let want = Limits {
            usd: Some(Usd(1_000_000_000)),
            turns: None,
            ..all()
        };
        assert_eq!(change.onto(all()), want);
        assert_eq!(LimitsChange::default().onto(all()), all());
        assert!(serde_json::from_value::<LimitsChange>(json!({ "steps": 0 })).is_err());
    }
}
