//! `oc config set`, `get` and `show`: what this user's commands remember.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::context::Context;
use super::error::CliError;
use super::home::{Home, NAMES, masked};
use super::table;

#[derive(Debug, Subcommand)]
pub(super) enum Remember {
    /// Keep a value for this user's commands, in ~/.oc/config.json
    Set {
        /// What to keep
        #[arg(value_parser = NAMES)]
        key: String,
        /// Its value; empty to forget it
        value: String,
    },
    /// Print a value this user's commands keep
    Get {
        /// Which
        #[arg(value_parser = NAMES)]
        key: String,
    },
    /// Show all that this user's commands keep
    Show,
}

pub(super) fn run(context: &Context, remember: Remember) -> Result<(), CliError> {
    let mut home = Home::load()?;
    match remember {
        Remember::Set { key, value } => {
            if key != "api_key" && !value.is_empty() {
                // Refuses what is no address before it is kept.
                super::api::Api::new(&value, None)?;
            }
            home.set(&key, Some(value.trim()).filter(|value| !value.is_empty()));
            home.save()
        }
        Remember::Get { key } => match shown(&home, &key) {
            Some(value) if context.out.json => context.out.value(&json!({ key: value })),
            Some(value) => context.out.line(&value),
            None => Err(CliError::Local(format!("{key} is not set"))),
        },
        Remember::Show => {
            let all = NAMES.map(|name| (name, shown(&home, name)));
            if context.out.json {
                let object: Map<String, Value> = all
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect();
                return context.out.value(&object.into());
            }
            let pairs = all.map(|(name, value)| (name, value.unwrap_or_else(|| "-".to_owned())));
            context.out.line(&table::pairs(context.out.paint, &pairs))
        }
    }
}

/// A value as it may be shown: a key only by its beginning.
fn shown(home: &Home, name: &str) -> Option<String> {
    let value = home.get(name)?;
    Some(match name {
        "api_key" => masked(value),
        _ => value.to_owned(),
    })
}
