//! How long, and how often, a provider is waited for.

use std::time::Duration;

use session::retry::Rules;

/// Longest time to have tokens counted.
const COUNTING: Duration = Duration::from_secs(20);

/// How long and how often a provider is waited for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// Until the first byte of an answer.
    pub first_byte: Duration,
    /// Between two pieces of an answer; keep-alive pieces count.
    pub gap: Duration,
    /// For one call in all: its attempts, however busy their streams are, and
    /// the waits between them.
    pub total: Duration,
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Before the second attempt; doubles from there.
    pub backoff: Duration,
    /// Longest wait between two attempts that we choose ourselves.
    pub backoff_cap: Duration,
    /// Longest wait between two attempts that a provider may ask for.
    pub advice_cap: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(120),
            gap: Duration::from_secs(60),
            total: Duration::from_secs(600),
            attempts: 8,
            backoff: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(30),
            advice_cap: Duration::from_secs(120),
        }
    }
}

impl Patience {
    /// The patience for counting tokens: short, since there is a bound to go on
    /// with where the provider does not count.
    pub(crate) fn for_counting(&self) -> Self {
        Self {
            first_byte: self.first_byte.min(COUNTING),
            total: self.total.min(COUNTING),
            attempts: self.attempts.min(3),
            advice_cap: self.advice_cap.min(COUNTING),
            ..*self
        }
    }

    /// The retry rules that follow from it.
    pub(crate) fn rules(&self) -> Rules {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Rules {
            attempts: self.attempts,
            base_ms: ms(self.backoff),
            cap_ms: ms(self.backoff_cap),
            advice_cap_ms: ms(self.advice_cap),
        }
    }
}
