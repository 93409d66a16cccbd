//! `oc agent hook`: addresses that begin an agent's sessions for whoever knows them.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::Ask;
use super::caps::CapOptions;
use super::context::{Context, field, moment};
use super::error::CliError;
use super::limits::body;
use super::named::Kind;
use super::table;

/// Hooks, by id or name.
const HOOKS: Kind = Kind {
    noun: "hook",
    prefix: "hk_",
    folder: "hooks",
    list: "data",
};

#[derive(Debug, Subcommand)]
pub(super) enum AgentHookCommand {
    /// Make a hook; its address is shown this once
    Create(Create),
    /// Show a hook
    Get(One),
    /// List an agent's hooks, newest first
    #[command(visible_alias = "ls")]
    List(List),
    /// Change what a hook's sessions together may use
    Update(Update),
    /// Revoke a hook, for good; its sessions go on
    #[command(visible_alias = "rm")]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A name: lower-case letters, digits and -
    name: String,
    /// The agent's id or name
    #[arg(long, value_name = "ID|NAME")]
    agent: String,
    /// From when on it opens nothing, such as 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    #[command(flatten)]
    caps: CapOptions,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The hook's id or name
    hook: String,
    /// The agent's id or name
    #[arg(long, value_name = "ID|NAME")]
    agent: String,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The agent's id or name
    #[arg(long, value_name = "ID|NAME")]
    agent: String,
    /// List revoked ones, too
    #[arg(long)]
    include_revoked: bool,
    /// Most hooks to list
    #[arg(long)]
    limit: Option<u32>,
    /// Where to go on, as a list before said
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(flatten)]
    which: One,
    #[command(flatten)]
    caps: CapOptions,
    /// No caps at all
    #[arg(long)]
    no_caps: bool,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    which: One,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(context: &Context, command: AgentHookCommand) -> Result<(), CliError> {
    match command {
        AgentHookCommand::Create(create) => self::create(context, create).await,
        AgentHookCommand::Get(one) => {
            let ask = Ask::get(path(context, &one).await?);
            let answer = context.ask("reading the hook", ask).await?;
            context.show(&answer, |hook| card(context, hook))
        }
        AgentHookCommand::List(list) => self::list(context, list).await,
        AgentHookCommand::Update(update) => self::update(context, update).await,
        AgentHookCommand::Revoke(revoke) => self::revoke(context, revoke).await,
    }
}

async fn create(context: &Context, create: Create) -> Result<(), CliError> {
    let body = body([
        ("name", Some(json!(create.name))),
        ("expires_at", create.expires_at.map(Value::from)),
        ("caps", create.caps.value()),
    ]);
    let hooks = HOOKS.of(context, &create.agent).await?;
    let answer = context.ask("making the hook", Ask::post(hooks).body(body));
    let answer = answer.await?;
    context.show(&answer, |made| {
        let url = field(made, "hook_url");
        format!("{}\n\n{url}", card(context, &made["hook"]))
    })?;
    context
        .out
        .note("Keep the address now: whoever knows it can use it, and it is not shown again.");
    Ok(())
}

pub(super) async fn list(context: &Context, list: List) -> Result<(), CliError> {
    let ask = Ask::get(HOOKS.of(context, &list.agent).await?)
        .with("include_revoked", list.include_revoked.then_some(true))
        .with("limit", list.limit)
        .with("cursor", list.cursor);
    let answer = context.ask("listing hooks", ask).await?;
    let heading = ["ID", "NAME", "STATUS", "ENDS IN", "EXPIRES", "CREATED"];
    let none = "No hooks yet: oc agent hook create NAME --agent AGENT";
    context.page(&answer, &heading, row, none)
}

async fn update(context: &Context, update: Update) -> Result<(), CliError> {
    let caps = match (update.caps.value(), update.no_caps) {
        (Some(_), true) => Err("give caps or --no-caps, not both"),
        (Some(caps), false) => Ok(caps),
        (None, true) => Ok(Value::Null),
        (None, false) => {
            Err("nothing to change: give --tokens-per-day or another cap, or --no-caps")
        }
    };
    let caps = caps.map_err(|words| CliError::Usage(words.to_owned()))?;
    let path = path(context, &update.which).await?;
    let ask = Ask::new(Method::PATCH, path).body(json!({ "caps": caps }));
    let answer = context.ask("changing the hook", ask).await?;
    context.show(&answer, |hook| card(context, hook))
}

async fn revoke(context: &Context, revoke: Revoke) -> Result<(), CliError> {
    if !revoke.yes {
        let words = format!(
            "a revoked hook never opens again; add --yes to revoke {}",
            revoke.which.hook
        );
        return Err(CliError::Usage(words));
    }
    let path = path(context, &revoke.which).await?;
    let ask = Ask::new(Method::DELETE, &path);
    context.ask("revoking the hook", ask).await?;
    let id = path.rsplit('/').next().unwrap_or_default();
    if context.out.json {
        context.out.value(&json!({ "id": id, "revoked": true }))
    } else {
        context.out.line(&format!("Revoked {id}."))
    }
}

async fn path(context: &Context, one: &One) -> Result<String, CliError> {
    HOOKS.path(context, &one.agent, &one.hook).await
}

fn row(hook: &Value) -> Vec<String> {
    let mut row: Vec<String> = ["id", "name", "status", "secret_last4"]
        .iter()
        .map(|name| field(hook, name))
        .collect();
    row.push(moment(hook, "expires_at"));
    row.push(moment(hook, "created_at"));
    row
}

fn card(context: &Context, hook: &Value) -> String {
    let names = ["id", "agent_id", "name", "status", "revoked_reason", "caps"];
    let mut pairs: Vec<(&str, String)> = names.map(|name| (name, field(hook, name))).into();
    pairs.push(("ends in", field(hook, "secret_last4")));
    pairs.push(("expires", moment(hook, "expires_at")));
    pairs.push(("created", moment(hook, "created_at")));
    table::pairs(context.out.paint, &pairs)
}
