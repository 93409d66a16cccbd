//! `oc demo --stop`: ends the server an earlier demo left running, and what it
//! left running in turn.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::pid::{self, Process};
use crate::cli::context::Context;
use crate::cli::doctor::reap;
use crate::cli::error::CliError;
use crate::cli::progress::during;
use crate::config::Settings;

/// How long a server may take to end when told.
const GRACE: Duration = Duration::from_secs(12);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn run(context: &Context, data: &Path) -> Result<(), CliError> {
    let Some(process) = Process::read(data) else {
        pid::forget(data);
        return tell(
            context,
            false,
            &format!("No demo server runs on {}.", data.display()),
        );
    };
    during(context.out, "the server finishes its steps", end(&process)).await?;
    pid::forget(data);
    let mut settings = Settings::default();
    settings.node.data = Some(data.to_owned());
    let config = settings.hold()?;
    let ended = during(context.out, "ending its sandboxes", reap(&config)).await?;
    tell(
        context,
        true,
        &format!(
            "Stopped the server and {ended} sandboxes with their files. What was said is kept in {}.",
            data.display()
        ),
    )
}

async fn end(process: &Process) -> Result<(), CliError> {
    for (signal, grace) in [(Signal::SIGTERM, GRACE), (Signal::SIGKILL, GRACE)] {
        process.signal(signal);
        let begin = Instant::now();
        while begin.elapsed() < grace {
            if !process.alive() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    Err(CliError::Local(
        "the server does not end, not even when killed".to_owned(),
    ))
}

fn tell(context: &Context, stopped: bool, words: &str) -> Result<(), CliError> {
    if context.out.json {
        context.out.value(&json!({ "stopped": stopped }))
    } else {
        context.out.line(words)
    }
}
