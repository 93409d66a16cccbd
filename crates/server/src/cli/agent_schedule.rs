//! `oc agent schedule`: what begins an agent's sessions at set times.

mod change;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Answer, Ask};
use super::caps::CapOptions;
use super::context::{Context, field, moment};
use super::error::CliError;
use super::limits::body;
use super::named::Kind;
use super::{table, text};

/// Schedules, by id or name.
const SCHEDULES: Kind = Kind {
    noun: "schedule",
    prefix: "sch_",
    folder: "schedules",
    list: "schedules",
};

#[derive(Debug, Subcommand)]
pub(super) enum AgentScheduleCommand {
    /// Make a schedule
    Create(Create),
    /// Show a schedule
    Get(One),
    /// List an agent's schedules, by name
    #[command(visible_alias = "ls")]
    List(List),
    /// Change a schedule; sessions it began keep what they were born with
    Update(change::Update),
    /// Let a schedule rest
    Pause(One),
    /// Let a schedule go on, from now
    Resume(One),
    /// Fire a schedule now, whatever its state
    Fire(One),
    /// List what became of each firing, newest first
    Runs(Runs),
    /// Delete a schedule; its runs and sessions stay
    #[command(visible_alias = "rm")]
    Delete(One),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A name: small letters, digits and -
    name: String,
    /// The agent's id or name
    #[arg(long, value_name = "ID|NAME")]
    agent: String,
    /// Minute, hour, day of month, month, day of week, such as '0 9 * * MON-FRI'
    #[arg(long)]
    cron: String,
    /// The time zone that is meant, such as Europe/Berlin; UTC if absent
    #[arg(long)]
    tz: Option<String>,
    /// What each session is told first: text, @file, or - for standard input
    #[arg(long)]
    input: String,
    /// What becomes of a slot while the session before still works: skip or allow
    #[arg(long, value_name = "WORD")]
    overlap: Option<String>,
    #[command(flatten)]
    caps: CapOptions,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The schedule's id or name
    schedule: String,
    /// The agent's id or name
    #[arg(long, value_name = "ID|NAME")]
    agent: String,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The agent's id or name
    #[arg(long, value_name = "ID|NAME")]
    agent: String,
}

#[derive(Debug, Args)]
pub(super) struct Runs {
    #[command(flatten)]
    which: One,
    /// Most runs to list
    #[arg(long)]
    limit: Option<u32>,
    /// Where to go on, as a list before said
    #[arg(long)]
    cursor: Option<String>,
}

pub(super) async fn run(context: &Context, command: AgentScheduleCommand) -> Result<(), CliError> {
    match command {
        AgentScheduleCommand::Create(create) => self::create(context, create).await,
        AgentScheduleCommand::Get(one) => {
            let ask = Ask::get(path(context, &one).await?);
            let answer = context.ask("reading the schedule", ask).await?;
            shown(context, &answer)
        }
        AgentScheduleCommand::List(list) => self::list(context, list).await,
        AgentScheduleCommand::Update(update) => change::run(context, update).await,
        AgentScheduleCommand::Pause(one) => rest(context, &one, true).await,
        AgentScheduleCommand::Resume(one) => rest(context, &one, false).await,
        AgentScheduleCommand::Fire(one) => fire(context, &one).await,
        AgentScheduleCommand::Runs(runs) => self::runs(context, runs).await,
        AgentScheduleCommand::Delete(one) => delete(context, &one).await,
    }
}

async fn create(context: &Context, create: Create) -> Result<(), CliError> {
    let body = body([
        ("name", Some(json!(create.name))),
        ("cron", Some(json!(create.cron))),
        ("tz", create.tz.map(Value::from)),
        ("input", Some(json!(text::given(&create.input).await?))),
        ("overlap", create.overlap.map(Value::from)),
        ("caps", create.caps.value()),
    ]);
    let schedules = SCHEDULES.of(context, &create.agent).await?;
    let ask = Ask::post(schedules).body(body);
    let answer = context.ask("making the schedule", ask).await?;
    shown(context, &answer)
}

