//! Why options cannot be used, always naming the option and what would be right.

use std::path::PathBuf;

/// Why the options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the configuration {path} is wrong: {problem}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        problem: String,
    },
    /// A value is out of its range.
    #[error("`{name}` is {value}: {wants}")]
    Value {
        /// The option.
        name: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        wants: String,
    },
}

/// Refuses a number below its least.
pub(super) fn at_least(name: &'static str, least: u64, value: u64) -> Result<(), ConfigError> {
    if value < least {
        return Err(wrong(name, value, &format!("give {least} or more")));
    }
    Ok(())
}

/// Refuses a word that is not among these.
pub(super) fn one_of(name: &'static str, value: &str, of: &[&str]) -> Result<(), ConfigError> {
    if !of.contains(&value) {
        return Err(wrong(
            name,
            value,
            &format!("give one of {}", of.join(", ")),
        ));
    }
    Ok(())
}

/// A value that is out of its range, and what would be right.
pub(super) fn wrong(name: &'static str, value: impl ToString, wants: &str) -> ConfigError {
    ConfigError::Value {
        name,
        value: value.to_string(),
        wants: wants.to_owned(),
    }
}
