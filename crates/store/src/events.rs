//! Reading the log.

use std::sync::Arc;

use bytes::Bytes;
use session::Level;

use crate::{Error, Logged, Store};

/// Which events of a session.
#[derive(Debug, Clone)]
pub struct EventQuery {
    /// Only numbers beyond this one.
    pub after: u64,
    /// As seen by a reader of this level.
    pub level: Level,
    /// Of these types.
    pub kind: Option<KindFilter>,
    /// Of this turn (its id).
    pub turn: Option<String>,
    /// Most events.
    pub limit: usize,
}

impl Default for EventQuery {
    fn default() -> Self {
        Self {
            after: 0,
            level: Level::Internal,
            kind: None,
            turn: None,
            limit: 1000,
        }
    }
}

/// Types of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KindFilter {
    /// This one.
    Exact(String),
    /// Those that begin so (`tool.` for `tool.*`).
    Prefix(String),
    /// Those that end so (`.message` for `*.message`).
    Suffix(String),
}

impl KindFilter {
    /// Reads `name`, `prefix.*` or `*.suffix`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(prefix), _) => Self::Prefix(prefix.to_owned()),
            (None, Some(suffix)) => Self::Suffix(suffix.to_owned()),
            (None, None) => Self::Exact(text.to_owned()),
        }
    }

    /// Whether events of that type are asked for.
    #[must_use]
    pub fn takes(&self, kind: &str) -> bool {
        match self {
            Self::Exact(exact) => kind == exact,
            Self::Prefix(prefix) => kind.starts_with(prefix),
            Self::Suffix(suffix) => kind.ends_with(suffix),
        }
    }
}

impl Store {
    /// Events of a session in order, without what only the brain may read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn events(
        &self,
        org: &str,
        session: &str,
        query: EventQuery,
    ) -> Result<Vec<Arc<Logged>>, Error> {
        let _ = (org, session, query);
        crate::store::unbuilt()
    }

    /// One event, without what only the brain may read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session or it no such event.
    pub async fn event(&self, org: &str, session: &str, seq: u64) -> Result<Arc<Logged>, Error> {
        let _ = (org, session, seq);
        crate::store::unbuilt()
    }

    /// The whole of what an event shows in part; `None` if it shows all.
    ///
    /// # Errors
    /// [`Error::NotFound`] as [`Store::event`].
    pub async fn content(
        &self,
        org: &str,
        session: &str,
        seq: u64,
    ) -> Result<Option<Bytes>, Error> {
        let _ = (org, session, seq);
        crate::store::unbuilt()
    }

    /// For the driver: the next facts beyond a number, with all a fold needs;
    /// empty at the end.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn fold_source(&self, session: &str, after: u64) -> Result<Vec<Arc<Logged>>, Error> {
        let _ = (session, after);
        crate::store::unbuilt()
    }
}
