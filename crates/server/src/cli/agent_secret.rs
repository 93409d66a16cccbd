//! `oc agent secret`: an agent's own secrets. A value goes in and never comes out.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::agent;
use super::api::Ask;
use super::context::{Context, field, moment};
use super::error::CliError;
use super::secret_store::hosts;
use super::store_secret::{Setting, deleted, plain};

#[derive(Debug, Subcommand)]
pub(super) enum AgentSecretCommand {
    /// Set a secret of an agent's own, for running sandboxes too
    Set(Set),
    /// List an agent's own secrets; values are never shown
    #[command(visible_alias = "ls")]
    List(Of),
    /// Delete a secret of an agent's own; running sandboxes lose it at once
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(super) struct Of {
    /// The agent's id or name
    #[arg(long, value_name = "ID|NAME")]
    agent: String,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    secret: Setting,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    #[command(flatten)]
    of: Of,
    /// The secret's name
    name: String,
}

pub(super) async fn run(context: &Context, command: AgentSecretCommand) -> Result<(), CliError> {
    match command {
        AgentSecretCommand::Set(set) => {
            let body = set.secret.body("allowed_hosts").await?;
            let path = path(context, &set.of).await?;
            let at = format!("{path}/{}", set.secret.name);
            let ask = Ask::new(Method::PUT, at).body(body);
            let answer = context.ask("setting the secret", ask).await?;
            context.show(&answer, |secret| format!("Set {}.", field(secret, "name")))
        }
        AgentSecretCommand::List(of) => {
            let ask = Ask::get(path(context, &of).await?);
            let answer = context.ask("listing secrets", ask).await?;
            let heading = ["NAME", "ENDS IN", "GOES TO", "SET"];
            let none = "No secrets yet: oc agent secret set NAME --agent AGENT";
            context.page(&answer, &heading, row, none)
        }
        AgentSecretCommand::Delete(delete) => {
            plain(&delete.name)?;
            let path = path(context, &delete.of).await?;
            let ask = Ask::new(Method::DELETE, format!("{path}/{}", delete.name));
            context.ask("deleting the secret", ask).await?;
            deleted(context, &delete.name)
        }
    }
}

async fn path(context: &Context, of: &Of) -> Result<String, CliError> {
    let agent = agent::path(context, &of.agent).await?;
    Ok(format!("{agent}/secrets"))
}

fn row(secret: &Value) -> Vec<String> {
    vec![
        field(secret, "name"),
        field(secret, "last4"),
        hosts(&secret["allowed_hosts"]),
        moment(secret, "updated_at"),
    ]
}
