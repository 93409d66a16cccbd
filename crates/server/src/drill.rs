//! The drill: proves the promises on the user's own machine by breaking things.
//!
//! It starts servers of its own in a scratch folder, lets agents of the
//! rehearsal model work in them, crashes them at the moments that hurt most, and
//! compares what was acknowledged with what is there afterwards. A drill never
//! touches a server, an org or a file of the user's. Everything random comes
//! from one seed, so that what failed can be played again.
//!
//! Its second half are canaries ([`canary()`]): values that must not be found anywhere.
//!
//! It knows the servers only from outside: their HTTP face, their processes,
//! and the files the sandboxes leave.

mod blow;
mod canary;
mod cast;
mod child;
mod database;
mod error;
mod family;
mod fault;
mod image;
mod judge;
mod line;
mod plan;
mod player;
mod provider;
mod proxy;
mod reader;
mod receiver;
mod report;
mod sandboxes;
mod scratch;
mod seed;
mod spend;
mod stage;
mod trial;

pub use canary::{Arrival, Canaries, Place, canary};
pub use error::DrillError;
pub use fault::Fault;
pub use plan::Wish;
pub use report::{Finding, Report, Row};
pub use scratch::Ground;

use plan::{Here, Plan};
use stage::{Disk, Stage};

/// Runs the drill and tells of each run as it ends.
///
/// # Errors
/// If the drill itself cannot work here: no folder, no child server. What the
/// servers do wrong is in the report.
pub async fn drill(
    ground: &Ground,
    wish: &Wish,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Report, DrillError> {
    let mut stage = Stage::set(ground, Disk::Users).await?;
    let here = Here {
        disk: image::possible(stage.dir()),
        postgres: stage.database().is_some(),
    };
    let plan = Plan::make(wish, &here)?;
    let mut report = Report::new(wish.seed, plan.skipped.clone());
    for trial in &plan.trials {
        let disk = trial.fault.disk();
        let outcome = if trial.fault == Fault::BudgetShared {
            // What was spent of an org is spent: each run has one of its own.
            let mut own = Stage::set(ground, disk).await?;
            let outcome = spend::run(&mut own, trial).await;
            own.clear().await;
            outcome?
        } else if trial.fault == Fault::FamilyBroken {
            family::run(&mut stage, trial).await?
        } else if disk == Disk::Users {
            trial::run(&mut stage, trial).await?
        } else {
            let mut own = Stage::set(ground, disk).await?;
            let outcome = trial::run(&mut own, trial).await;
            own.clear().await;
            outcome?
        };
        tell(&outcome.line(plan.trials.len()));
        report.add(outcome);
    }
    stage.clear().await;
    report.close();
    Ok(report)
}
