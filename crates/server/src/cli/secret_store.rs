//! `oc secret-store`: named sets of secrets for sandboxes, and the hosts that
//! each lets them reach.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Api, Ask};
use super::context::{Context, field, moment};
use super::error::CliError;
use super::limits::body;
use super::progress::during;
use super::table;

const STORES: &str = "/api/secret-stores";

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Make a secret store
    Create(Create),
    /// List secret stores, newest first
    #[command(visible_alias = "ls")]
    List,
    /// Show a secret store
    Get(One),
    /// Change a secret store, for running sandboxes too
    Update(Update),
    /// Delete a secret store and all its secrets; running sandboxes lose them at once
    #[command(visible_alias = "rm")]
    Delete(One),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A name of your own; agents name it with --secret-store
    #[arg(long)]
    name: String,
    /// Hosts that sandboxes with this store may reach, as api.example.com or
    /// *.example.com; all if absent
    #[arg(long, value_name = "HOST,…", value_delimiter = ',')]
    egress_allowlist: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The store's id or name
    store: String,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(flatten)]
    which: One,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    /// Other hosts, in place of all there are; '' for all hosts
    #[arg(long, value_name = "HOST,…", value_delimiter = ',')]
    egress_allowlist: Option<Vec<String>>,
}

pub(super) async fn run(context: &Context, command: StoreCommand) -> Result<(), CliError> {
    match command {
        StoreCommand::Create(create) => {
            let wanted = json!({ "name": create.name, "egressAllowlist": create.egress_allowlist });
            let ask = Ask::post(STORES).body(wanted);
            let answer = context.ask("making the store", ask).await?;
            context.show(&answer, |store| card(context, store))
        }
        StoreCommand::List => {
            let answer = context.ask("listing stores", Ask::get(STORES)).await?;
            let heading = ["ID", "NAME", "MAY REACH", "CREATED"];
            let none = "No secret stores yet: oc secret-store create --name NAME";
            context.list(&answer, &heading, row, none)
        }
        StoreCommand::Get(one) => {
            let path = path(context, &one.store).await?;
            let answer = context.ask("reading the store", Ask::get(path)).await?;
            context.show(&answer, |store| card(context, store))
        }
        StoreCommand::Update(update) => self::update(context, update).await,
        StoreCommand::Delete(one) => {
            let path = path(context, &one.store).await?;
            let ask = Ask::new(Method::DELETE, &path);
            context.ask("deleting the store", ask).await?;
            let id = path.rsplit('/').next().unwrap_or_default();
            if context.out.json {
                context.out.value(&json!({ "id": id, "deleted": true }))
            } else {
                context.out.line(&format!("Deleted {id}."))
            }
        }
    }
}

async fn update(context: &Context, update: Update) -> Result<(), CliError> {
    let hosts = update.egress_allowlist.map(|mut hosts| {
        hosts.retain(|host| !host.is_empty());
        json!(hosts)
    });
    if update.name.is_none() && hosts.is_none() {
        let words = "nothing to change: give --name or --egress-allowlist";
        return Err(CliError::Usage(words.to_owned()));
    }
    let body = body([
        ("name", update.name.map(Value::from)),
        ("egressAllowlist", hosts),
    ]);
    let path = path(context, &update.which.store).await?;
    let ask = Ask::new(Method::PUT, path).body(body);
    let answer = context.ask("changing the store", ask).await?;
    context.show(&answer, |store| card(context, store))
}

/// The path of the store a reference means.
pub(super) async fn path(context: &Context, reference: &str) -> Result<String, CliError> {
    let api = context.api()?;
    let id = during(context.out, "looking for the store", find(&api, reference)).await?;
    Ok(format!("{STORES}/{id}"))
}

/// The id of the store of that id or name.
async fn find(api: &Api, reference: &str) -> Result<String, CliError> {
    let stores = api.send(Ask::get(STORES)).await?.value;
    let all = stores.as_array().map(Vec::as_slice).unwrap_or_default();
    let by = |name: &str| all.iter().find(|store| store[name] == reference);
    let found = by("id").or_else(|| by("name"));
    let id = found.and_then(|store| store["id"].as_str());
    id.map(str::to_owned).ok_or_else(|| {
        let message =
            format!("there is no secret store `{reference}`; `oc secret-store list` shows all");
        CliError::nothing(message)
    })
}

/// Hosts for people; `all` where the list is empty.
pub(super) fn hosts(list: &Value) -> String {
    let hosts: Vec<&str> = list
        .as_array()
        .map(|hosts| hosts.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if hosts.is_empty() {
        "all".to_owned()
    } else {
        hosts.join(" ")
    }
}

fn row(store: &Value) -> Vec<String> {
    vec![
        field(store, "id"),
        field(store, "name"),
        hosts(&store["egressAllowlist"]),
        moment(store, "createdAt"),
    ]
}

fn card(context: &Context, store: &Value) -> String {
    let pairs = [
        ("id", field(store, "id")),
        ("name", field(store, "name")),
        ("may reach", hosts(&store["egressAllowlist"])),
        ("created", moment(store, "createdAt")),
        ("updated", moment(store, "updatedAt")),
    ];
    table::pairs(context.out.paint, &pairs)
}
