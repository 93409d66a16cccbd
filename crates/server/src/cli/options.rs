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
    #[command(flatten)]
    settings: Settings,
}

impl Given {
    /// The options as they hold.
    pub(super) fn hold(self) -> Result<Config, CliError> {
        hold(self.settings, self.config.as_deref()).map(|(config, _)| config)
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
    let (config, file) = hold(given.settings, given.config.as_deref())?;
    let held = object(&config)?;
    // What is kept from being written is in the file all the same.
    let filed = object(&file)?;
    let secret_in_file = [
        ("bootstrap_key", file.bootstrap_key.is_some()),
        ("anthropic_api_key", file.anthropic_api_key.is_some()),
        ("openai_api_key", file.openai_api_key.is_some()),
    ];
    let from = |name: &str| match matches.and_then(|matches| matches.value_source(name)) {
        Some(ValueSource::CommandLine) => "flag",
        Some(ValueSource::EnvVariable) => "environment",
        _ if filed.get(name).is_some_and(|value| !value.is_null()) => "file",
        _ if secret_in_file.contains(&(name, true)) => "file",
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
        assert_eq!((config.lease_seconds, file.lease_seconds), (30, Some(30)));
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
