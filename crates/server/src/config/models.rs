//! The models: keys of agents that bring none, where the providers are, how long a
//! model may take, and what its tokens cost.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::options::options;
use super::{ConfigError, Secret, at_least, wrong};

options! {
    /// How models are reached and paid.
    Models {
        /// Key for anthropic/ models of agents that bring none ("managed")
        "ANTHROPIC_API_KEY" (hide_env_values = true) anthropic_api_key: Secret;
        /// Key for openai/ models of agents that bring none ("managed")
        "OPENAI_API_KEY" (hide_env_values = true) openai_api_key: Secret;
        /// Where Anthropic's API is
        "OC_ANTHROPIC_BASE_URL" anthropic_base_url: String;
        /// Where OpenAI's API is
        "OC_OPENAI_BASE_URL" openai_base_url: String;
        /// Output tokens asked for in one model call
        "OC_MAX_OUTPUT_TOKENS" max_output_tokens: u32;
        /// Context window to assume for every model, in tokens
        "OC_CONTEXT_WINDOW" context_window: u64;
        /// Seconds a model may take until its first byte
        "OC_MODEL_FIRST_BYTE_SECONDS" model_first_byte_seconds: u64 = 120;
        /// Seconds a model may pause between bytes
        "OC_MODEL_GAP_SECONDS" model_gap_seconds: u64 = 60;
        /// Seconds one model call may take in all
        "OC_MODEL_SECONDS" model_seconds: u64 = 600;
        /// Times a model call is tried
        "OC_MODEL_ATTEMPTS" model_attempts: u32 = 8;
        /// Memory of the sandbox of an engine (claude, codex, a program of yours), in MiB
        "OC_ENGINE_MEMORY_MB" engine_memory_mb: u64 = 1024;
        /// Seconds until an engine that is not asked anything is ended
        "OC_ENGINE_IDLE_SECONDS" engine_idle_seconds: u64 = 60;
        /// Seconds an engine may take from being told to asking its model
        "OC_ENGINE_START_SECONDS" engine_start_seconds: u64 = 60;
        /// Engines that may live at once; a session beyond them waits for one to rest
        "OC_ENGINES" engines: u32 = 16;
    }
    tables {
        /// Prices of models by `provider/name`, or by the beginning of it and `*`
        prices: BTreeMap<String, Price>;
    }
}

/// What a million tokens of a model cost, in USD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens read.
    pub input: f64,
    /// Tokens written.
    pub output: f64,
    /// Tokens put into the provider's cache; like `input` if not given.
    pub cache_write: Option<f64>,
    /// Tokens found in the provider's cache; like `input` if not given.
    pub cache_read: Option<f64>,
    /// What calls with long prompts cost instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongPrice>,
}

/// What a million tokens cost in a call with a long prompt, in USD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongPrice {
    /// A prompt is long that has more tokens than this.
    pub over: u64,
    /// As of [`Price`].
    pub input: f64,
    /// As of [`Price`].
    pub output: f64,
    /// As of [`Price`].
    pub cache_write: Option<f64>,
    /// As of [`Price`].
    pub cache_read: Option<f64>,
}

impl From<Price> for session::Prices {
    /// Rounded up: what has a price is never free.
    fn from(price: Price) -> Self {
        // A dollar per million tokens is a thousand nano-dollars per token.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sound price is small and not negative"
        )]
        let nanos = |usd: f64| (usd * 1000.0).ceil() as u64;
        Self {
            input: nanos(price.input),
            output: nanos(price.output),
            cache_write: nanos(price.cache_write.unwrap_or(price.input)),
            cache_read: nanos(price.cache_read.unwrap_or(price.input)),
            long: price.long.map(|long| session::LongPrices {
                over: long.over,
                input: nanos(long.input),
                output: nanos(long.output),
                cache_write: nanos(long.cache_write.unwrap_or(long.input)),
                cache_read: nanos(long.cache_read.unwrap_or(long.input)),
            }),
        }
    }
}

impl Price {
    fn is_sound(self) -> bool {
        let cached = [self.cache_write, self.cache_read].into_iter().flatten();
        let long = self.long.into_iter().flat_map(|long| {
            let cached = [long.cache_write, long.cache_read].into_iter().flatten();
            [long.input, long.output].into_iter().chain(cached)
        });
        let mut all = [self.input, self.output]
            .into_iter()
            .chain(cached)
            .chain(long);
        // The upper bound is far above any model and keeps sums far from overflow.
        all.all(|usd| (0.0..=1e6).contains(&usd))
    }
}

impl Models {
    /// Tidies what was given.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub(super) fn check(mut self) -> Result<Self, ConfigError> {
        at_least("model_attempts", 1, self.model_attempts.into())?;
        at_least("model_seconds", 1, self.model_seconds)?;
        at_least("engine_memory_mb", 64, self.engine_memory_mb)?;
        at_least("engine_idle_seconds", 1, self.engine_idle_seconds)?;
        at_least("engine_start_seconds", 1, self.engine_start_seconds)?;
        at_least("engines", 1, self.engines.into())?;
        for (model, price) in &self.prices {
            if !price.is_sound() {
                let given = format!("{price:?} for {model}");
                return Err(wrong("prices", given, "give USD per million tokens"));
            }
        }
        let _ = self.anthropic_api_key.take_if(Secret::is_empty);
        let _ = self.openai_api_key.take_if(Secret::is_empty);
        Ok(self)
    }

    /// The key for models of agents that bring none, if the operator set one.
    #[must_use]
    pub fn managed_key(&self, provider: session::Provider) -> Option<&SecretString> {
        match provider {
            session::Provider::Anthropic => self.anthropic_api_key.as_deref(),
            session::Provider::OpenAi => self.openai_api_key.as_deref(),
            session::Provider::Test => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_per_million_tokens_is_a_thousand_nano_dollars_each() {
        let price = Price {
            input: 3.0,
            output: 15.0,
            cache_write: None,
            cache_read: Some(0.3),
            long: Some(LongPrice {
                over: 9,
                input: 6.0,
                output: 22.5,
                cache_write: None,
                cache_read: Some(0.6),
            }),
        };
        let want = session::Prices {
            input: 3_000,
            output: 15_000,
            cache_write: 3_000,
            cache_read: 300,
            long: Some(session::LongPrices {
                over: 9,
                input: 6_000,
                output: 22_500,
                cache_write: 6_000,
                cache_read: 600,
            }),
        };
        assert_eq!(session::Prices::from(price), want);
    }
}
