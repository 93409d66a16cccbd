//! `oc doctor`: what this machine can and cannot do for `oc serve`, found out by
//! trying, each with how to fix it.

mod canary;
mod disk;
mod keys;
mod machine;
mod network;
mod reap;
mod sandboxes;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::context::Context;
use super::error::CliError;
use super::options::Given;
use super::paint::Paint;
use super::progress::during;

pub(super) use reap::reap;

#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    given: Given,
    /// Instead: end all sandboxes of a data folder whose server is stopped
    #[arg(long)]
    reap: bool,
    /// Instead: give random secrets to a server of its own, and search every place for them
    #[arg(long, conflicts_with = "reap")]
    canary: bool,
}

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
    /// It works, but less well than it could.
    Weaker,
    /// The server cannot run, or not safely, without it.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// What was found.
    found: String,
    /// How to make it better.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Ok,
            found: found.into(),
            fix: None,
        }
    }

    fn weaker(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Weaker,
            found: found.into(),
            fix: Some(fix.into()),
        }
    }

    fn missing(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Missing,
            found: found.into(),
            fix: Some(fix.into()),
        }
    }
}

pub(super) async fn run(context: &Context, doctor: Doctor) -> Result<(), CliError> {
    let config = doctor.given.hold()?;
    if doctor.reap {
        let ended = during(context.out, "ending sandboxes", reap(&config)).await?;
        return if context.out.json {
            context.out.value(&json!({ "ended": ended }))
        } else {
            context.out.line(&format!("Ended {ended} sandboxes."))
        };
    }
    if doctor.canary {
        return canary::run(context, &config).await;
    }
    let mut checks = machine::look();
    checks.extend(
        during(
            context.out,
            "starting a sandbox to see what works",
            sandboxes::look(&config),
        )
        .await,
    );
    checks.extend(disk::look(&config.node.data));
    checks.extend(
        during(
            context.out,
            "looking at the network",
            network::look(&config),
        )
        .await,
    );
    checks.extend(keys::look(&config));
    report(context, &checks)
}

fn report(context: &Context, checks: &[Check]) -> Result<(), CliError> {
    let worst = checks
        .iter()
        .map(|check| check.state)
        .max()
        .unwrap_or(State::Ok);
    if context.out.json {
        context
            .out
            .value(&json!({ "state": worst, "checks": checks }))?;
    } else {
        context.out.line(&lines(context.out.paint, checks))?;
    }
    match worst {
        State::Missing if context.out.json => Err(CliError::Silent),
        State::Missing => Err(CliError::Local(
            "`oc serve` will not work well here until what is missing is fixed".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn lines(paint: Paint, checks: &[Check]) -> String {
    let width = checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or(0);
    let line = |check: &Check| {
        let state = match check.state {
            State::Ok => paint.green("ok     "),
            State::Weaker => paint.yellow("weaker "),
            State::Missing => paint.red("missing"),
        };
        let gap = " ".repeat(width - check.name.len() + 2);
        let fix = check
            .fix
            .as_ref()
            .map(|fix| format!("\n         {} {fix}", paint.dim("→")))
            .unwrap_or_default();
        format!("{state}  {}{gap}{}{fix}", check.name, check.found)
    };
    checks.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_found_and_how_to_fix_it() {
        let checks = [
            Check::ok("kernel", "Linux 6"),
            Check::missing("port", "taken", "choose another"),
        ];
        assert_eq!(
            lines(Paint(false), &checks),
            "ok       kernel  Linux 6\nmissing  port    taken\n         → choose another"
        );
    }

    #[test]
    fn the_worst_check_decides() {
        assert!(State::Missing > State::Weaker && State::Weaker > State::Ok);
        assert_eq!(
            serde_json::to_value(Check::ok("a", "b")).unwrap(),
            json!({ "name": "a", "state": "ok", "found": "b" })
        );
    }
}
