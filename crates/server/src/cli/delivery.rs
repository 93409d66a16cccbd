//! `oc delivery`: what the destinations of a session were told.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::Ask;
use super::context::{Context, field, moment};
use super::error::CliError;
use super::{session, table};

#[derive(Debug, Subcommand)]
pub(super) enum DeliveryCommand {
    /// List a session's deliveries, those of the newest events first
    #[command(visible_alias = "ls")]
    List(List),
    /// Show a delivery
    Get(Which),
    /// Send a delivery again, whatever became of it
    Redeliver(Which),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The session's id
    session: String,
    /// Only to this destination
    #[arg(long)]
    destination: Option<String>,
    /// Only in this state: pending, delivering, delivered, failed or dead_letter
    #[arg(long)]
    status: Option<String>,
    /// Deliveries of a page
    #[arg(long)]
    limit: Option<u64>,
    /// The page that begins there
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The session's id
    session: String,
    /// The delivery's id
    id: String,
}

pub(super) async fn run(context: &Context, command: DeliveryCommand) -> Result<(), CliError> {
    match command {
        DeliveryCommand::List(list) => self::list(context, &list).await,
        DeliveryCommand::Get(which) => {
            let answer = context.ask("reading the delivery", Ask::get(path(&which, "")));
            context.show(&answer.await?, |one| card(context, one))
        }
        DeliveryCommand::Redeliver(which) => {
            let ask = Ask::post(path(&which, "/redeliver"));
            let answer = context.ask("queueing the delivery", ask).await?;
            context.show(&answer, |one| card(context, one))
        }
    }
}

async fn list(context: &Context, list: &List) -> Result<(), CliError> {
    let ask = Ask::get(session::path(&list.session, "/deliveries"))
        .with("destination", list.destination.as_ref())
        .with("status", list.status.as_ref())
        .with("limit", list.limit)
        .with("after", list.cursor.as_ref());
    let answer = context.ask("listing deliveries", ask).await?;
    let heading = ["ID", "EVENT", "STATUS", "ATTEMPTS", "LAST", "CODE", "ERROR"];
    context.page(&answer, &heading, row, "No deliveries.")
}

fn path(which: &Which, below: &str) -> String {
    let id = session::plain(&which.id);
    session::path(&which.session, &format!("/deliveries/{id}{below}"))
}

fn row(one: &Value) -> Vec<String> {
    let of = |name| field(one, name);
    vec![
        of("id"),
        of("event_seq"),
        of("status"),
        of("attempts"),
        moment(one, "last_attempt_at"),
        of("response_code"),
        of("error"),
    ]
}

fn card(context: &Context, one: &Value) -> String {
    let of = |name| field(one, name);
    let pairs = [
        ("id", of("id")),
        ("destination", of("destination")),
        ("event", of("event_id")),
        ("status", of("status")),
        ("attempts", of("attempts")),
        ("last attempt", moment(one, "last_attempt_at")),
        ("next attempt", moment(one, "next_attempt_at")),
        ("answer", of("response_code")),
        ("error", of("error")),
        ("queued", moment(one, "created_at")),
    ];
    table::pairs(context.out.paint, &pairs)
}
