//! Money: what model tokens cost. Whole numbers only, so that sums are exact
//! and the same everywhere.

use serde::{Deserialize, Serialize};

use crate::usage::Tokens;

/// An amount of US dollars, counted in nano-dollars (1e-9 USD).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Usd(pub u64);

/// Nano-dollars in a dollar.
const NANOS: f64 = 1e9;

impl Usd {
    /// The amount of that many dollars, rounded to a nano-dollar; `None` if it
    /// is negative, not a number, or more than fits (18 thousand million).
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    pub fn dollars(dollars: f64) -> Option<Self> {
        let nanos = (dollars * NANOS).round();
        (nanos.is_finite() && (0.0..1.8e19).contains(&nanos)).then_some(Self(nanos as u64))
    }

    /// The amount in dollars, for showing.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "shown, never added: 15 digits are enough"
    )]
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / NANOS
    }

    /// Both amounts together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of this amount after the other is taken; never below 0.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// What one token of each kind costs, in nano-dollars: one dollar per million
/// tokens is 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Prices {
    /// An input token that was neither read from nor written to a cache.
    pub input: u64,
    /// An output token.
    pub output: u64,
    /// An input token written to the provider's prompt cache.
    pub cache_write: u64,
    /// An input token read from the provider's prompt cache.
    pub cache_read: u64,
}

impl Prices {
    /// What these tokens cost.
    #[must_use]
    pub fn cost(&self, tokens: Tokens) -> Usd {
        let parts = [
            (tokens.input, self.input),
            (tokens.output, self.output),
            (tokens.cache_write, self.cache_write),
            (tokens.cache_read, self.cache_read),
        ];
        let sum = parts.iter().fold(0u64, |sum, (count, price)| {
            sum.saturating_add(count.saturating_mul(*price))
        });
        Usd(sum)
    }

    /// The most that one input token can cost.
    #[must_use]
    pub fn dearest_input(&self) -> u64 {
        self.input.max(self.cache_write).max(self.cache_read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact_to_a_nano_dollar() {
        for (dollars, nanos) in [
            (0.0, 0),
            (0.25, 250_000_000),
            (1e-9, 1),
            (3.0, 3_000_000_000),
        ] {
            assert_eq!(Usd::dollars(dollars), Some(Usd(nanos)));
            assert!((Usd(nanos).as_dollars() - dollars).abs() < 1e-12);
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e12] {
            assert_eq!(Usd::dollars(bad), None);
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let prices = Prices {
            input: 3000,
            output: 15_000,
            cache_write: 3750,
            cache_read: 300,
        };
        let tokens = Tokens {
            input: 1_000_000,
            output: 10,
            cache_write: 100,
            cache_read: 1000,
        };
        let want = 3_000_000_000 + 150_000 + 375_000 + 300_000;
        assert_eq!(prices.cost(tokens), Usd(want));
        assert_eq!(prices.dearest_input(), 3750);
        assert_eq!(prices.cost(Tokens::default()), Usd(0));
    }
}