pub(super) async fn list(context: &Context, list: List) -> Result<(), CliError> {
    let ask = Ask::get(SCHEDULES.of(context, &list.agent).await?);
    let answer = context.ask("listing schedules", ask).await?;
    let heading = ["ID", "NAME", "CRON", "TZ", "STATE", "NEXT", "LAST"];
    let none = "No schedules yet: oc agent schedule create NAME --agent AGENT --cron … --input …";
    context.show(&answer, |all| {
        rows(context, &all["schedules"], &heading, row, none)
    })
}

async fn rest(context: &Context, one: &One, paused: bool) -> Result<(), CliError> {
    let path = path(context, one).await?;
    let ask = Ask::new(Method::PATCH, path).body(json!({ "paused": paused }));
    let answer = context.ask("changing the schedule", ask).await?;
    shown(context, &answer)
}

async fn fire(context: &Context, one: &One) -> Result<(), CliError> {
    let path = path(context, one).await?;
    let answer = context.ask("firing the schedule", Ask::post(format!("{path}/fire")));
    let answer = answer.await?;
    context.show(&answer, |fired| {
        let run = &fired["run"];
        let names = ["id", "outcome", "session_id", "error"];
        let pairs: Vec<_> = names.map(|name| (name, field(run, name))).into();
        table::pairs(context.out.paint, &pairs)
    })
}

async fn runs(context: &Context, runs: Runs) -> Result<(), CliError> {
    let path = path(context, &runs.which).await?;
    let ask = Ask::get(format!("{path}/runs"))
        .with("limit", runs.limit)
        .with("cursor", runs.cursor);
    let answer = context.ask("listing runs", ask).await?;
    let heading = ["ID", "SLOT", "FIRED", "OUTCOME", "SESSION", "ERROR"];
    let none = "It has not fired yet.";
    context.show(&answer, |page| {
        rows(context, &page["runs"], &heading, of_run, none)
    })?;
    if let Some(cursor) = answer.value["next_cursor"].as_str() {
        let cursor = super::paint::clean(cursor);
        context
            .out
            .note(&format!("There are more: --cursor {cursor}"));
    }
    Ok(())
}

async fn delete(context: &Context, one: &One) -> Result<(), CliError> {
    let path = path(context, one).await?;
    let ask = Ask::new(Method::DELETE, &path);
    context.ask("deleting the schedule", ask).await?;
    let id = path.rsplit('/').next().unwrap_or_default();
    if context.out.json {
        context.out.value(&json!({ "id": id, "deleted": true }))
    } else {
        context.out.line(&format!("Deleted {id}."))
    }
}

async fn path(context: &Context, one: &One) -> Result<String, CliError> {
    SCHEDULES.path(context, &one.agent, &one.schedule).await
}

/// A table of what a list holds.
fn rows(
    context: &Context,
    list: &Value,
    heading: &[&str],
    row: impl Fn(&Value) -> Vec<String>,
    none: &str,
) -> String {
    let rows = list.as_array().map(|items| items.iter().map(row).collect());
    table::columns(context.out.paint, heading, rows.unwrap_or_default(), none)
}

fn row(schedule: &Value) -> Vec<String> {
    let mut row: Vec<String> = ["id", "name", "cron", "tz", "state"]
        .iter()
        .map(|name| field(schedule, name))
        .collect();
    row.push(moment(schedule, "next_fire_at"));
    row.push(moment(schedule, "last_fired_at"));
    row
}

fn of_run(run: &Value) -> Vec<String> {
    vec![
        field(run, "id"),
        moment(run, "scheduled_for"),
        moment(run, "fired_at"),
        field(run, "outcome"),
        field(run, "session_id"),
        field(run, "error"),
    ]
}

/// Shows the schedule of an answer.
fn shown(context: &Context, answer: &Answer) -> Result<(), CliError> {
    context.show(answer, |one| {
        let schedule = &one["schedule"];
        let names = [
            "id", "agent_id", "name", "cron", "tz", "overlap", "caps", "state",
        ];
        let mut pairs: Vec<(&str, String)> = names.map(|name| (name, field(schedule, name))).into();
        pairs.push(("next", moment(schedule, "next_fire_at")));
        pairs.push(("last", moment(schedule, "last_fired_at")));
        pairs.push(("failures", field(schedule, "consecutive_failures")));
        pairs.push(("last error", field(schedule, "last_error")));
        table::pairs(context.out.paint, &pairs)
    })
}
