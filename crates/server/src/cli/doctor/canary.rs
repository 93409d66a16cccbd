//! `oc doctor --canary`: gives random secrets to a server of its own, lets agents
//! use them, and searches every place for them.

use crate::cli::context::Context;
use crate::cli::drill::ground;
use crate::cli::error::CliError;
use crate::cli::table;
use crate::config::Config;
use crate::drill::{self, Canaries, Place};

pub(super) async fn run(context: &Context, config: &Config) -> Result<(), CliError> {
    let out = context.out;
    let ground = ground(config, false)?;
    let report = drill::canary(&ground, config.node.runtimes(), &|line| out.note(line)).await?;
    if out.json {
        let report = serde_json::to_value(&report)
            .map_err(|error| CliError::Local(format!("the report cannot be shown: {error}")))?;
        out.value(&report)?;
    } else {
        out.line(&words(context, &report))?;
    }
    match report.passed {
        true => Ok(()),
        false if out.json => Err(CliError::Silent),
        false => Err(CliError::Local(why(&report).to_owned())),
    }
}

fn why(report: &Canaries) -> &'static str {
    match report.places.iter().any(|place| place.hits > 0) {
        true => "a secret was found where it must not be",
        false => "a secret did not arrive, or a place could not be read: nothing is proved",
    }
}

fn words(context: &Context, report: &Canaries) -> String {
    let paint = context.out.paint;
    let rows = report.places.iter().map(row).collect();
    let heading = ["PLACE", "SEARCHED", "FOUND", "UNREAD"];
    let mut lines = vec![table::columns(paint, &heading, rows, "")];
    for place in &report.places {
        for at in &place.at {
            lines.push(paint.red(&format!("found in {}: {at}", place.place)));
        }
    }
    for one in &report.arrived {
        let how = match one.arrived {
            true => "arrived where it is meant to",
            false => "did NOT arrive where it is meant to",
        };
        lines.push(format!("{}: {how}", one.canary));
    }
    for runtime in &report.absent {
        lines.push(format!("not tried: runtime {runtime} is not installed"));
    }
    if report.passed {
        lines.push(paint.green("No secret was found in any place."));
    }
    lines.join("\n")
}

fn row(place: &Place) -> Vec<String> {
    vec![
        place.place.to_owned(),
        size(place.bytes),
        place.hits.to_string(),
        place.unread.to_string(),
    ]
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}
