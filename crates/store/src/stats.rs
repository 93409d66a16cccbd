//! Counts for people and metrics.

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
}

impl Store {
    /// The counts now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn stats(&self) -> Result<Stats, Error> {
        crate::store::unbuilt()
    }
}
