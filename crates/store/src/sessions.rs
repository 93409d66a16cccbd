//! Sessions as rows: made once, then changed by appends only.

use std::sync::Arc;

use session::{Draft, Frozen, Millis, State};

use crate::{Error, Listed, Logged, NewToken, Page, Projection, Store};

/// A session to be made, with its first facts.
#[derive(Debug)]
pub struct NewSession {
    /// A fresh id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// The caller's routing key.
    pub key: Option<String>,
    /// What makes a repeated request find the first session instead.
    pub once: Option<Once>,
    /// What is frozen with it.
    pub frozen: Frozen,
    /// The caller's own JSON object, kept as its text.
    pub metadata: Option<String>,
    /// When.
    pub at: Millis,
    /// The first facts; at least one.
    pub drafts: Vec<Draft>,
    /// What follows from them.
    pub project: Projection,
    /// The node that drives it from birth, with epoch 1, if one does.
    pub birth: Option<Birth>,
    /// A client token to be made with it (or for the session found instead).
    pub token: Option<NewToken>,
}

/// A lease held from birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Birth {
    /// The node.
    pub node: String,
    /// Until when.
    pub until: Millis,
}

/// Marks a request as to be done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Keeps kinds of keys apart, such as `session.key`.
    pub scope: &'static str,
    /// The caller's key.
    pub key: String,
    /// Digest of the request: the same key with another request is a conflict.
    pub request: String,
}

/// What became of a request to make a session.
#[derive(Debug)]
pub enum Created {
    /// It was made.
    New {
        /// Its row.
        row: Box<SessionRow>,
        /// Its first events.
        events: Vec<Arc<Logged>>,
    },
    /// The same request made this one before.
    Replay(Box<SessionRow>),
    /// The key was used by another request, which made this one.
    Conflict(Box<SessionRow>),
}

/// A session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// The caller's routing key.
    pub key: Option<String>,
    /// When it was made.
    pub created: Millis,
    /// The name of its phase.
    pub status: String,
    /// Newest number of its log.
    pub head: u64,
    /// Newest input the runtime has taken.
    pub input_cursor: u64,
    /// The epoch of its newest lease; 0 before the first.
    pub epoch: u64,
    /// What was frozen. In lists the prompt is left empty.
    pub frozen: Frozen,
    /// The caller's own JSON object as text.
    pub metadata: Option<String>,
    /// What follows from its facts.
    pub state: State,
}

/// Which sessions to list; `None` takes any.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// In this phase, by name.
    pub status: Option<String>,
    /// Of this agent, by id.
    pub agent: Option<String>,
    /// Of this routing key.
    pub key: Option<String>,
    /// Made after this moment.
    pub after: Option<Millis>,
    /// Made before this moment.
    pub before: Option<Millis>,
}

impl Store {
    /// Makes a session with its first facts, in one durable transaction.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_session(&self, new: NewSession) -> Result<Created, Error> {
        drop(new);
        crate::store::unbuilt()
    }

    /// One session.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn session(&self, org: &str, id: &str) -> Result<SessionRow, Error> {
        let _ = (org, id);
        crate::store::unbuilt()
    }

    /// Sessions of an org, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn sessions(
        &self,
        org: &str,
        filter: SessionFilter,
        page: Page,
    ) -> Result<Listed<SessionRow>, Error> {
        let _ = (org, filter, page);
        crate::store::unbuilt()
    }
}
