//! `oc session`: start sessions, watch them, talk to them, end them.

mod create;
mod keep;
mod list;
mod logs;
mod talk;
mod wait;
mod whole;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::Ask;
use super::context::{Context, field, moment};
use super::error::CliError;
use super::{destination, table};

pub(super) use logs::{follow_turn, wait_turn};

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// Start a session of an agent
    Create(create::Create),
    /// Show a session
    Get(Which),
    /// List sessions, newest first
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Show a session's events; --follow goes on until it is archived
    Logs(logs::Logs),
    /// Say something to a session, also while it runs
    Steer(talk::Steer),
    /// Show the result of a session's last turn
    Result(Which),
    /// Stop the running turn
    Cancel(Which),
    /// Close a session for good; its log stays
    Archive(Which),
    /// Make a session with the same past and the files of then
    Fork(keep::Fork),
    /// Show a session's limits, or change them
    Limits(keep::Limits),
    /// List the checkpoints of a session's files
    Checkpoints(Which),
    /// Erase a session for good, its log and its files
    #[command(visible_alias = "rm")]
    Delete(keep::Delete),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The session's id
    id: String,
}

pub(super) async fn run(context: &Context, command: SessionCommand) -> Result<(), CliError> {
    match command {
        SessionCommand::Create(create) => create::run(context, create).await,
        SessionCommand::Get(which) => get(context, &which.id).await,
        SessionCommand::List(list) => list::run(context, list).await,
        SessionCommand::Logs(logs) => logs::run(context, logs).await,
        SessionCommand::Steer(steer) => talk::steer(context, &steer).await,
        SessionCommand::Result(which) => talk::result(context, &which.id).await,
        SessionCommand::Cancel(which) => talk::end(context, &which.id, "cancel").await,
        SessionCommand::Archive(which) => talk::end(context, &which.id, "archive").await,
        SessionCommand::Fork(fork) => keep::fork(context, fork).await,
        SessionCommand::Limits(limits) => keep::limits(context, &limits).await,
        SessionCommand::Checkpoints(which) => keep::checkpoints(context, &which).await,
        SessionCommand::Delete(delete) => keep::delete(context, &delete).await,
    }
}

/// A path below a session.
pub(super) fn path(id: &str, below: &str) -> String {
    format!("/v3/sessions/{}{below}", plain(id))
}

/// An id that cannot lead to another path.
pub(super) fn plain(id: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    id.chars().filter(plain).collect()
}

/// Shows a session, and which of those who are to be told of it cannot be.
async fn get(context: &Context, id: &str) -> Result<(), CliError> {
    let answer = context.ask("reading the session", Ask::get(path(id, "")));
    let answer = answer.await?;
    context.show(&answer, |session| card(context, session))?;
    if context.out.json {
        return Ok(());
    }
    let ask = Ask::get(path(id, "/destinations"));
    let told = context.ask("listing destinations", ask).await?;
    let all = told.value["data"].as_array();
    for one in all.into_iter().flatten() {
        if one["failing"].is_object() {
            let (id, state) = (field(one, "id"), destination::state(one));
            context.out.note(&format!("Destination {id} is {state}"));
        }
    }
    Ok(())
}

fn card(context: &Context, session: &Value) -> String {
    let of = |name| field(session, name);
    let mut pairs = vec![
        ("id", of("id")),
        ("status", of("status")),
        ("agent", of("agent_id")),
        ("model", field(&session["agent_snapshot"], "model")),
        ("credential", of("credential_id")),
        ("events", of("head")),
        ("created", moment(session, "created_at")),
    ];
    if let Some(tokens) = session["usage"]["tokens"].as_u64() {
        pairs.push(("tokens", tokens.to_string()));
    }
    for (name, words) in [
        ("cost", cost(session)),
        ("waits on", wait::long(session)),
        ("files", files(session)),
        ("forked from", forked(session)),
    ] {
        pairs.extend(words.map(|words| (name, words)));
    }
    for name in ["key", "metadata", "limits"] {
        if of(name) != "-" {
            pairs.push((name, of(name)));
        }
    }
    if session["last_turn"].is_object() {
        let turn = &session["last_turn"];
        pairs.push((
            "last turn",
            format!("{} ({})", field(turn, "state"), field(turn, "yield_reason")),
        ));
    }
    table::pairs(context.out.paint, &pairs)
}

/// What model calls and active time cost, where either is known.
fn cost(session: &Value) -> Option<String> {
    let usage = &session["usage"];
    let time = usage["cost_usd"].as_f64().filter(|usd| *usd > 0.0)?;
    let models = match usage["total_cost_usd"].as_f64() {
        Some(usd) => format!("{usd:.6} USD for tokens, "),
        None => String::new(),
    };
    Some(format!("{models}{time:.6} USD for active time"))
}

fn files(session: &Value) -> Option<String> {
    let made = &session["checkpoint"];
    let id = made["id"].as_str()?;
    let at = moment(made, "created_at");
    Some(format!(
        "{id}, as of event {}, made {at}",
        field(made, "seq")
    ))
}

fn forked(session: &Value) -> Option<String> {
    let from = &session["forked_from"];
    let id = from["session_id"].as_str()?;
    Some(format!("{id} at event {}", field(from, "seq")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_lead_to_another_path() {
        assert_eq!(path("ses_1", "/result"), "/v3/sessions/ses_1/result");
        assert_eq!(path("../agents?x=1", ""), "/v3/sessions/agentsx1");
    }
}
