//! The deliveries: how webhooks are sent, and how often.

use session::retry::Rules;

use super::options::options;
use super::{ConfigError, at_least};

options! {
    /// How webhooks are sent.
    Deliveries {
        /// Attempts to deliver a webhook until it is given up as a dead letter
        "OC_DELIVERY_ATTEMPTS" delivery_attempts: u32 = 8;
        /// Milliseconds before the second attempt; doubles from there
        "OC_DELIVERY_RETRY_MS" delivery_retry_ms: u64 = 1000;
        /// Longest wait between two attempts, in seconds
        "OC_DELIVERY_RETRY_MAX_SECONDS" delivery_retry_max_seconds: u64 = 3600;
        /// Seconds a receiver may take to answer a webhook
        "OC_DELIVERY_SECONDS" delivery_seconds: u64 = 15;
        /// Receivers this node sends to at once
        "OC_DELIVERY_AT_ONCE" delivery_at_once: usize = 64;
        /// Receivers of one org that this node sends to at once
        "OC_DELIVERY_ORG_AT_ONCE" delivery_org_at_once: usize = 16;
    }
}

impl Deliveries {
    /// When a delivery is tried again. A receiver may ask for a longer wait, up to
    /// the longest one.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let longest = self.delivery_retry_max_seconds.saturating_mul(1000);
        Rules {
            attempts: self.delivery_attempts,
            base_ms: self.delivery_retry_ms,
            cap_ms: longest,
            advice_cap_ms: longest,
        }
    }

    /// Tidies what was given.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        for (name, value) in [
            ("delivery_attempts", self.delivery_attempts.into()),
            ("delivery_retry_ms", self.delivery_retry_ms),
            (
                "delivery_retry_max_seconds",
                self.delivery_retry_max_seconds,
            ),
            ("delivery_seconds", self.delivery_seconds),
            ("delivery_at_once", self.delivery_at_once as u64),
            ("delivery_org_at_once", self.delivery_org_at_once as u64),
        ] {
            at_least(name, 1, value)?;
        }
        Ok(self)
    }
}
