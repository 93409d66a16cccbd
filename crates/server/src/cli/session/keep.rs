//! `oc session limits`, `checkpoints`, `fork`, `delete`.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Which, card, path};
use crate::cli::api::Ask;
use crate::cli::context::{Context, field, moment};
use crate::cli::error::CliError;
use crate::cli::limits::{LimitOptions, body};
use crate::cli::{table, text};

#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// The session's id
    id: String,
    #[command(flatten)]
    limits: LimitOptions,
    /// Take a limit away, by its name; may be repeated
    #[arg(long, value_name = "LIMIT", value_parser = ["tokens", "usd", "turns", "turn_seconds", "steps", "auto_continue"])]
    none: Vec<String>,
}

/// Shows the limits, or changes those that are given.
pub(super) async fn limits(context: &Context, given: &Limits) -> Result<(), CliError> {
    let mut change = match given.limits.value() {
        Some(Value::Object(set)) => set,
        _ => Map::new(),
    };
    change.extend(given.none.iter().map(|name| (name.clone(), Value::Null)));
    let at = path(&given.id, "");
    let ask = if change.is_empty() {
        Ask::get(at)
    } else {
        Ask::new(Method::PATCH, at).body(json!({ "limits": change }))
    };
    let answer = context.ask("looking at the limits", ask).await?;
    context.show(&answer, |session| match session["limits"].as_object() {
        Some(limits) if !limits.is_empty() => {
            let named = limits
                .iter()
                .map(|(name, limit)| (name.as_str(), limit.to_string()));
            table::pairs(context.out.paint, &named.collect::<Vec<_>>())
        }
        _ => "No limits of its own.".to_owned(),
    })
}

/// Lists the checkpoints that are kept.
pub(super) async fn checkpoints(context: &Context, which: &Which) -> Result<(), CliError> {
    let ask = Ask::get(path(&which.id, "/checkpoints"));
    let answer = context.ask("listing checkpoints", ask).await?;
    let row = |made: &Value| {
        let mut row = vec![
            field(made, "id"),
            field(made, "seq"),
            moment(made, "created_at"),
        ];
        row.extend(["files", "bytes", "added_bytes"].map(|name| field(made, name)));
        row.push(moment(made, "damaged_at"));
        row
    };
    let heading = [
        "ID",
        "EVENT",
        "MADE",
        "FILES",
        "BYTES",
        "NEW BYTES",
        "DAMAGED",
    ];
    context.page(
        &answer,
        &heading,
        row,
        "No checkpoints: it had no sandbox yet.",
    )
}

#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// The session's id
    id: String,
    /// The last event that both share; the newest if absent
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    at: Option<u64>,
    /// The fork's first message: text, @file, or - for standard input
    #[arg(long)]
    input: Option<String>,
    /// A key of your own: the same key again gives the same fork
    #[arg(long)]
    key: Option<String>,
    /// Watch the fork until it comes to rest
    #[arg(long, short, requires = "input")]
    follow: bool,
    #[command(flatten)]
    limits: LimitOptions,
}

/// Makes a session with the same log up to an event, and the files of then.
pub(super) async fn fork(context: &Context, fork: Fork) -> Result<(), CliError> {
    let input = match &fork.input {
        Some(input) => Some(text::given(input).await?),
        None => None,
    };
    let body = body([
        ("at_seq", fork.at.map(Value::from)),
        ("input", input.map(Value::from)),
        ("key", fork.key.clone().map(Value::from)),
        ("limits", fork.limits.value()),
    ]);
    let mut ask = Ask::post(path(&fork.id, "/fork")).body(body);
    if fork.key.is_none() {
        ask = ask.idempotent(format!("oc-cli-{:032x}", rand::random::<u128>()));
    }
    let answer = context.ask("forking the session", ask).await?;
    let session = &answer.value["session"];
    if fork.follow {
        let id = field(session, "id");
        let seam = session["forked_from"]["seq"].as_u64().unwrap_or(0);
        context.out.note(&format!("Session {id}"));
        return super::logs::follow_turn(context, &id, seam).await;
    }
    context.show(&answer, |forked| {
        let files = match forked["files"]["checkpoint_id"].as_str() {
            Some(made) => format!("of {made}, as of event {}", field(&forked["files"], "seq")),
            None => "none: there was no checkpoint by then".to_owned(),
        };
        let files = table::pairs(context.out.paint, &[("files", files)]);
        format!("{}\n{files}", card(context, &forked["session"]))
    })
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The session's id
    id: String,
}

/// Erases a session for good.
pub(super) async fn delete(context: &Context, delete: &Delete) -> Result<(), CliError> {
    let ask = Ask::new(Method::DELETE, path(&delete.id, ""));
    context.ask("erasing the session", ask).await?;
    if context.out.json {
        return context
            .out
            .value(&json!({ "id": delete.id, "deleted": true }));
    }
    context.out.line(&format!("Erased {}.", delete.id))
}
