//! `oc secret`: the secrets of a store. A value goes in and never comes out.

use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::api::Ask;
use super::context::{Context, field, moment};
use super::error::CliError;
use super::secret::ValueSource;
use super::secret_store::{hosts, path};

#[derive(Debug, Subcommand)]
pub(super) enum SecretCommand {
    /// Set a secret, for running sandboxes too
    Set(Set),
    /// List the secrets of a store; values are never shown
    #[command(visible_alias = "ls")]
    List(List),
    /// Delete a secret; running sandboxes lose it at once
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The store's id or name
    store: String,
    #[command(flatten)]
    secret: Setting,
}

/// What a secret is set to; the same for stores and for agents.
#[derive(Debug, Args)]
pub(super) struct Setting {
    /// Its name: that of the variable in sandboxes
    pub name: String,
    #[command(flatten)]
    value: ValueSource,
    /// Hosts that may be given the value, as api.example.com or *.example.com; ''
    /// for every host. As they are if absent, and every host for a new secret
    #[arg(long, value_name = "HOST,…", value_delimiter = ',')]
    allowed_hosts: Option<Vec<String>>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The store's id or name
    store: String,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The store's id or name
    store: String,
    /// The secret's name
    name: String,
}

impl Setting {
    /// The request, which spells the hosts as its face does.
    pub(super) async fn body(&self, hosts: &str) -> Result<Value, CliError> {
        plain(&self.name)?;
        let value = self.value.read(&self.name).await?;
        let mut body = json!({ "value": value.expose_secret() });
        if let Some(list) = &self.allowed_hosts {
            let given: Vec<&String> = list.iter().filter(|host| !host.is_empty()).collect();
            body[hosts] = json!(given);
        }
        Ok(body)
    }
}

/// Refuses what is no name before it becomes part of an address.
pub(super) fn plain(name: &str) -> Result<(), CliError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !name.is_empty() && name.bytes().all(good) {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "`{name}` is no name of a secret: letters, digits and _, as in GITHUB_TOKEN"
    )))
}

pub(super) async fn run(context: &Context, command: SecretCommand) -> Result<(), CliError> {
    match command {
        SecretCommand::Set(set) => {
            let body = set.secret.body("allowedHosts").await?;
            let path = path(context, &set.store).await?;
            let at = format!("{path}/secrets/{}", set.secret.name);
            let ask = Ask::new(Method::PUT, at).body(body);
            let answer = context.ask("setting the secret", ask).await?;
            context.show(&answer, |secret| format!("Set {}.", field(secret, "name")))
        }
        SecretCommand::List(list) => {
            let path = path(context, &list.store).await?;
            let ask = Ask::get(format!("{path}/secrets"));
            let answer = context.ask("listing secrets", ask).await?;
            let heading = ["NAME", "GOES TO", "SET"];
            let none = "No secrets yet: oc secret set STORE NAME";
            context.list(&answer, &heading, row, none)
        }
        SecretCommand::Delete(delete) => {
            plain(&delete.name)?;
            let path = path(context, &delete.store).await?;
            let at = format!("{path}/secrets/{}", delete.name);
            let ask = Ask::new(Method::DELETE, at);
            context.ask("deleting the secret", ask).await?;
            deleted(context, &delete.name)
        }
    }
}

/// Tells that a secret is gone.
pub(super) fn deleted(context: &Context, name: &str) -> Result<(), CliError> {
    if context.out.json {
        context.out.value(&json!({ "name": name, "deleted": true }))
    } else {
        context.out.line(&format!("Deleted {name}."))
    }
}

fn row(secret: &Value) -> Vec<String> {
    vec![
        field(secret, "name"),
        hosts(&secret["allowedHosts"]),
        moment(secret, "updatedAt"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_to_another_address() {
        for (name, good) in [
            ("GITHUB_TOKEN", true),
            ("..", false),
            ("a/b", false),
            ("", false),
            ("a?b", false),
        ] {
            assert_eq!(plain(name).is_ok(), good, "{name}");
        }
    }
}
