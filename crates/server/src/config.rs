//! What the operator wants: file, then environment, then flags, each over the
//! one before. Every option stands once, in the file of its group under `config/`.

pub mod budgets;
pub mod deliveries;
mod error;
pub mod logs;
pub mod models;
pub mod node;
mod options;
pub mod sandboxes;
mod secret;
pub mod turns;

use std::path::Path;

use clap::Args;
use serde::Serialize;

pub use error::ConfigError;
use error::{at_least, one_of, wrong};
pub use secret::Secret;

/// The options as given: each may be absent. The same structs read flags,
/// environment and the TOML file, so that an option has one name everywhere.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct Settings {
    /// See [`node::Node`].
    #[command(flatten)]
    #[serde(flatten)]
    pub node: node::Given,
    /// See [`models::Models`].
    #[command(flatten)]
    #[serde(flatten)]
    pub models: models::Given,
    /// See [`sandboxes::Sandboxes`].
    #[command(flatten)]
    #[serde(flatten)]
    pub sandboxes: sandboxes::Given,
    /// See [`turns::Turns`].
    #[command(flatten)]
    #[serde(flatten)]
    pub turns: turns::Given,
    /// See [`budgets::Budgets`].
    #[command(flatten)]
    #[serde(flatten)]
    pub budgets: budgets::Given,
    /// See [`deliveries::Deliveries`].
    #[command(flatten)]
    #[serde(flatten)]
    pub deliveries: deliveries::Given,
    /// See [`logs::Logs`].
    #[command(flatten)]
    #[serde(flatten)]
    pub logs: logs::Given,
}

/// The options as they hold.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// Where the node is and what it keeps.
    #[serde(flatten)]
    pub node: node::Node,
    /// How models are reached and paid.
    #[serde(flatten)]
    pub models: models::Models,
    /// How sandboxes are made and kept.
    #[serde(flatten)]
    pub sandboxes: sandboxes::Sandboxes,
    /// What bounds a turn.
    #[serde(flatten)]
    pub turns: turns::Turns,
    /// What may be spent.
    #[serde(flatten)]
    pub budgets: budgets::Budgets,
    /// How webhooks are sent.
    #[serde(flatten)]
    pub deliveries: deliveries::Deliveries,
    /// What is logged.
    #[serde(flatten)]
    pub logs: logs::Logs,
}

impl Settings {
    /// Reads a TOML file of options.
    ///
    /// # Errors
    /// If it cannot be read, or holds an option we do not have.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|problem| ConfigError::Parse {
            path: path.to_owned(),
            problem,
        })
    }

    /// The options in a TOML text, or what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        let mut file: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
        let settings =
            Self::take(&mut file).map_err(|(name, error)| format!("`{name}`: {error}"))?;
        match file.keys().next() {
            None => Ok(settings),
            Some(name) => Err(format!("there is no option `{name}`")),
        }
    }

    fn take(file: &mut toml::Table) -> Result<Self, options::Wrong> {
        // `idle_timeout_s` is the name of this option in the published documents.
        if let Some(value) = file.remove("idle_timeout_s") {
            file.entry("idle_timeout_seconds").or_insert(value);
        }
        Ok(Self {
            node: node::Given::take(file)?,
            models: models::Given::take(file)?,
            sandboxes: sandboxes::Given::take(file)?,
            turns: turns::Given::take(file)?,
            budgets: budgets::Given::take(file)?,
            deliveries: deliveries::Given::take(file)?,
            logs: logs::Given::take(file)?,
        })
    }

    /// These options where given, the others elsewhere.
    #[must_use]
    pub fn over(self, under: Self) -> Self {
        Self {
            node: self.node.over(under.node),
            models: self.models.over(under.models),
            sandboxes: self.sandboxes.over(under.sandboxes),
            turns: self.turns.over(under.turns),
            budgets: self.budgets.over(under.budgets),
            deliveries: self.deliveries.over(under.deliveries),
            logs: self.logs.over(under.logs),
        }
    }

    /// The options as they hold, with every default.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub fn hold(self) -> Result<Config, ConfigError> {
        Ok(Config {
            node: self.node.fill().check()?,
            models: self.models.fill().check()?,
            sandboxes: self.sandboxes.fill().check()?,
            turns: self.turns.fill().check()?,
            budgets: self.budgets.fill().check()?,
            deliveries: self.deliveries.fill().check()?,
            logs: self.logs.fill().check()?,
        })
    }
}

#[cfg(test)]
mod tests;
