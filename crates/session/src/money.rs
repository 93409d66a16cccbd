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
    /// What all tokens of a call cost instead whose prompt is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongPrices>,
}

/// What one token of each kind costs in a call with a long prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LongPrices {
    /// A prompt is long that has more tokens than this, cached ones included.
    pub over: u64,
    /// As of [`Prices`].
    pub input: u64,
    /// As of [`Prices`].
    pub output: u64,
    /// As of [`Prices`].
    pub cache_write: u64,
    /// As of [`Prices`].
    pub cache_read: u64,
}

impl Prices {
    /// What these tokens cost: those of calls with long prompts at their price,
    /// the others at the common one.
    #[must_use]
    pub fn cost(&self, tokens: Tokens) -> Usd {
        let rest = tokens.long;
        let long = self.long.unwrap_or(LongPrices {
            over: u64::MAX,
            input: self.input,
            output: self.output,
            cache_write: self.cache_write,
            cache_read: self.cache_read,
        });
        let parts = [
            (tokens.input, rest.input, self.input, long.input),
            (tokens.output, rest.output, self.output, long.output),
            (
                tokens.cache_write,
                rest.cache_write,
                self.cache_write,
                long.cache_write,
            ),
            (
                tokens.cache_read,
                rest.cache_read,
                self.cache_read,
                long.cache_read,
            ),
        ];
        let sum = parts.iter().fold(0u64, |sum, (all, long, price, dear)| {
            let plain = all.saturating_sub(*long).saturating_mul(*price);
            sum.saturating_add(plain)
                .saturating_add(long.saturating_mul(*dear))
        });
        Usd(sum)
    }

    /// The tokens of one call, told apart by whether its prompt was long.
    #[must_use]
    pub fn rated(&self, call: Tokens) -> Tokens {
        match self.long {
            Some(long) if call.context() > long.over => call.all_long(),
            _ => call,
        }
    }

    /// These tokens with all input as the kind that costs most: for a call of
    /// which nobody knows what a cache had to do with it.
    #[must_use]
    pub fn dearest_kind(&self, call: Tokens) -> Tokens {
        let input = call.context();
        let kinds = [
            Tokens {
                input,
                ..Tokens::default()
            },
            Tokens {
                cache_write: input,
                ..Tokens::default()
            },
            Tokens {
                cache_read: input,
                ..Tokens::default()
            },
        ];
        let costs = |kind: &Tokens| self.cost(self.rated(*kind));
        // The first of those that cost the same.
        let dear = kinds.into_iter().rev().max_by_key(costs);
        Tokens {
            output: call.output,
            ..dear.unwrap_or(call)
        }
    }

    /// The most that one input token, and one output token, can cost in a call
    /// whose prompt has at most so many tokens.
    #[must_use]
    pub fn dearest(&self, prompt: u64) -> (u64, u64) {
        let input = self.input.max(self.cache_write).max(self.cache_read);
        match self.long {
            // It may turn out to have fewer, and then to be cheaper or dearer.
            Some(long) if prompt > long.over => {
                let dear = long.input.max(long.cache_write).max(long.cache_read);
                (input.max(dear), self.output.max(long.output))
            }
            _ => (input, self.output),
        }
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
            long: None,
        };
        let tokens = Tokens {
            input: 1_000_000,
            output: 10,
            cache_write: 100,
            cache_read: 1000,
            ..Tokens::default()
        };
        let want = 3_000_000_000 + 150_000 + 375_000 + 300_000;
        assert_eq!(prices.cost(tokens), Usd(want));
        assert_eq!(prices.dearest(9_000_000), (3750, 15_000));
        let dear = prices.dearest_kind(tokens);
        assert_eq!((dear.cache_write, dear.context()), (1_001_100, 1_001_100));
        assert_eq!(dear.output, 10);
        let flat = Prices {
            cache_write: 3000,
            ..prices
        };
        assert_eq!(flat.dearest_kind(tokens).input, 1_001_100);
        assert_eq!(prices.cost(Tokens::default()), Usd(0));
    }

    #[test]
    fn a_call_with_a_long_prompt_has_its_own_price_in_any_sum() {
        let prices = Prices {
            input: 2,
            output: 10,
            cache_write: 3,
            cache_read: 1,
            long: Some(LongPrices {
                over: 100,
                input: 4,
                output: 15,
                cache_write: 6,
                cache_read: 2,
            }),
        };
        let call = |input, cache_read| {
            prices.rated(Tokens {
                input,
                output: 7,
                cache_read,
                ..Tokens::default()
            })
        };
        let (short, long) = (call(60, 40), call(60, 41));
        assert_eq!(prices.cost(short), Usd(120 + 70 + 40));
        assert_eq!(prices.cost(long), Usd(240 + 105 + 82));
        let sum = short.plus(long).plus(short);
        assert_eq!(prices.cost(sum), Usd(2 * 230 + 427));
        assert_eq!(prices.cost(sum.less(short)), Usd(230 + 427));
        assert_eq!(prices.dearest(100), (3, 10));
        assert_eq!(prices.dearest(101), (6, 15));
        let wire = serde_json::to_value(sum).unwrap_or_default();
        assert_eq!(wire["long_prompt"]["cache_read_input_tokens"], 41);
        assert_eq!(serde_json::from_value::<Tokens>(wire).ok(), Some(sum));
    }
}
