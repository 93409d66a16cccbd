//! `oc destination`: who is told of a session's events by webhook.

use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::api::Ask;
use super::context::{Context, field, moment};
use super::error::CliError;
use super::limits::body;
use super::secret::KeySource;
use super::{session, table};

#[derive(Debug, Subcommand)]
pub(super) enum DestinationCommand {
    /// Tell an address of a session's events from now on
    Create(Create),
    /// List a session's destinations, and which of them fail
    #[command(visible_alias = "ls")]
    List(Whose),
    /// Show a destination
    Get(Which),
    /// Change a destination
    Update(Update),
    /// Delete a destination and what was still to be sent to it
    #[command(visible_alias = "rm")]
    Delete(Which),
}

#[derive(Debug, Args)]
pub(super) struct Whose {
    /// The session's id
    session: String,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The session's id
    session: String,
    /// The destination's id
    id: String,
}

#[derive(Debug, Args)]
struct Wishes {
    /// The variable that holds the secret that signs
    #[arg(long, value_name = "VARIABLE")]
    secret_env: Option<String>,
    /// What it is told of: user, progress or internal
    #[arg(long)]
    level: Option<String>,
    /// A type it is told of, such as agent.message or turn.*; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Tell what a sender had attached to a message, too: true or false
    #[arg(long, value_name = "BOOL")]
    include_raw: Option<bool>,
    /// Whether it is told anything: true or false
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The session's id
    session: String,
    /// Where webhooks go: https://…
    #[arg(long)]
    url: String,
    #[command(flatten)]
    wishes: Wishes,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(flatten)]
    which: Which,
    /// Where webhooks go
    #[arg(long)]
    url: Option<String>,
    /// Tell it of all types
    #[arg(long, conflicts_with = "types")]
    all_types: bool,
    #[command(flatten)]
    wishes: Wishes,
}

pub(super) async fn run(context: &Context, command: DestinationCommand) -> Result<(), CliError> {
    match command {
        DestinationCommand::Create(create) => self::create(context, &create).await,
        DestinationCommand::List(whose) => {
            let ask = Ask::get(session::path(&whose.session, "/destinations"));
            let answer = context.ask("listing destinations", ask).await?;
            let heading = ["ID", "URL", "LEVEL", "TYPES", "SIGNED", "STATE", "CREATED"];
            context.page(&answer, &heading, row, "No destinations: nobody is told.")
        }
        DestinationCommand::Get(which) => {
            let answer = context.ask("reading the destination", Ask::get(path(&which)));
            context.show(&answer.await?, |one| card(context, one))
        }
        DestinationCommand::Update(update) => self::update(context, &update).await,
        DestinationCommand::Delete(which) => {
            let ask = Ask::new(Method::DELETE, path(&which));
            context.ask("deleting the destination", ask).await?;
            if context.out.json {
                let gone = json!({ "id": which.id, "deleted": true });
                context.out.value(&gone)
            } else {
                context.out.line(&format!("Deleted {}.", which.id))
            }
        }
    }
}

async fn create(context: &Context, create: &Create) -> Result<(), CliError> {
    let mut wish = create.wishes.body()?;
    wish["url"] = json!(create.url);
    let ask = Ask::post(session::path(&create.session, "/destinations")).body(wish);
    let answer = context.ask("adding the destination", ask).await?;
    context.show(&answer, |one| card(context, one))
}

async fn update(context: &Context, update: &Update) -> Result<(), CliError> {
    let mut wish = update.wishes.body()?;
    if let Some(url) = &update.url {
        wish["url"] = json!(url);
    }
    if update.all_types {
        wish["types"] = Value::Null;
    }
    let ask = Ask::new(Method::PATCH, path(&update.which)).body(wish);
    let answer = context.ask("changing the destination", ask).await?;
    context.show(&answer, |one| card(context, one))
}

impl Wishes {
    fn body(&self) -> Result<Value, CliError> {
        let source = KeySource {
            key_env: self.secret_env.clone(),
            key: None,
        };
        let secret = source.given()?;
        let types = (!self.types.is_empty()).then(|| json!(self.types));
        Ok(body([
            ("secret", secret.map(|secret| json!(secret.expose_secret()))),
            ("level", self.level.as_ref().map(|level| json!(level))),
            ("types", types),
            ("include_raw", self.include_raw.map(Value::Bool)),
            ("enabled", self.enabled.map(Value::Bool)),
        ]))
    }
}

fn path(which: &Which) -> String {
    let id = session::plain(&which.id);
    session::path(&which.session, &format!("/destinations/{id}"))
}

fn row(one: &Value) -> Vec<String> {
    vec![
        field(one, "id"),
        field(one, "url"),
        field(one, "level"),
        types(one),
        field(one, "has_secret"),
        state(one),
        moment(one, "created_at"),
    ]
}

fn types(one: &Value) -> String {
    let listed = one["types"].as_array();
    let listed = listed.map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    listed.map_or_else(|| "all".to_owned(), |all| all.join(" "))
}

/// How a destination does, in words.
pub(super) fn state(one: &Value) -> String {
    let failing = &one["failing"];
    match one["enabled"] == true {
        false => "disabled".to_owned(),
        true if failing.is_object() => format!(
            "failing since {}, {} times: {}",
            moment(failing, "since"),
            field(failing, "attempts"),
            field(failing, "error")
        ),
        true => "well".to_owned(),
    }
}

fn card(context: &Context, one: &Value) -> String {
    let of = |name| field(one, name);
    let pairs = [
        ("id", of("id")),
        ("session", of("session")),
        ("url", of("url")),
        ("level", of("level")),
        ("types", types(one)),
        ("signed", of("has_secret")),
        ("include raw", of("include_raw")),
        ("events after", of("created_after_seq")),
        ("state", state(one)),
        ("created", moment(one, "created_at")),
    ];
    table::pairs(context.out.paint, &pairs)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn commands_about_webhooks_are_there() {
        for (line, good) in [
            (
                "oc destination create ses_1 --url https://x.test/ --type turn.* --level internal",
                true,
            ),
            (
                "oc destination update ses_1 dst_1 --all-types --enabled false",
                true,
            ),
            ("oc destinations ls ses_1", true),
            ("oc delivery list ses_1 --status dead_letter", true),
            ("oc delivery redeliver ses_1 dlv_1_2", true),
            ("oc destination create ses_1", false),
            (
                "oc destination update ses_1 dst_1 --all-types --type x",
                false,
            ),
        ] {
            assert_eq!(Cli::try_parse_from(line.split(' ')).is_ok(), good, "{line}");
        }
    }

    #[test]
    fn how_a_destination_does_is_said_in_words() {
        let failing =
            json!({ "since": "2026-01-02T03:04:05.678Z", "attempts": 3, "error": "status 500" });
        for (one, want) in [
            (json!({ "enabled": true, "failing": null }), "well"),
            (json!({ "enabled": false, "failing": failing }), "disabled"),
            (
                json!({ "enabled": true, "failing": failing }),
                "failing since 2026-01-02 03:04:05, 3 times: status 500",
            ),
        ] {
            assert_eq!(state(&one), want);
        }
        assert_eq!(types(&json!({ "types": ["a", "b.*"] })), "a b.*");
        assert_eq!(types(&json!({ "types": null })), "all");
    }
}
