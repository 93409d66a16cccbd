//! The one way facts come into the log.

use std::sync::Arc;

use session::{Draft, Millis};

use crate::{Error, Logged, Projection, Store};

/// Facts to append, and what follows from them.
#[derive(Debug)]
pub struct Append<'a> {
    /// The session.
    pub session: &'a str,
    /// The number the log must still end with.
    pub head: u64,
    /// The lease's epoch, for the driver; `None` for a command from outside.
    pub epoch: Option<u64>,
    /// When.
    pub at: Millis,
    /// The facts, in order; at least one.
    pub drafts: Vec<Draft>,
    /// What follows from them.
    pub project: Projection,
    /// What becomes of the lease.
    pub lease: LeaseChange,
    /// Marks the first fact as said under a key, so that it is said once.
    pub dedupe: Option<Dedupe>,
}

/// What an append does with the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseChange {
    /// Nothing.
    Keep,
    /// Gives it back.
    Release,
}

/// The key of a message within its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe {
    /// As the sender gave it.
    pub key: String,
}

impl Store {
    /// Appends facts in one durable transaction. Large bodies go to the blob
    /// store first; the returned events are as stored.
    ///
    /// # Errors
    /// [`Error::Replayed`] if the dedupe key was used before, [`Error::Stale`]
    /// if the log ends elsewhere, [`Error::Fenced`] if the epoch is another,
    /// [`Error::NotFound`]; [`Error::Full`], [`Error::Unavailable`] and
    /// [`Error::Fatal`] as every write.
    pub async fn append(&self, append: Append<'_>) -> Result<Vec<Arc<Logged>>, Error> {
        drop(append);
        crate::store::unbuilt()
    }

    /// The number of the fact that a message of that key became.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn message_by_key(
        &self,
        org: &str,
        session: &str,
        key: &str,
    ) -> Result<Option<u64>, Error> {
        let _ = (org, session, key);
        crate::store::unbuilt()
    }
}
