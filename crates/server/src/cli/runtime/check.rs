//! `oc runtime check`: whether a program keeps to the brain contract.

use std::path::PathBuf;

use brain::{BrainConfig, EngineConfig, Engines, Finding, Kept, Models};
use clap::Args;
use serde_json::json;

use super::place::{self, Place};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::paint::Paint;
use crate::cli::progress::during;
use crate::runtimes::{Custom, Error, Runtime, process};

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The runtime's name; or give --command
    #[arg(required_unless_present = "command", conflicts_with = "command")]
    name: Option<String>,
    /// Folder of a program that is not registered
    #[arg(long, default_value = ".", requires = "command")]
    dir: PathBuf,
    /// Command that starts it in that folder
    #[arg(long)]
    command: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Programs that were played with: ended also when the play is given up, since
/// what starts them and what keeps them know each other.
struct Played(Engines);

impl Drop for Played {
    fn drop(&mut self) {
        for session in brain::CHECKED {
            self.0.end(session);
        }
    }
}

/// Plays with the program as an ordinary process of this machine.
pub(super) async fn run(context: &Context, check: Check) -> Result<(), CliError> {
    let custom = program(check)?;
    custom.check()?;
    let name = custom.name.clone();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let models =
        Models::new(BrainConfig::default()).map_err(|error| CliError::Local(error.to_string()))?;
    let behind = process::Behind::default();
    let spawn = process::spawn(custom, behind.clone());
    let engines = Engines::new(models, spawn, EngineConfig::default());
    let engines = behind.get_or_init(|| engines).clone();
    let engines = Played(engines);
    let found = during(context.out, "playing with it", engines.0.check(&name)).await;
    report(context, &name, &found)
}

fn program(check: Check) -> Result<Custom, CliError> {
    let Some(line) = check.command else {
        let name = check.name.unwrap_or_default();
        return match check.place.hold()?.find(&name)? {
            Runtime::Custom(custom) => Ok(custom),
            Runtime::Engine(_) => Err(CliError::Usage(format!(
                "{name} is a vendor's engine: the contract is for programs of your own"
            ))),
        };
    };
    let dir = check.dir.canonicalize();
    let missing = |_| Error::Custom(format!("{} is no folder", check.dir.display()));
    Ok(Custom {
        name: "program".to_owned(),
        dir: dir.map_err(missing)?,
        command: place::words(&line)?,
    })
}

fn report(context: &Context, name: &str, found: &[Finding]) -> Result<(), CliError> {
    let worst = found.iter().map(|one| one.kept).max();
    let ok = worst.is_some_and(|worst| worst < Kept::Not);
    if context.out.json {
        let parts: Vec<_> = found
            .iter()
            .map(|one| json!({ "part": one.part, "state": word(one.kept), "seen": one.seen }))
            .collect();
        context
            .out
            .value(&json!({ "name": name, "ok": ok, "parts": parts }))?;
    } else {
        context.out.line(&lines(context.out.paint, found))?;
    }
    match ok {
        true => Ok(()),
        false if context.out.json => Err(CliError::Silent),
        false => Err(CliError::Local(format!(
            "{name} does not keep to the brain contract: see docs/runtimes.md"
        ))),
    }
}

fn word(kept: Kept) -> &'static str {
    match kept {
        Kept::Well => "ok",
        Kept::Weakly => "weaker",
        Kept::Not => "failed",
    }
}

fn lines(paint: Paint, found: &[Finding]) -> String {
    let line = |one: &Finding| {
        let state = format!("{:<6}", word(one.kept));
        let state = match one.kept {
            Kept::Well => paint.green(&state),
            Kept::Weakly => paint.yellow(&state),
            Kept::Not => paint.red(&state),
        };
        format!("{state}  {:<9}  {}", one.part, one.seen)
    };
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}
