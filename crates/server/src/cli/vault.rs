//! `oc vault`: the master key, straight on the server's store. Works while a
//! server runs, which goes on with the new key by itself.

use clap::{Args, Subcommand};
use serde_json::json;
use store::{Store, VaultStatus};

use super::context::Context;
use super::error::CliError;
use super::local::Place;
use super::table;

#[derive(Debug, Subcommand)]
pub(super) enum VaultCommand {
    /// Change the master key; running servers go on by themselves
    RotateMaster(Rotate),
    /// Tell what the vault holds, and whether its key opens it
    Status(Status),
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Only make the next key, to be copied beside the key of every other node first
    #[arg(long)]
    prepare: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(context: &Context, command: VaultCommand) -> Result<(), CliError> {
    match command {
        VaultCommand::RotateMaster(rotate) => {
            let store = rotate.place.store(true).await?;
            let done = if rotate.prepare {
                prepare(context, &store)
            } else {
                self::rotate(context, &store).await
            };
            store.close().await;
            done
        }
        VaultCommand::Status(status) => {
            let store = status.place.store(true).await?;
            let found = store.vault_status().await;
            store.close().await;
            show(context, &found?)
        }
    }
}

async fn rotate(context: &Context, store: &Store) -> Result<(), CliError> {
    let rotated = store.rotate_master().await.map_err(words)?;
    if context.out.json {
        let done = json!({ "rotated": true, "orgs": rotated.orgs, "install": rotated.install });
        return context.out.value(&done);
    }
    context.out.line(&format!(
        "Changed the master key: {} data key(s) and {} secret(s) of the installation are under the new one.",
        rotated.orgs, rotated.install
    ))?;
    context.out.note(
        "Back up the new master.key. Backups of the database from before open with the old one.",
    );
    Ok(())
}

fn prepare(context: &Context, store: &Store) -> Result<(), CliError> {
    let next = store.prepare_master().map_err(words)?;
    if context.out.json {
        return context
            .out
            .value(&json!({ "prepared": true, "next": next }));
    }
    context.out.line(&next.display().to_string())?;
    context.out.note(
        "Copy it beside the master.key of every other node, mode 0600; then: oc vault rotate-master",
    );
    Ok(())
}

fn words(error: store::Error) -> CliError {
    let text = match error {
        store::Error::Taken => "somebody changes the master key right now".to_owned(),
        store::Error::NotFound => {
            "nothing is under the master key yet: start a server first".to_owned()
        }
        store::Error::Sealed => {
            "something in the database is under another master key; nothing was changed".to_owned()
        }
        error => return error.into(),
    };
    CliError::Local(text)
}

fn show(context: &Context, found: &VaultStatus) -> Result<(), CliError> {
    if context.out.json {
        return context.out.value(&json!({ "opens": true, "orgs": found.orgs,
            "credentials": found.credentials, "secret_stores": found.stores, "secrets": found.secrets,
            "install": found.install, "next": found.next }));
    }
    let next = found.next.as_ref();
    let next = next.map_or("-".to_owned(), |path| path.display().to_string());
    let pairs = [
        ("master key", "opens everything".to_owned()),
        ("next key", next),
        ("orgs", found.orgs.to_string()),
        ("model keys", found.credentials.to_string()),
        ("secret stores", found.stores.to_string()),
        ("secrets", found.secrets.to_string()),
        ("of the install", found.install.to_string()),
    ];
    context.out.line(&table::pairs(context.out.paint, &pairs))
}
