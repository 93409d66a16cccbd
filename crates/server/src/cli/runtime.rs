//! `oc runtime`: the engines and programs that agents can use besides our own
//! loop. It acts on this machine; a server that runs here sees it at once.

mod check;
mod place;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::context::Context;
use super::error::CliError;
use super::progress::Bar;
use crate::runtimes::{self, Custom, Install, Registry, Step, engine};
use place::Place;

#[derive(Debug, Subcommand)]
pub(super) enum RuntimeCommand {
    /// List runtimes: which there are, which are installed
    #[command(visible_alias = "ls")]
    List(Place),
    /// Install a vendor's engine from its registry, checked by its published hash
    #[command(disable_version_flag = true)]
    Install(Wanted),
    /// Register a program of your own as a runtime
    Add(Add),
    /// Play with a program, and tell whether it keeps to the brain contract
    Check(check::Check),
    /// Remove an engine, or forget a registered program
    #[command(visible_alias = "rm")]
    Remove(Which),
}

#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Which engine: claude or codex
    name: String,
    /// Another version than the one this build was tested with
    #[arg(long)]
    version: Option<String>,
    /// Registry of packages [default: https://registry.npmjs.org]
    #[arg(long, env = "OC_NPM_REGISTRY", value_name = "URL")]
    registry: Option<String>,
    /// The package itself, as `npm pack` saves it, for a machine without network
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// A name of your own
    name: String,
    /// Folder of the program
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Command that starts it in that folder
    #[arg(long)]
    command: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The runtime's name
    name: String,
    #[command(flatten)]
    place: Place,
}

impl From<runtimes::Error> for CliError {
    fn from(error: runtimes::Error) -> Self {
        match &error {
            runtimes::Error::Unknown(_)
            | runtimes::Error::Name(..)
            | runtimes::Error::Version(_)
            | runtimes::Error::Custom(_) => Self::Usage(error.to_string()),
            _ => Self::Local(error.to_string()),
        }
    }
}

pub(super) async fn run(context: &Context, command: RuntimeCommand) -> Result<(), CliError> {
    match command {
        RuntimeCommand::List(place) => show::list(context, &place.hold()?),
        RuntimeCommand::Install(wanted) => install(context, wanted).await,
        RuntimeCommand::Add(add) => self::add(context, add),
        RuntimeCommand::Check(check) => check::run(context, check).await,
        RuntimeCommand::Remove(which) => remove(context, which),
    }
}

async fn install(context: &Context, wanted: Wanted) -> Result<(), CliError> {
    let runtimes = wanted.place.hold()?;
    let engine =
        engine(&wanted.name).ok_or_else(|| runtimes::Error::Unknown(wanted.name.clone()))?;
    let install = Install {
        engine,
        version: wanted.version,
        registry: Registry::new(wanted.registry.as_deref())?,
        file: wanted.from,
    };
    let bar = Bar::new(context.out);
    let told = |step| match step {
        Step::Asking => bar.show(&format!("asking for {}", engine.name)),
        Step::Fetching(came, whole) => bar.show(&show::fetching(engine.name, came, whole)),
        Step::Unpacking => bar.show(&format!("unpacking {}", engine.name)),
    };
    let installed = install.run(&runtimes, told).await?;
    drop(bar);
    let bytes = installed.bytes()?;
    if context.out.json {
        return context.out.value(&json!({
            "name": installed.name,
            "version": installed.version,
            "path": installed.folder,
            "bytes": bytes,
        }));
    }
    let (name, version) = (&installed.name, &installed.version);
    context.out.line(&format!(
        "Installed {name} {version}: {} in {}",
        show::size(bytes),
        installed.folder.display()
    ))
}

fn add(context: &Context, add: Add) -> Result<(), CliError> {
    let dir = std::path::absolute(&add.dir)?;
    let custom = Custom {
        name: add.name,
        dir: dir.canonicalize().unwrap_or(dir),
        command: place::words(&add.command)?,
    };
    add.place.hold()?.add(&custom)?;
    if context.out.json {
        return context.out.value(&show::custom(&custom));
    }
    let name = &custom.name;
    context.out.line(&format!(
        "Registered {name}. Use it with `oc agent create … --runtime {name}`."
    ))
}

fn remove(context: &Context, which: Which) -> Result<(), CliError> {
    let name = which.place.hold()?.remove(&which.name)?;
    if context.out.json {
        return context.out.value(&json!({ "name": name, "removed": true }));
    }
    context.out.line(&format!("Removed {name}."))
}
