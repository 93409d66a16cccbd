//! The sweep: now and then what nobody needs any more is taken away. Erasures
//! that were interrupted are finished, old checkpoints and blobs that nothing
//! names go. Every node sweeps; doing it twice is doing it once.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::clock;

/// How often.
const EVERY: Duration = Duration::from_secs(60);

/// Sweeps until the node drains.
pub async fn keep(app: App) {
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !app.drain.is_cancelled() {
        tokio::select! {
            _ = due.tick() => {}
            () = app.drain.cancelled() => return,
        }
        let kept = app.config.sandboxes.checkpoints_kept;
        tokio::select! {
            swept = app.store.sweep(clock::now(), kept) => match swept {
                Ok(swept) if swept == store::Swept::default() => {}
                Ok(swept) => tracing::info!(?swept, "swept"),
                Err(error) => tracing::warn!(%error, "the sweep was not finished"),
            },
            () = app.drain.cancelled() => return,
        }
    }
}
