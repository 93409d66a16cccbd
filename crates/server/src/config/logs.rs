//! The logs: in which form, and how much.

use super::options::options;
use super::{ConfigError, one_of};

options! {
    /// What is logged, and how.
    Logs {
        /// Logs: json, text, or auto (text on a terminal)
        "OC_LOG_FORMAT" log_format: String = "auto".to_owned();
        /// What is logged, as for RUST_LOG
        "OC_LOG" log: String = "info".to_owned();
    }
}

impl Logs {
    /// Tidies what was given.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        one_of("log_format", &self.log_format, &["auto", "json", "text"])?;
        Ok(self)
    }
}
