//! Numbers in requests: each type says what it may be, and its refusal says it
//! in words.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use session::Usd;

/// A whole number of 1 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub u64);

/// An amount of money above nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dollars(pub Usd);

/// How many times something may go on by itself: 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again(pub u32);

/// A span in whole seconds, of any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub i64);

/// Most dollars that are taken for a limit: more than fits is no limit.
const MOST_DOLLARS: f64 = 1e9;
/// Most times a turn may go on by itself.
const MOST_AGAIN: u64 = 100;

impl Count {
    /// The same as a smaller number; what does not fit limits nothing.
    pub fn small(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

/// Reads a number of any kind as what `T` takes.
struct Number<T> {
    wants: &'static str,
    take: fn(f64, Option<u64>) -> Option<T>,
}

impl<T> Visitor<'_> for Number<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wants)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "whole numbers are taken from the second argument"
    )]
    fn visit_u64<E: Error>(self, n: u64) -> Result<T, E> {
        let wrong = || E::invalid_value(Unexpected::Unsigned(n), &self);
        (self.take)(n as f64, Some(n)).ok_or_else(wrong)
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<T, E> {
        Err(E::invalid_value(Unexpected::Signed(n), &self))
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<T, E> {
        let wrong = || E::invalid_value(Unexpected::Float(n), &self);
        (self.take)(n, None).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Number {
            wants: "a whole number of 1 or more",
            // Larger ones cannot be stored, and limit nothing.
            take: |_, whole| {
                let n = whole.filter(|n| *n > 0)?;
                Some(Self(n.min(i64::MAX as u64)))
            },
        })
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Number {
            wants: "an amount in USD above 0, such as 0.25",
            take: |dollars, _| {
                let usd = Usd::dollars(dollars.min(MOST_DOLLARS))?;
                (usd > Usd(0)).then_some(Self(usd))
            },
        })
    }
}

impl<'de> Deserialize<'de> for Again {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Number {
            wants: "a whole number from 0 to 100",
            take: |_, whole| {
                let n = whole.filter(|n| *n <= MOST_AGAIN)?;
                u32::try_from(n).ok().map(Self)
            },
        })
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of seconds")
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Seconds, E> {
                Ok(Seconds(n))
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Seconds, E> {
                Ok(Seconds(i64::try_from(n).unwrap_or(i64::MAX)))
            }
        }
        from.deserialize_any(Whole)
    }
}

/// A field that can be absent, null or a value: for changes, where null takes a
/// value away.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_count_is_whole_and_at_least_one() {
        assert_eq!(read(json!(5)), Ok(Count(5)));
        assert_eq!(read(json!(u64::MAX)), Ok(Count(i64::MAX as u64)));
        assert_eq!(Count(5_000_000_000).small(), u32::MAX);
        for bad in [json!(0), json!(-1), json!(1.5), json!("5"), json!(true)] {
            let error = read::<Count>(bad.clone()).unwrap_err();
            assert!(error.contains("a whole number of 1 or more"), "{error}");
        }
    }

    #[test]
    fn money_is_more_than_nothing() {
        for (dollars, nanos) in [
            (json!(0.25), 250_000_000),
            (json!(3), 3_000_000_000),
            (json!(1e-9), 1),
            (json!(1e30), 1_000_000_000_000_000_000),
        ] {
            assert_eq!(read(dollars), Ok(Dollars(Usd(nanos))));
        }
        for bad in [json!(0), json!(0.0), json!(-1), json!(1e-12), json!("1")] {
            let error = read::<Dollars>(bad.clone()).unwrap_err();
            assert!(error.contains("an amount in USD above 0"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_span_is_in_whole_seconds() {
        assert_eq!(read(json!(-5)), Ok(Seconds(-5)));
        assert_eq!(read(json!(u64::MAX)), Ok(Seconds(i64::MAX)));
        for bad in [json!("x"), json!(1.5), json!(null)] {
            let error = read::<Seconds>(bad).unwrap_err();
            assert!(error.contains("a whole number of seconds"), "{error}");
        }
    }

    #[test]
    fn going_on_has_an_end() {
        assert_eq!(read(json!(0)), Ok(Again(0)));
        assert_eq!(read(json!(100)), Ok(Again(100)));
        for bad in [json!(101), json!(-1), json!(0.5), json!(null)] {
            assert!(read::<Again>(bad.clone()).is_err(), "{bad}");
        }
    }
}
