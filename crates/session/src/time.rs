//! A moment, as the rules see it: the clock is always an argument.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// This moment plus a span in milliseconds; saturates instead of wrapping.
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment, never below zero: a clock
    /// that jumped back must not make a duration negative.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_never_negative_and_never_wraps() {
        for (later, earlier, span) in [(5, 3, 2), (3, 5, 0), (i64::MAX, -1, i64::MAX)] {
            assert_eq!(Millis(later).since(Millis(earlier)), span);
        }
        assert_eq!(Millis(i64::MAX).plus(1), Millis(i64::MAX));
    }
}
