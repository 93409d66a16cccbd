//! `oc session steer`, `result`, `cancel`, `archive`.

use clap::Args;
use serde_json::{Value, json};

use super::{path, whole};
use crate::cli::api::Ask;
use crate::cli::context::{Context, field};
use crate::cli::ended::Ended;
use crate::cli::error::CliError;
use crate::cli::limits::body;
use crate::cli::paint::clean;
use crate::cli::progress::during;
use crate::cli::text;

#[derive(Debug, Args)]
pub(crate) struct Steer {
    /// The session's id
    id: String,
    /// What to say: text, @file, or - for standard input
    text: String,
    /// Cut the current step short instead of waiting for its end
    #[arg(long)]
    interrupt: bool,
    /// Makes the message safe to repeat; a fresh one if absent
    #[arg(long)]
    idempotency_key: Option<String>,
    /// Watch the session until it comes to rest
    #[arg(long, short)]
    follow: bool,
}

pub(super) async fn steer(context: &Context, steer: &Steer) -> Result<(), CliError> {
    let key = steer
        .idempotency_key
        .clone()
        .unwrap_or_else(|| format!("oc-cli-{:032x}", rand::random::<u128>()));
    let body = body([
        ("text", Some(json!(text::given(&steer.text).await?))),
        ("idempotency_key", Some(json!(key))),
        ("interrupt", steer.interrupt.then_some(Value::Bool(true))),
    ]);
    let ask = Ask::post(path(&steer.id, "/messages"))
        .body(body)
        .idempotent(key);
    let answer = context.ask("sending the message", ask).await?;
    if steer.follow {
        let seq = answer.value["event"]["seq"].as_u64().unwrap_or(0);
        return super::logs::follow_turn(context, &steer.id, seq.saturating_sub(1)).await;
    }
    context.show(&answer, |sent| {
        let status = field(&sent["session"], "status");
        format!(
            "Said, as event {}. The session is {}.",
            field(&sent["event"], "seq"),
            status.replace('_', " ")
        )
    })
}

/// Shows what the last turn came to; an end that is not well is told, too.
pub(super) async fn result(context: &Context, id: &str) -> Result<(), CliError> {
    let mut answer = context
        .ask("reading the result", Ask::get(path(id, "/result")))
        .await?;
    let turn = answer.value["last_turn"].clone();
    if context.out.json {
        context.out.line(answer.text.trim_end())?;
    } else if answer.value["result"].is_object() {
        let (api, result) = (context.api()?, &mut answer.value["result"]);
        let whole = whole::fill(&api, id, result);
        during(context.out, "reading the whole of it", whole).await?;
        let text = result["body"]["text"].as_str().unwrap_or_default();
        context.out.line(&clean(text))?;
    }
    match Ended::of(&turn, false) {
        Some(ended) => Err(CliError::Turn(ended)),
        None if answer.value["result"].is_object() => Ok(()),
        None if turn.is_object() => Err(CliError::Local(format!(
            "no result yet: the turn is still running (oc session logs {id} --follow)"
        ))),
        None => Err(CliError::Local(
            "no result yet: no turn has begun".to_owned(),
        )),
    }
}

/// Cancels the running turn, or archives the session.
pub(super) async fn end(context: &Context, id: &str, how: &str) -> Result<(), CliError> {
    let what = if how == "cancel" {
        "asking the turn to stop"
    } else {
        "archiving the session"
    };
    let answer = context
        .ask(what, Ask::post(path(id, &format!("/{how}"))))
        .await?;
    context.show(&answer, |session| {
        let status = field(session, "status").replace('_', " ");
        match how {
            "cancel" if status == "running" => "The running turn will stop.".to_owned(),
            _ => format!("The session is {status}."),
        }
    })
}
