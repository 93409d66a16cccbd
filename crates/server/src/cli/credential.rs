//! `oc credential`: the providers' keys that agents use. A key goes in and never
//! comes out.

use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::api::Ask;
use super::context::{Context, field, moment};
use super::error::CliError;
use super::limits::body;
use super::secret::KeySource;
use super::table;

#[derive(Debug, Subcommand)]
pub(super) enum CredentialCommand {
    /// Store a provider's key: from standard input, or --key-env VARIABLE
    Add(Add),
    /// List credentials; keys are never shown
    #[command(visible_alias = "ls")]
    List,
    /// Give a credential a new key; running sessions use it from their next call
    Rotate(Rotate),
    /// Make a credential the default for its provider
    SetDefault(Which),
    /// Delete a credential; agents that name it fail until they name another
    #[command(visible_alias = "rm")]
    Remove(Which),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Whose key it is: anthropic or openai
    #[arg(long, default_value = "anthropic")]
    provider: String,
    /// A name of your own
    #[arg(long)]
    name: Option<String>,
    /// Make it the default for its provider
    #[arg(long)]
    default: bool,
    #[command(flatten)]
    key: KeySource,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The credential's id
    id: String,
    #[command(flatten)]
    key: KeySource,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The credential's id
    id: String,
}

pub(super) async fn run(context: &Context, command: CredentialCommand) -> Result<(), CliError> {
    match command {
        CredentialCommand::Add(add) => self::add(context, &add).await,
        CredentialCommand::List => {
            let answer = context
                .ask("listing credentials", Ask::get("/v3/credentials"))
                .await?;
            let heading = ["ID", "PROVIDER", "NAME", "ENDS IN", "DEFAULT", "CREATED"];
            context.page(&answer, &heading, row, "No credentials yet: oc credential add --provider anthropic --key-env ANTHROPIC_API_KEY")
        }
        CredentialCommand::Rotate(rotate) => {
            let body = json!({ "key": rotate.key.read().await?.expose_secret() });
            let ask = Ask::new(Method::PATCH, path(&rotate.id)).body(body);
            let answer = context.ask("rotating the key", ask).await?;
            context.show(&answer, |credential| card(context, credential))
        }
        CredentialCommand::SetDefault(which) => {
            let ask = Ask::new(Method::PUT, "/v3/credentials/default")
                .body(json!({ "credential": which.id }));
            let answer = context.ask("setting the default", ask).await?;
            context.show(&answer, |credential| card(context, credential))
        }
        CredentialCommand::Remove(which) => {
            context
                .ask(
                    "deleting the credential",
                    Ask::new(Method::DELETE, path(&which.id)),
                )
                .await?;
            if context.out.json {
                context
                    .out
                    .value(&json!({ "id": which.id, "deleted": true }))
            } else {
                context.out.line(&format!("Deleted {}.", which.id))
            }
        }
    }
}

async fn add(context: &Context, add: &Add) -> Result<(), CliError> {
    let body = body([
        ("provider", Some(json!(add.provider))),
        ("name", add.name.as_ref().map(|name| json!(name))),
        ("is_default", add.default.then_some(Value::Bool(true))),
        ("key", Some(json!(add.key.read().await?.expose_secret()))),
    ]);
    let answer = context
        .ask("storing the key", Ask::post("/v3/credentials").body(body))
        .await?;
    context.show(&answer, |credential| card(context, credential))
}

fn path(id: &str) -> String {
    format!("/v3/credentials/{id}")
}

fn row(credential: &Value) -> Vec<String> {
    let default = if credential["is_default"] == true {
        "yes"
    } else {
        ""
    };
    let of = |name| field(credential, name);
    vec![
        of("id"),
        of("provider"),
        of("name"),
        of("last4"),
        default.to_owned(),
        moment(credential, "created_at"),
    ]
}

fn card(context: &Context, credential: &Value) -> String {
    let of = |name| field(credential, name);
    let pairs = [
        ("id", of("id")),
        ("provider", of("provider")),
        ("name", of("name")),
        ("ends in", of("last4")),
        ("default", of("is_default")),
        ("created", moment(credential, "created_at")),
    ];
    table::pairs(context.out.paint, &pairs)
}
