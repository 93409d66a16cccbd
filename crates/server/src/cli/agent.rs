//! `oc agent`: define agents, look at them, change and delete them.

use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::agent_hook::{self, AgentHookCommand};
use super::agent_invoke::{self, Invoke};
use super::agent_schedule::{self, AgentScheduleCommand};
use super::agent_secret::{self, AgentSecretCommand};
use super::agent_skills::{self, AgentSkillsCommand};
use super::api::{Api, Ask};
use super::context::{Context, field, moment};
use super::error::CliError;
use super::limits::{LimitOptions, body};
use super::policy::PolicyOptions;
use super::progress::during;
use super::secret::KeySource;
use super::{table, text};

#[derive(Debug, Subcommand)]
pub(super) enum AgentCommand {
    /// Define an agent; the same definition again gives the same agent
    Create(Create),
    /// Show an agent
    Get(One),
    /// List agents, newest first
    #[command(visible_alias = "ls")]
    List(List),
    /// Change an agent's prompt, model, credential or limits
    Update(Update),
    /// Delete an agent; its sessions stay readable
    #[command(visible_alias = "rm")]
    Delete(One),
    /// An agent's own secrets, for its sandboxes
    #[command(subcommand, visible_alias = "secrets")]
    Secret(AgentSecretCommand),
    /// An agent's skills, which its sessions find in their sandboxes
    #[command(subcommand, visible_alias = "skill")]
    Skills(AgentSkillsCommand),
    /// Schedules: what begins an agent's sessions at set times
    #[command(subcommand)]
    Schedule(AgentScheduleCommand),
    /// List an agent's schedules, by name
    Schedules(agent_schedule::List),
    /// Hooks: addresses that begin an agent's sessions for whoever knows them
    #[command(subcommand)]
    Hook(AgentHookCommand),
    /// List an agent's hooks, newest first
    Hooks(agent_hook::List),
    /// Begin a session at the agent's own address, with any JSON
    Invoke(Invoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A name of your own; it cannot be changed later
    name: String,
    /// What the agent is told it is: text, @file, or - for standard input
    #[arg(long)]
    prompt: String,
    /// provider/model, such as anthropic/claude-opus-4-8 or test/demo
    #[arg(long)]
    model: String,
    /// Runtime that thinks; the server's default if absent
    #[arg(long)]
    runtime: Option<String>,
    /// `managed` or the id of a credential; the org's default if absent
    #[arg(long, conflicts_with_all = ["key", "key_env"])]
    credential: Option<String>,
    #[command(flatten)]
    key: KeySource,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    policy: PolicyOptions,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The agent's id or name
    #[arg(required_unless_present = "agent")]
    reference: Option<String>,
    /// The same, as an option
    #[arg(long, conflicts_with = "reference", value_name = "ID|NAME")]
    agent: Option<String>,
}

impl One {
    fn reference(&self) -> &str {
        self.reference
            .as_deref()
            .or(self.agent.as_deref())
            .unwrap_or_default()
    }
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Most agents to list
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
    /// A new prompt: text, @file, or - for standard input
    #[arg(long)]
    prompt: Option<String>,
    /// A new model, as provider/model
    #[arg(long)]
    model: Option<String>,
    /// `managed`, the id of a credential, or `default` for the org's default
    #[arg(long, conflicts_with_all = ["key", "key_env"])]
    credential: Option<String>,
    #[command(flatten)]
    key: KeySource,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    policy: PolicyOptions,
}

pub(super) async fn run(context: &Context, command: AgentCommand) -> Result<(), CliError> {
    match command {
        AgentCommand::Create(create) => self::create(context, &create).await,
        AgentCommand::Get(one) => {
            let path = path(context, one.reference()).await?;
            let answer = context.ask("reading the agent", Ask::get(path)).await?;
            context.show(&answer, |agent| card(context, agent))
        }
        AgentCommand::List(list) => {
            let ask = Ask::get("/v3/agents")
                .with("limit", list.limit)
                .with("cursor", list.cursor);
            let answer = context.ask("listing agents", ask).await?;
            context.page(
                &answer,
                &["ID", "NAME", "MODEL", "RUNTIME", "REV", "CREATED"],
                row,
                "No agents yet: oc agent create NAME --model test/demo --prompt …",
            )
        }
        AgentCommand::Update(update) => self::update(context, &update).await,
        AgentCommand::Secret(command) => agent_secret::run(context, command).await,
        AgentCommand::Skills(command) => agent_skills::run(context, command).await,
        AgentCommand::Schedule(command) => agent_schedule::run(context, command).await,
        AgentCommand::Schedules(list) => agent_schedule::list(context, list).await,
        AgentCommand::Hook(command) => agent_hook::run(context, command).await,
        AgentCommand::Hooks(list) => agent_hook::list(context, list).await,
        AgentCommand::Invoke(invoke) => agent_invoke::run(context, invoke).await,
        AgentCommand::Delete(one) => {
            let path = path(context, one.reference()).await?;
            context
                .ask("deleting the agent", Ask::new(Method::DELETE, &path))
                .await?;
            let id = path.rsplit('/').next().unwrap_or_default();
            if context.out.json {
                context.out.value(&json!({ "id": id, "deleted": true }))
            } else {
                context.out.line(&format!("Deleted {id}."))
            }
        }
    }
}

async fn create(context: &Context, create: &Create) -> Result<(), CliError> {
    let key = create.key.given()?;
    let body = body([
        ("name", Some(json!(create.name))),
        ("prompt", Some(json!(text::given(&create.prompt).await?))),
        ("model", Some(json!(create.model))),
        (
            "runtime",
            create.runtime.as_ref().map(|runtime| json!(runtime)),
        ),
        (
            "credential",
            create
                .credential
                .as_ref()
                .map(|credential| json!(credential)),
        ),
        ("key", key.map(|key| json!(key.expose_secret()))),
        ("limits", create.limits.value()),
        ("on_interrupt", create.policy.on_interrupt()),
        ("caps", create.policy.caps()),
        ("egress", create.policy.egress()),
        ("secret_store", create.policy.secret_store()),
    ]);
    let answer = context
        .ask("creating the agent", Ask::post("/v3/agents").body(body))
        .await?;
    context.show(&answer, |agent| card(context, agent))?;
    if answer.status == 200 {
        context.out.note("It was there already, just like this.");
    }
    Ok(())
}

async fn update(context: &Context, update: &Update) -> Result<(), CliError> {
    let key = update.key.given()?;
    let credential = update.credential.as_ref().map(|given| {
        if given == "default" {
            Value::Null
        } else {
            json!(given)
        }
    });
    let prompt = match &update.prompt {
        Some(prompt) => Some(Value::from(text::given(prompt).await?)),
        None => None,
    };
    let body = body([
        ("prompt", prompt),
        ("model", update.model.as_ref().map(|model| json!(model))),
        ("credential", credential),
        ("key", key.map(|key| json!(key.expose_secret()))),
        ("limits", update.limits.value()),
        ("on_interrupt", update.policy.on_interrupt()),
        ("caps", update.policy.caps()),
        ("egress", update.policy.egress()),
        ("secret_store", update.policy.secret_store()),
    ]);
    if body.as_object().is_none_or(|fields| fields.is_empty()) {
        return Err(CliError::Usage(
            "nothing to change: give --prompt, --model, --credential, --key-env, a limit, --egress or --secret-store"
                .to_owned(),
        ));
    }
    let path = path(context, update.which.reference()).await?;
    let answer = context
        .ask(
            "changing the agent",
            Ask::new(Method::PATCH, path).body(body),
        )
        .await?;
    context.show(&answer, |agent| card(context, agent))
}

/// The path of the agent a reference means.
pub(super) async fn path(context: &Context, reference: &str) -> Result<String, CliError> {
    let api = context.api()?;
    let id = during(context.out, "looking for the agent", find(&api, reference)).await?;
    Ok(format!("/v3/agents/{id}"))
}

/// The id of the agent a reference means: itself if it is one, else the id of
/// the agent of that name.
pub(super) async fn find(api: &Api, reference: &str) -> Result<String, CliError> {
    if reference.starts_with("agt_")
        && reference
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return Ok(reference.to_owned());
    }
    let mut cursor: Option<String> = None;
    loop {
        let page = api
            .send(
                Ask::get("/v3/agents")
                    .with("limit", Some(100))
                    .with("cursor", cursor),
            )
            .await?
            .value;
        let found = page["data"]
            .as_array()
            .and_then(|agents| agents.iter().find(|agent| agent["name"] == reference));
        if let Some(id) = found.and_then(|agent| agent["id"].as_str()) {
            return Ok(id.to_owned());
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            let message =
                format!("there is no agent named `{reference}`; `oc agent list` shows all");
            return Err(CliError::nothing(message));
        }
    }
}

fn row(agent: &Value) -> Vec<String> {
    let mut row: Vec<String> = ["id", "name", "model", "runtime", "revision"]
        .iter()
        .map(|name| field(agent, name))
        .collect();
    row.push(moment(agent, "created_at"));
    row
}

fn card(context: &Context, agent: &Value) -> String {
    let mut pairs: Vec<(&str, String)> = [
        "id",
        "name",
        "model",
        "runtime",
        "revision",
        "credential_id",
        "limits",
        "on_interrupt",
        "caps",
        "egress",
        "secret_store",
        "invoke_url",
    ]
    .map(|name| (name, field(agent, name)))
    .into();
    pairs.push(("created", moment(agent, "created_at")));
    pairs.push(("prompt", field(agent, "prompt")));
    table::pairs(context.out.paint, &pairs)
}
