//! Keeping leases: renewed at a third of their length, all in one statement, by
//! a task that does nothing else. A run whose lease is gone is told at once; the
//! epoch fences it anyway.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::clock;
use crate::config::Config;
use crate::points;

/// The length of a lease in milliseconds.
pub(super) fn length(config: &Config) -> i64 {
    i64::try_from(config.node.lease_seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// How often leases are renewed, and runs show that they move.
pub(super) fn every(config: &Config) -> Duration {
    Duration::from_secs(config.node.lease_seconds) / 3
}

/// Renews the leases of all runs, until none is left of a node that drains.
pub async fn keep(app: App) {
    let mut due = tokio::time::interval(every(&app.config));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !(app.drain.is_cancelled() && app.running.is_empty()) {
        tokio::select! {
            _ = due.tick() => renew(&app).await,
            () = app.halt.cancelled() => return,
            () = drained(&app) => {}
        }
    }
}

/// Waits until the node drains and its last run is gone.
async fn drained(app: &App) {
    app.drain.cancelled().await;
    app.running.emptied().await;
}

async fn renew(app: &App) {
    let held = app.running.held();
    if held.is_empty() {
        return;
    }
    points::passed("lease.late");
    let until = clock::now().plus(length(&app.config));
    match app.store.renew(&app.node, &held, until).await {
        Ok(lost) => app.running.lost(lost.iter()),
        Err(error) => tracing::warn!(%error, "cannot renew leases"),
    }
}
