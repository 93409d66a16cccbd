//! `oc agent invoke`: begins a session at the agent's own address, with any JSON.

use clap::Args;
use serde_json::Value;

use super::agent;
use super::api::Ask;
use super::context::{Context, field};
use super::error::CliError;
use super::text;

#[derive(Debug, Args)]
pub(super) struct Invoke {
    /// The agent's id or name
    reference: String,
    /// The JSON to send: itself, @file, or - for standard input
    #[arg(long, value_name = "JSON", default_value = "{}", conflicts_with_all = ["file", "stdin"])]
    data: String,
    /// A file that holds the JSON
    #[arg(long, value_name = "FILE", conflicts_with = "stdin")]
    file: Option<String>,
    /// Read the JSON from standard input
    #[arg(long)]
    stdin: bool,
    /// The same key and JSON begin one session; made up if absent
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl Invoke {
    /// Where the JSON is, as texts are given elsewhere.
    fn source(&self) -> String {
        match (&self.file, self.stdin) {
            (Some(file), _) => format!("@{file}"),
            (None, true) => "-".to_owned(),
            (None, false) => self.data.clone(),
        }
    }
}

pub(super) async fn run(context: &Context, invoke: Invoke) -> Result<(), CliError> {
    let data = text::given(&invoke.source()).await?;
    let payload: Value = serde_json::from_str(&data)
        .map_err(|error| CliError::Usage(format!("what is sent must be JSON: {error}")))?;
    let path = agent::path(context, &invoke.reference).await?;
    let id = path.rsplit('/').next().unwrap_or_default();
    // The path of the server that was asked for, not the address it tells: a key
    // goes nowhere else.
    let address = format!("/agents/{}/", id.replacen('_', "-", 1));
    let key = invoke.idempotency_key.unwrap_or_else(fresh);
    let ask = Ask::post(address).body(payload).idempotent(key);
    let answer = context.ask("beginning a session", ask).await?;
    context.show(&answer, |receipt| {
        let session = field(&receipt["session"], "id");
        let begun = match receipt["replayed"] == true {
            true => "was begun by this request before",
            false => "begins",
        };
        format!("{session} {begun}. Watch it: oc session logs {session} --follow")
    })
}

/// A key that nobody else has.
fn fresh() -> String {
    let random: [u8; 16] = rand::random();
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("oc-cli-{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_key_is_long_and_never_the_same() {
        assert_eq!(fresh().len(), "oc-cli-".len() + 32);
        assert_ne!(fresh(), fresh());
    }
}
