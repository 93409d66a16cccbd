//! The reaper: finds runs that do not move, and sessions this node holds without
//! running them, and gives them back, so that a new run takes them up from their
//! facts. It is a task of its own: whoever may be stuck cannot be the one who
//! looks after it.

use std::collections::HashSet;
use std::time::Duration;

use session::fact::Lapse;
use tokio::time::MissedTickBehavior;

use super::lease;
use crate::app::App;
use crate::clock;

/// How often runs are looked after.
const LOOK: Duration = Duration::from_secs(1);

/// Looks after the runs until the node drains.
pub async fn reap(app: App) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut idle = HashSet::new();
    while !app.drain.is_cancelled() {
        tokio::select! {
            _ = look.tick() => {}
            () = app.drain.cancelled() => return,
        }
        replace_silent(&app).await;
        idle = give_back(&app, idle).await;
    }
}

/// Replaces runs that have not moved for the length of a lease.
async fn replace_silent(app: &App) {
    let since = clock::now().plus(-lease::length(&app.config));
    for (session, epoch) in app.running.take_silent(since) {
        tracing::error!(session, epoch, "a run does not move and is replaced");
        app.metrics.running(app.running.len());
        app.running.lapsed(&session, Lapse::Stuck);
        release(app, &session, epoch).await;
    }
}

/// Gives back what this node holds by the rows and does not run: what a run
/// could not give back because the database was away. One that was seen only
/// once may be on its way to its run.
async fn give_back(app: &App, before: HashSet<(String, u64)>) -> HashSet<(String, u64)> {
    let held = match app.store.held(&app.node).await {
        Ok(held) => held,
        Err(error) => {
            tracing::warn!(%error, "cannot look after leases");
            return before;
        }
    };
    let mut idle = HashSet::new();
    for one in held {
        if app.running.holds(&one.0) {
            continue;
        }
        if before.contains(&one) {
            tracing::info!(session = one.0, "a lease without a run is given back");
            release(app, &one.0, one.1).await;
        } else {
            idle.insert(one);
        }
    }
    idle
}

/// Gives a lease back early. If that fails the next round tries again.
pub(super) async fn release(app: &App, session: &str, epoch: u64) {
    if let Err(error) = app.store.release(session, epoch).await {
        tracing::warn!(%error, session, "cannot give a lease back");
    }
}
