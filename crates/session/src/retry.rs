//! When to ask a failing provider again, and when to leave it at that.
//!
//! Pure rules: which attempt failed, what the provider said, and a random
//! number go in; a wait comes out. Who waits is not known here.

/// How often and how patiently something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Milliseconds before the second attempt; doubles from there.
    pub base_ms: u64,
    /// Longest wait of our own choosing, in milliseconds.
    pub cap_ms: u64,
    /// Longest wait a provider may ask for, in milliseconds.
    pub advice_cap_ms: u64,
}

impl Rules {
    /// Milliseconds to wait after attempt number `attempt` (from 1) failed, or
    /// `None` if it was the last. `jitter` is random in `0.0..1.0`: many
    /// sessions that failed together must not come back together. A provider's
    /// own advice is never undercut, unless it goes beyond its cap.
    #[must_use]
    pub fn wait_ms(&self, attempt: u32, advice_ms: Option<u64>, jitter: f64) -> Option<u64> {
        if attempt >= self.attempts {
            return None;
        }
        let jitter = jitter.clamp(0.0, 1.0);
        Some(match advice_ms {
            Some(advice) => {
                let spread = (advice as f64 * 0.1).min(1000.0) * jitter;
                advice.saturating_add(spread as u64).min(self.advice_cap_ms)
            }
            None => {
                let doubled = 1_u64
                    .checked_shl(attempt.saturating_sub(1))
                    .unwrap_or(u64::MAX);
                let full = self.base_ms.saturating_mul(doubled).min(self.cap_ms);
                (full as f64 * (1.0 - 0.5 * jitter)) as u64
            }
        })
    }
}

/// Whether a failed HTTP request is worth repeating. The provider's explicit
/// word (`x-should-retry`) wins over its status; a spend limit wins over both,
/// since only a person lifts it.
#[must_use]
pub fn worthwhile(status: u16, should_retry: Option<&str>, spend_limit: bool) -> bool {
    match should_retry {
        _ if spend_limit => false,
        Some("true") => true,
        Some("false") => false,
        _ => matches!(status, 408 | 409 | 429 | 500..=599),
    }
}

/// The wait a provider asks for, in milliseconds, from its headers
/// `retry-after-ms` and `retry-after` (seconds; dates are not understood).
#[must_use]
pub fn advice_ms(retry_after_ms: Option<&str>, retry_after: Option<&str>) -> Option<u64> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    retry_after_ms
        .and_then(number)
        .or_else(|| retry_after.and_then(number).map(|s| s * 1000.0))
        .filter(|ms| ms.is_finite() && *ms >= 0.0)
        .map(|ms| ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        attempts: 5,
        base_ms: 500,
        cap_ms: 3_000,
        advice_cap_ms: 60_000,
    };

    #[test]
    fn waits_double_up_to_a_cap_and_end_with_the_last_attempt() {
        for (attempt, want) in [
            (1, Some(500)),
            (2, Some(1000)),
            (3, Some(2000)),
            (4, Some(3000)),
            (5, None),
            (6, None),
        ] {
            assert_eq!(RULES.wait_ms(attempt, None, 0.0), want, "attempt {attempt}");
        }
        let endless = Rules {
            attempts: u32::MAX,
            ..RULES
        };
        assert_eq!(endless.wait_ms(4_000_000, None, 0.0), Some(3000));
    }

    #[test]
    fn jitter_halves_a_wait_at_most_and_never_undercuts_advice() {
        assert_eq!(RULES.wait_ms(1, None, 1.0), Some(250));
        assert_eq!(RULES.wait_ms(1, None, 0.5), Some(375));
        assert_eq!(RULES.wait_ms(1, None, 7.0), Some(250));
        assert_eq!(RULES.wait_ms(1, Some(2000), 0.0), Some(2000));
        assert_eq!(RULES.wait_ms(1, Some(2000), 1.0), Some(2200));
        assert_eq!(RULES.wait_ms(1, Some(0), 1.0), Some(0));
        assert_eq!(RULES.wait_ms(1, Some(3_600_000), 1.0), Some(60_000));
        assert_eq!(RULES.wait_ms(5, Some(1), 0.0), None);
    }

    #[test]
    fn what_is_worth_repeating() {
        for (status, word, spend, want) in [
            (400, None, false, false),
            (401, None, false, false),
            (404, None, false, false),
            (408, None, false, true),
            (409, None, false, true),
            (413, None, false, false),
            (429, None, false, true),
            (429, None, true, false),
            (429, Some("true"), true, false),
            (429, Some("false"), false, false),
            (400, Some("true"), false, true),
            (500, None, false, true),
            (503, Some("maybe"), false, true),
            (529, None, false, true),
        ] {
            let got = worthwhile(status, word, spend);
            assert_eq!(got, want, "{status} {word:?} spend={spend}");
        }
    }

    #[test]
    fn advice_is_read_from_either_header() {
        for (ms, seconds, want) in [
            (None, None, None),
            (None, Some("2"), Some(2000)),
            (None, Some(" 1.5 "), Some(1500)),
            (Some("20"), Some("2"), Some(20)),
            (Some("soon"), Some("2"), Some(2000)),
            (None, Some("-1"), None),
            (None, Some("inf"), None),
            (None, Some("Fri, 31 Dec 1999 23:59:59 GMT"), None),
        ] {
            assert_eq!(advice_ms(ms, seconds), want, "{ms:?} {seconds:?}");
        }
    }
}
