//! Turns, as the log tells them: each is the event that began it and the one
//! that ended it.

use std::sync::Arc;

use crate::{Error, Logged, Store};

/// A turn of a session.
#[derive(Debug, Clone)]
pub struct Turn {
    /// From 1.
    pub number: u32,
    /// `turn.started`.
    pub started: Arc<Logged>,
    /// `turn.completed`, once it has come to rest.
    pub completed: Option<Arc<Logged>>,
}

impl Store {
    /// The newest turns below number `before` (all if `None`), newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn turns(
        &self,
        org: &str,
        session: &str,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Turn>, Error> {
        let _ = (org, session, before, limit);
        crate::store::unbuilt()
    }

    /// One turn.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session or it no such turn.
    pub async fn turn(&self, org: &str, session: &str, number: u32) -> Result<Turn, Error> {
        let _ = (org, session, number);
        crate::store::unbuilt()
    }
}
