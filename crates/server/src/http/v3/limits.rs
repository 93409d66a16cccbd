//! Limits as they are sent: whole numbers of 1 or more.

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use session::Limits;
use utoipa::ToSchema;

/// Limits; an absent one sets none.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Limits)]
pub struct LimitsIn {
    /// Tokens of the whole session, input and output.
    #[schema(value_type = u64, minimum = 1, required = false)]
    tokens: Option<Count>,
    /// Seconds of one turn.
    #[schema(value_type = u64, minimum = 1, required = false)]
    turn_seconds: Option<Count>,
    /// Turns of the whole session.
    #[schema(value_type = u64, minimum = 1, required = false)]
    turns: Option<Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count(u64);

impl From<LimitsIn> for Limits {
    fn from(sent: LimitsIn) -> Self {
        Self {
            tokens: sent.tokens.map(|count| count.0),
            turn_seconds: sent.turn_seconds.map(|count| count.0),
            turns: sent
                .turns
                .map(|count| u32::try_from(count.0).unwrap_or(u32::MAX)),
            ..Self::default()
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Count;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number of 1 or more")
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Count, E> {
                // Larger ones cannot be stored, and limit nothing.
                match n {
                    0 => Err(E::invalid_value(serde::de::Unexpected::Unsigned(0), &self)),
                    n => Ok(Count(n.min(i64::MAX as u64))),
                }
            }
        }
        from.deserialize_u64(Whole)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Limits, String> {
        serde_json::from_value::<LimitsIn>(value)
            .map(Limits::from)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_whole_numbers_of_one_or_more() {
        let good = read(json!({ "tokens": 5, "turns": 5_000_000_000_u64, "new": 1 })).unwrap();
        assert_eq!(
            good,
            Limits {
                tokens: Some(5),
                turns: Some(u32::MAX),
                ..Limits::default()
            }
        );
        assert_eq!(read(json!({ "tokens": null })).unwrap(), Limits::default());
        for bad in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("5"),
            json!(true),
            json!([]),
        ] {
            let error = read(json!({ "tokens": bad })).unwrap_err();
            assert!(error.contains("a whole number of 1 or more"), "{error}");
        }
    }
}
