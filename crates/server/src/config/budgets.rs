//! The budgets: what each org may spend on models, and what a session's time costs.

use session::{Caps, Usd};

use super::options::options;
use super::{ConfigError, at_least, wrong};

options! {
    /// What may be spent, and what is charged.
    Budgets {
        /// Model tokens each org may use per day
        "OC_ORG_TOKENS_PER_DAY" org_tokens_per_day: u64;
        /// Model tokens each org may use per month
        "OC_ORG_TOKENS_PER_MONTH" org_tokens_per_month: u64;
        /// USD each org may spend on models per day
        "OC_ORG_USD_PER_DAY" org_usd_per_day: f64;
        /// USD each org may spend on models per month
        "OC_ORG_USD_PER_MONTH" org_usd_per_month: f64;
        /// USD an hour of running turns costs, billed per second
        "OC_SESSION_HOUR_USD" session_hour_usd: f64 = 0.012;
    }
}

impl Budgets {
    /// What each org may use.
    #[must_use]
    pub fn org_caps(&self) -> Caps {
        Caps {
            tokens_per_day: self.org_tokens_per_day,
            tokens_per_month: self.org_tokens_per_month,
            usd_per_day: self.org_usd_per_day.and_then(Usd::dollars),
            usd_per_month: self.org_usd_per_month.and_then(Usd::dollars),
        }
    }

    /// Tidies what was given.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        for (name, tokens) in [
            ("org_tokens_per_day", self.org_tokens_per_day),
            ("org_tokens_per_month", self.org_tokens_per_month),
        ] {
            at_least(name, 1, tokens.unwrap_or(1))?;
        }
        for (name, usd) in [
            ("org_usd_per_day", self.org_usd_per_day),
            ("org_usd_per_month", self.org_usd_per_month),
        ] {
            if usd.is_some_and(|usd| !(usd > 0.0 && usd <= 1e9)) {
                let given = usd.unwrap_or_default();
                return Err(wrong(name, given, "give USD, more than 0"));
            }
        }
        if !(0.0..=1e6).contains(&self.session_hour_usd) {
            let given = self.session_hour_usd;
            return Err(wrong("session_hour_usd", given, "give USD, 0 or more"));
        }
        Ok(self)
    }
}
