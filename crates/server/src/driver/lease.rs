//! Keeping leases: renewed at a third of their length, all in one statement.
//! A run whose lease is gone is told at once; the epoch fences it anyway.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::clock;
use crate::config::Config;

/// The length of a lease in milliseconds.
pub(super) fn length(config: &Config) -> i64 {
    i64::try_from(config.node.lease_seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// When to renew, and how.
pub(super) struct Renewal {
    every: Duration,
    next: Instant,
}

impl Renewal {
    pub(super) fn new(config: &Config) -> Self {
        let every = Duration::from_secs(config.node.lease_seconds) / 3;
        Self {
            every,
            next: Instant::now() + every,
        }
    }

    /// Waits until it is time.
    pub(super) async fn due(&self) {
        sleep_until(self.next).await;
    }

    /// Renews the leases of all runs.
    pub(super) async fn renew(&mut self, app: &App) {
        self.next = Instant::now() + self.every;
        let held: Vec<_> = app
            .running
            .map()
            .iter()
            .map(|(id, handle)| (id.clone(), handle.epoch))
            .collect();
        if held.is_empty() {
            return;
        }
        let until = clock::now().plus(length(&app.config));
        match app.store.renew(&app.node, &held, until).await {
            Ok(lost) => {
                let map = app.running.map();
                for handle in lost.iter().filter_map(|session| map.get(session)) {
                    handle.lost.cancel();
                }
            }
            Err(error) => tracing::warn!(%error, "cannot renew leases"),
        }
    }
}
