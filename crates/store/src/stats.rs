//! Counts for people and metrics.

use std::sync::atomic::Ordering::Relaxed;

use crate::{Error, Store};

/// What the store counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions by status name.
    pub sessions: Vec<(String, u64)>,
    /// Sessions that somebody should drive.
    pub due: u64,
    /// Writes that wait for the writer (SQLite) or a connection (PostgreSQL).
    pub queued: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Writes in those commits; divided by the commits it is the group size.
    pub writes: u64,
    /// Events appended since the start by this node.
    pub events: u64,
    /// Sessions that somebody on this node follows.
    pub followed: u64,
    /// Erased sessions of which something is still to be taken away.
    pub unburied: u64,
}

const BY_STATUS: &str = "SELECT status, COUNT(*) FROM sessions GROUP BY status ORDER BY status";
const DUE: &str = "SELECT COUNT(*) FROM sessions WHERE status IN ('queued', 'running')";

impl Store {
    /// The counts now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn stats(&self) -> Result<Stats, Error> {
        let mut sessions = Vec::new();
        for mut row in self.db().rows(BY_STATUS, []).await? {
            sessions.push((row.text()?, row.count()?));
        }
        let due = self.db().rows(DUE, []).await?.pop();
        let counters = self.counters();
        Ok(Stats {
            sessions,
            due: due.map_or(Ok(0), |mut row| row.count())?,
            queued: self.db().queued(),
            commits: counters.commits.load(Relaxed),
            writes: counters.writes.load(Relaxed),
            events: counters.events.load(Relaxed),
            followed: self.hub().len() as u64,
            unburied: self.unburied().await?,
        })
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [BY_STATUS, DUE].map(str::to_owned).into()
}
