//! `oc drill`: breaks servers of its own on this machine, at the moments that
//! hurt most, and tells whether the promises were kept.

use clap::Args;
use secrecy::ExposeSecret;

use super::context::Context;
use super::error::CliError;
use super::options::Given;
use super::table;
use crate::config::Config;
use crate::drill::{self, DrillError, Ground, Report, Row, Wish};

#[derive(Debug, Args)]
pub(super) struct Drill {
    #[command(flatten)]
    given: Given,
    /// Number that everything random follows from; drawn and printed if not given
    #[arg(long)]
    seed: Option<u64>,
    /// Runs in all; the points take turns
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Drill this point alone; may be given several times
    #[arg(long = "point", value_name = "NAME")]
    points: Vec<String>,
    /// Leave the scratch folder, with its database and logs
    #[arg(long)]
    keep: bool,
}

pub(super) async fn run(context: &Context, wanted: Drill) -> Result<(), CliError> {
    let config = wanted.given.hold()?;
    let ground = ground(&config, wanted.keep)?;
    let wish = Wish {
        seed: wanted.seed.unwrap_or_else(|| rand::random::<u32>().into()),
        runs: wanted.runs,
        points: wanted.points,
    };
    let out = context.out;
    out.note(&format!(
        "Seed {}: `oc drill --seed {}` plays this drill again.",
        wish.seed, wish.seed
    ));
    let report = drill::drill(&ground, &wish, &|line| out.note(line)).await?;
    if out.json {
        let report = serde_json::to_value(&report)
            .map_err(|error| CliError::Local(format!("the report cannot be shown: {error}")))?;
        out.value(&report)?;
    } else {
        out.line(&words(context, &report))?;
    }
    if report.passed {
        Ok(())
    } else if out.json {
        Err(CliError::Silent)
    } else {
        Err(CliError::Local("the drill failed".to_owned()))
    }
}

impl From<DrillError> for CliError {
    fn from(error: DrillError) -> Self {
        match error {
            DrillError::Wish(why) => Self::Usage(why),
            other => Self::Local(other.to_string()),
        }
    }
}

pub(super) fn ground(config: &Config, keep: bool) -> Result<Ground, CliError> {
    let option = |name: &str, value: u64| (name.to_owned(), value.to_string());
    Ok(Ground {
        program: std::env::current_exe()?,
        data: config.node.data.clone(),
        sandbox_driver: config.sandboxes.sandbox_driver.clone(),
        options: vec![
            option("OC_SANDBOX_MEMORY_MB", config.sandboxes.sandbox_memory_mb),
            option("OC_SANDBOX_DISK_MB", config.sandboxes.sandbox_disk_mb),
        ],
        database_url: config
            .node
            .database_url
            .as_ref()
            .map(|url| url.expose_secret().to_owned()),
        keep,
    })
}

fn words(context: &Context, report: &Report) -> String {
    let heading = [
        "POINT",
        "RUNS",
        "LOST",
        "GAPS",
        "REPEATS",
        "TWICE",
        "UNKNOWN",
        "OVERSHOOT",
        "UNTOLD",
        "STUCK",
        "RECOVER p50",
        "MAX",
    ];
    let rows = report.points.iter().map(row).collect();
    let mut lines = vec![table::columns(context.out.paint, &heading, rows, "")];
    for skipped in &report.skipped {
        lines.push(format!("not drilled: {}: {}", skipped.point, skipped.why));
    }
    for finding in &report.findings {
        lines.push(format!(
            "run {} ({} at {}), {}: {}",
            finding.run, finding.point, finding.at, finding.session, finding.what
        ));
    }
    lines.push(verdict(context, report));
    lines.join("\n")
}

fn verdict(context: &Context, report: &Report) -> String {
    let paint = context.out.paint;
    let runs: u32 = report.points.iter().map(|row| row.runs).sum();
    if report.passed {
        return paint.green(&format!(
            "Kept: {runs} runs, nothing lost, nothing run twice unmarked, no budget overshot."
        ));
    }
    let never = report.points.iter().filter(|row| row.reached == 0);
    let never: Vec<_> = never.map(|row| row.point).collect();
    let mut verdict = format!("Broken: seed {}.", report.seed);
    if !never.is_empty() {
        verdict.push_str(&format!(" Never reached: {}.", never.join(", ")));
    }
    paint.red(&verdict)
}

fn row(row: &Row) -> Vec<String> {
    let counts = &row.counts;
    let runs = if row.reached == row.runs {
        row.runs.to_string()
    } else {
        format!("{} ({} reached)", row.runs, row.reached)
    };
    let numbers = [
        counts.lost,
        counts.gaps,
        counts.repeats,
        counts.twice,
        counts.indeterminate,
        counts.overshoot,
        counts.untold,
        counts.stuck,
    ];
    let time = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let mut cells = vec![row.point.to_owned(), runs];
    cells.extend(numbers.iter().map(u64::to_string));
    cells.push(time(row.recover_p50_ms));
    cells.push(time(row.recover_max_ms));
    cells
}
