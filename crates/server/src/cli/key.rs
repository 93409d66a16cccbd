//! `oc key`: API keys, straight on the server's store, since the first one is
//! made before any key exists. Works while a server runs.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use session::id::Noun;
use store::{KeyRow, NewKey, Store};

use super::context::{Context, moment};
use super::error::CliError;
use super::local::Place;
use super::table;
use crate::clock;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; it is shown once
    Create(Create),
    /// List keys; only their first characters are known
    #[command(visible_alias = "ls")]
    List(List),
    /// Make a key open nothing from now on
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A name of your own
    #[arg(long, default_value = "cli")]
    name: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The key's id, as `oc key list` shows it
    id: String,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(context: &Context, command: KeyCommand) -> Result<(), CliError> {
    match command {
        KeyCommand::Create(create) => {
            let store = create.place.store(false).await?;
            let done = self::create(context, &store, create.name).await;
            store.close().await;
            done
        }
        KeyCommand::List(list) => {
            let store = list.place.store(true).await?;
            let keys = all(&store).await;
            store.close().await;
            show(context, &keys?)
        }
        KeyCommand::Revoke(revoke) => {
            let store = revoke.place.store(true).await?;
            let done = self::revoke(&store, &revoke.id).await;
            store.close().await;
            done?;
            if context.out.json {
                context
                    .out
                    .value(&json!({ "id": revoke.id, "revoked": true }))
            } else {
                context.out.line(&format!(
                    "Revoked {}. A running server refuses it from now on.",
                    revoke.id
                ))
            }
        }
    }
}

async fn create(context: &Context, store: &Store, name: String) -> Result<(), CliError> {
    let key = crate::node::new_key();
    let org = match store.orgs().await?.into_iter().next() {
        Some(org) => org.id,
        None => return first(context, store, &key).await,
    };
    let new = NewKey {
        id: clock::fresh(Noun::Key),
        org,
        name,
        key: &key,
        at: clock::now(),
    };
    let row = store.create_key(new).await?;
    tell(context, &row, &key)
}

/// The first key of a store that no server has opened yet.
async fn first(context: &Context, store: &Store, key: &str) -> Result<(), CliError> {
    store.bootstrap(key, true, clock::now()).await?;
    let row = store.authenticate(key, clock::now()).await?;
    let row = row.ok_or_else(|| CliError::Local("the key was not kept".to_owned()))?;
    tell(context, &row, key)
}

fn tell(context: &Context, row: &KeyRow, key: &str) -> Result<(), CliError> {
    if context.out.json {
        let mut value = shown(row);
        value["key"] = key.into();
        return context.out.value(&value);
    }
    context.out.line(key)?;
    context
        .out
        .note("Shown once. Use it: export OPENCOMPUTER_API_KEY=<the line above>");
    Ok(())
}

async fn all(store: &Store) -> Result<Vec<KeyRow>, CliError> {
    let mut keys = Vec::new();
    for org in store.orgs().await? {
        keys.extend(store.keys(&org.id).await?);
    }
    Ok(keys)
}

async fn revoke(store: &Store, id: &str) -> Result<(), CliError> {
    for org in store.orgs().await? {
        match store.revoke_key(&org.id, id, clock::now()).await {
            Err(store::Error::NotFound) => {}
            other => return Ok(other?),
        }
    }
    Err(CliError::Local(format!(
        "there is no key `{id}`; `oc key list` shows all"
    )))
}

fn show(context: &Context, keys: &[KeyRow]) -> Result<(), CliError> {
    let values: Vec<Value> = keys.iter().map(shown).collect();
    if context.out.json {
        return context.out.value(&json!({ "data": values }));
    }
    let state = |key: &Value| {
        if key["revoked_at"].is_null() {
            "active"
        } else {
            "revoked"
        }
    };
    let row = |key: &Value| {
        let text = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        vec![
            text("id"),
            text("name"),
            format!("{}…", text("prefix")),
            state(key).to_owned(),
            moment(key, "last_used_at"),
            moment(key, "created_at"),
        ]
    };
    let heading = ["ID", "NAME", "KEY", "STATE", "LAST USED", "CREATED"];
    context.out.line(&table::columns(
        context.out.paint,
        &heading,
        values.iter().map(row).collect(),
        "No keys yet: oc key create",
    ))
}

fn shown(key: &KeyRow) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "created_at": clock::rfc3339(key.created),
        "last_used_at": key.last_used.map(clock::rfc3339),
        "revoked_at": key.revoked.map(clock::rfc3339),
    })
}
