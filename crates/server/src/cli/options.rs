//! Options of the server: read from flags, environment and file, and shown by
//! `oc config` with the place each one comes from.

use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use serde_json::{Map, Value, json};

use super::context::Context;
use super::error::CliError;
use super::table;
use crate::config::{Config, ConfigError, Settings};

/// The file that is read when none is named.
const FILE: &str = "oc.toml";

/// The server's options as given on the command line.
#[derive(Debug, Args)]
pub(super) struct Given {
    /// File of options; oc.toml in this folder is read if it is there
    #[arg(long, env = "OC_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// `OC_IDLE_TIMEOUT_SECONDS` by the name of the published documents
    #[arg(long, env = "OC_IDLE_TIMEOUT_S", hide = true)]
    idle_timeout_s: Option<u64>,
    #[command(flatten)]
    settings: Settings,
}

impl Given {
    /// The options as they hold.
    pub(super) fn hold(self) -> Result<Config, CliError> {
        self.both().map(|(config, _)| config)
    }

    /// The options as they hold, and the file's own.
    fn both(mut self) -> Result<(Config, Settings), CliError> {
        let idle = &mut self.settings.sandboxes.idle_timeout_seconds;
        *idle = idle.or(self.idle_timeout_s);
        hold(self.settings, self.config.as_deref())
    }
}

/// These options over those of the file; also gives the file's own.
pub(super) fn hold(
    settings: Settings,
    file: Option<&Path>,
) -> Result<(Config, Settings), CliError> {
    let here = Path::new(FILE);
    let file = match file {
        Some(path) => Settings::read(path)?,
        None if here.exists() => Settings::read(here)?,
        None => Settings::default(),
    };
    let config = settings.over(file.clone()).hold()?;
    Ok((config, file))
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        match &error {
            ConfigError::Value { .. } => Self::Usage(error.to_string()),
            _ => Self::Local(error.to_string()),
        }
    }
}

/// `oc config`.
pub(super) fn run(
    context: &Context,
    given: Given,
    matches: Option<&ArgMatches>,
) -> Result<(), CliError> {
    let (config, file) = given.both()?;
    let (held, filed) = (object(&config)?, object(&file)?);
    // Asked only for what was given: tables are no arguments.
    let source = |name: &str| {
        let given = matches?.ids().find(|id| id.as_str() == name)?;
        matches?.value_source(given.as_str())
    };
    let from = |name: &str| match source(name).or_else(|| source(published(name)?)) {
        Some(ValueSource::CommandLine) => "flag",
        Some(ValueSource::EnvVariable) => "environment",
        _ if filed.get(name).is_some_and(|value| !value.is_null()) => "file",
        _ => "default",
    };
    if context.out.json {
        let all: Map<String, Value> = held
            .iter()
            .map(|(name, value)| (name.clone(), json!({ "value": value, "from": from(name) })))
            .collect();
        return context.out.value(&Value::Object(all));
    }
    let rows = held
        .iter()
        .map(|(name, value)| vec![name.clone(), shown(value), from(name).to_owned()])
        .collect();
    context.out.line(&table::columns(
        context.out.paint,
        &["OPTION", "VALUE", "FROM"],
        rows,
        "",
    ))
}

/// The other name under which an option may be given.
fn published(name: &str) -> Option<&'static str> {
    (name == "idle_timeout_seconds").then_some("idle_timeout_s")
}

fn object(of: &impl serde::Serialize) -> Result<Map<String, Value>, CliError> {
    match serde_json::to_value(of) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(CliError::Local(format!(
            "the options cannot be shown: {error}"
        ))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(not set)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_must_be_there_and_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oc.toml");
        assert_eq!(
            hold(Settings::default(), Some(&path)).unwrap_err().code(),
            1
        );
        std::fs::write(&path, "lease_seconds = 30").unwrap();
        let (config, file) = hold(Settings::default(), Some(&path)).unwrap();
        assert_eq!(
            (config.node.lease_seconds, file.node.lease_seconds),
            (30, Some(30))
        );
        std::fs::write(&path, "lease_seconds = 1").unwrap();
        assert_eq!(
            hold(Settings::default(), Some(&path)).unwrap_err().code(),
            2
        );
    }

    #[test]
    fn values_are_shown_plainly() {
        for (value, want) in [
            (Value::Null, "(not set)"),
            (json!("a"), "a"),
            (json!(3), "3"),
        ] {
            assert_eq!(shown(&value), want);
        }
    }
}
