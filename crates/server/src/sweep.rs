//! The sweep: now and then what nobody needs any more is taken away:
//! old checkpoints, blobs that nothing names, and all that there was of sessions
//! that were erased. Every node sweeps; doing it twice is doing it once.

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

/// Takes away what there was of erased sessions, as soon as one is erased here and
/// now and then for those that another node or a crash left, until the node drains.
pub async fn bury(app: App) {
    while !app.drain.is_cancelled() {
        let buried = tokio::select! {
            buried = app.store.bury() => buried,
            // Where it was cut it goes on later.
            () = app.drain.cancelled() => return,
        };
        match buried {
            Ok(0) => {}
            Ok(sessions) => tracing::info!(sessions, "erased for good"),
            Err(error) => tracing::warn!(%error, "an erasure was not finished"),
        }
        tokio::select! {
            () = app.store.erased().notified() => {}
            () = tokio::time::sleep(EVERY) => {}
            () = app.drain.cancelled() => return,
        }
    }
}
