//! Leases: one node's right to drive a session, fenced by an epoch.

use session::Millis;

use crate::{Error, SessionRow, Store};

impl Store {
    /// Takes leases on sessions that are due and free, longest due first.
    ///
    /// # Errors
    /// As every write.
    pub async fn claim(
        &self,
        node: &str,
        now: Millis,
        until: Millis,
        limit: usize,
    ) -> Result<Vec<SessionRow>, Error> {
        let _ = (node, now, until, limit);
        crate::store::unbuilt()
    }

    /// Takes the lease on one session, if it is due and free.
    ///
    /// # Errors
    /// As every write.
    pub async fn claim_one(
        &self,
        session: &str,
        node: &str,
        now: Millis,
        until: Millis,
    ) -> Result<Option<SessionRow>, Error> {
        let _ = (session, node, now, until);
        crate::store::unbuilt()
    }

    /// Makes leases last until then; returns the sessions whose lease is gone.
    ///
    /// # Errors
    /// As every write.
    pub async fn renew(
        &self,
        node: &str,
        held: &[(String, u64)],
        until: Millis,
    ) -> Result<Vec<String>, Error> {
        let _ = (node, held, until);
        crate::store::unbuilt()
    }

    /// Gives a lease back; nothing happens if it is gone already.
    ///
    /// # Errors
    /// As every write.
    pub async fn release(&self, session: &str, epoch: u64) -> Result<(), Error> {
        let _ = (session, epoch);
        crate::store::unbuilt()
    }
}
