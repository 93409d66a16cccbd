//! `oc agent schedule update`: what is not named stays.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::{One, path, shown};
use crate::cli::api::Ask;
use crate::cli::caps::CapOptions;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::limits::body;
use crate::cli::text;

#[derive(Debug, Args)]
pub(in crate::cli) struct Update {
    #[command(flatten)]
    which: One,
    /// Another expression; the next slot is computed from now
    #[arg(long)]
    cron: Option<String>,
    /// Another time zone, or '' for UTC; the next slot is computed from now
    #[arg(long)]
    tz: Option<String>,
    /// Another first message: text, @file, or - for standard input
    #[arg(long)]
    input: Option<String>,
    /// skip or allow
    #[arg(long, value_name = "WORD")]
    overlap: Option<String>,
    #[command(flatten)]
    caps: CapOptions,
    /// No caps at all
    #[arg(long)]
    no_caps: bool,
}

pub(super) async fn run(context: &Context, update: Update) -> Result<(), CliError> {
    let input = match &update.input {
        Some(input) => Some(Value::from(text::given(input).await?)),
        None => None,
    };
    let tz = update.tz.map(|tz| match tz.is_empty() {
        true => Value::Null,
        false => tz.into(),
    });
    let caps = match (update.caps.value(), update.no_caps) {
        (Some(_), true) => {
            return Err(CliError::Usage(
                "give caps or --no-caps, not both".to_owned(),
            ));
        }
        (None, true) => Some(Value::Null),
        (caps, false) => caps,
    };
    let body = body([
        ("cron", update.cron.map(Value::from)),
        ("tz", tz),
        ("input", input),
        ("overlap", update.overlap.map(Value::from)),
        ("caps", caps),
    ]);
    if body.as_object().is_none_or(|fields| fields.is_empty()) {
        let words = "nothing to change: give --cron, --tz, --input, --overlap or a cap";
        return Err(CliError::Usage(words.to_owned()));
    }
    let path = path(context, &update.which).await?;
    let ask = Ask::new(Method::PATCH, path).body(body);
    let answer = context.ask("changing the schedule", ask).await?;
    shown(context, &answer)
}
