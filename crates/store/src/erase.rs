//! Erasing a session: at once it is there for nobody, and then, step by step,
//! all that was kept of it goes. What is left is a tombstone, and the rows of
//! usage, which are the org's.
//!
//! What a fork still reads stays until the last such fork is erased too. Each
//! step may be taken again, so an erasure that was cut short at any moment is
//! finished by the next sweep.

use std::collections::BTreeSet;

use futures::FutureExt;
use session::Millis;

use crate::db::{Tx, values};
use crate::{Error, Store, Wake, hearing, pieces, reserve};

/// Events deleted at a time, so that nobody waits long for the writer.
const BATCH: u64 = 2000;

const BURY: &str = "INSERT INTO tombstones (session, org, agent, root, head, created, erased) \
    SELECT s.id, s.org, s.agent, \
    COALESCE((SELECT l.source FROM lineage l WHERE l.session = s.id AND l.from_seq = 1), s.id), \
    s.head, s.created, $1 FROM sessions s WHERE s.org = $2 AND s.id = $3";
const SESSION: &str = "DELETE FROM sessions WHERE id = $1";
const TOKENS: &str = "DELETE FROM client_tokens WHERE session = $1";
// Ancestors that were erased before may have waited for this fork alone.
const REOPEN: &str = "UPDATE tombstones SET done = NULL WHERE session IN \
    (SELECT source FROM lineage WHERE session = $1)";
const LINEAGE: &str = "DELETE FROM lineage WHERE session = $1";
const REST: [&str; 3] = [
    "DELETE FROM pinned WHERE session = $1",
    "DELETE FROM onces WHERE session = $1",
    "DELETE FROM message_keys WHERE session = $1",
];
const OPEN: &str = "SELECT session, root, head, erased FROM tombstones WHERE done IS NULL ORDER BY session LIMIT $1";
const NEEDED: &str =
    "SELECT CAST(COALESCE(MAX(to_seq), 0) AS BIGINT) FROM lineage WHERE source = $1";
const EVENTS: &str = "DELETE FROM events WHERE session = $1 AND seq > $2 AND seq <= $3";
// Who is told, and with what secret, goes at once; what they were told, in steps.
const DESTINATIONS: &str = "DELETE FROM destinations WHERE session = $1";
const DELIVERIES: &str = "DELETE FROM deliveries WHERE session = $1 AND (destination, seq) IN \
    (SELECT v.destination, v.seq FROM deliveries v WHERE v.session = $1 LIMIT $2)";
const FOLDS: &str = "DELETE FROM folds WHERE session = $1 AND seq > $2";
const DONE: &str = "UPDATE tombstones SET done = $1 WHERE session = $2";

/// An erasure that is not finished.
pub(crate) struct Grave {
    session: String,
    root: String,
    head: u64,
    erased: Millis,
}

impl Store {
    /// Erases a session. When this returns nobody finds it any more, its tokens
    /// open nothing, and whoever drives it is fenced; what was kept of it goes
    /// now or with the next sweep, except what its forks read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session; as every write. Once
    /// it is gone for readers, what goes wrong is left to the sweep.
    pub async fn erase(&self, org: &str, session: &str, at: Millis) -> Result<(), Error> {
        let (name, mark) = (session.to_owned(), self.mark());
        let (owner, told) = (org.to_owned(), self.clone());
        let done = move |wake: &Wake| told.hub().close(&wake.session);
        self.db()
            .write(move |tx| hide(tx, owner, name, at, mark).boxed(), done)
            .await?;
        self.passed("erase.hidden");
        if let Err(error) = self.dig_family(session).await {
            tracing::warn!(%error, session, "an erasure is left to the sweep");
        }
        Ok(())
    }

    /// Takes away what was kept of a session, and what of its ancestors waited
    /// for that alone.
    async fn dig_family(&self, session: &str) -> Result<(), Error> {
        let graves = self.graves(u64::MAX).await?;
        let root = graves.iter().find(|grave| grave.session == session);
        let root = root.map(|grave| grave.root.clone());
        for grave in graves {
            if Some(&grave.root) == root.as_ref() {
                self.dig(&grave).await?;
            }
        }
        Ok(())
    }

    /// Erasures that are not finished.
    pub(crate) async fn graves(&self, most: u64) -> Result<Vec<Grave>, Error> {
        let mut graves = Vec::new();
        for mut row in self.db().rows(OPEN, values![most]).await? {
            graves.push(Grave {
                session: row.text()?,
                root: row.text()?,
                head: row.count()?,
                erased: row.millis()?,
            });
        }
        Ok(graves)
    }

    /// Takes away all that was kept of an erased session and nobody reads.
    pub(crate) async fn dig(&self, grave: &Grave) -> Result<(), Error> {
        let Grave { session, root, .. } = grave;
        let needed = self.db().row(NEEDED, values![session]).await?;
        let needed = needed.map_or(Ok(0), |mut row| row.count())?;
        let mut at = needed;
        while at < grave.head {
            let to = at.saturating_add(BATCH).min(grave.head);
            self.db().exec(EVENTS, values![session, at, to]).await?;
            self.passed("erase.events");
            at = to;
        }
        while self.db().exec(DELIVERIES, values![session, BATCH]).await? == BATCH {
            self.passed("erase.deliveries");
        }
        let name = session.clone();
        self.db()
            .change(move |tx| rows(tx, name, needed).boxed())
            .await?;
        self.passed("erase.rows");
        let dropped = self.drop_checkpoints(session, 0).await?;
        self.passed("erase.checkpoints");
        self.delete_unnamed(&dropped.pieces, root).await?;
        let named = self.named_by_events(session).await?;
        for (key, _) in self.blobs().list(session).await? {
            if !named.contains(&key) {
                self.blobs().delete(&key).await?;
                self.passed("erase.blobs");
            }
        }
        if !self.has_family(root).await? {
            // Pieces that no checkpoint came to name.
            for (key, _) in self.blobs().list(&pieces::folder(root)).await? {
                self.blobs().delete(&key).await?;
                self.passed("erase.pieces");
            }
        }
        self.db()
            .exec(DONE, values![grave.erased, session])
            .await
            .map(drop)
    }

    /// Deletes those pieces of a family that no checkpoint names any more.
    pub(crate) async fn delete_unnamed(
        &self,
        dropped: &BTreeSet<String>,
        root: &str,
    ) -> Result<u64, Error> {
        if dropped.is_empty() {
            return Ok(0);
        }
        let named = self.named_by_checkpoints(root).await?;
        let unnamed: Vec<_> = dropped.difference(&named).collect();
        for key in &unnamed {
            if pieces::root_of(key).is_some() {
                self.blobs().delete(key).await?;
                self.passed("erase.pieces");
            }
        }
        Ok(unnamed.len() as u64)
    }
}

/// The step that makes it invisible, in one transaction.
async fn hide(
    tx: &mut Tx<'_>,
    org: String,
    session: String,
    at: Millis,
    mark: u64,
) -> Result<Wake, Error> {
    if tx.exec(BURY, &values![at, org, &session]).await? == 0 {
        return Err(Error::NotFound);
    }
    reserve::use_up(tx, &session).await?;
    for sql in [SESSION, TOKENS, DESTINATIONS, REOPEN, LINEAGE] {
        tx.exec(sql, &values![&session]).await?;
    }
    let wake = Wake {
        session,
        head: 0,
        due: false,
    };
    hearing::say(tx, mark, &wake).await?;
    Ok(wake)
}

async fn rows(tx: &mut Tx<'_>, session: String, needed: u64) -> Result<(), Error> {
    for sql in REST {
        tx.exec(sql, &values![&session]).await?;
    }
    tx.exec(FOLDS, &values![session, needed]).await.map(drop)
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let own = [
        BURY,
        SESSION,
        TOKENS,
        DESTINATIONS,
        DELIVERIES,
        REOPEN,
        LINEAGE,
        OPEN,
        NEEDED,
        EVENTS,
        FOLDS,
        DONE,
    ];
    own.into_iter().chain(REST).map(str::to_owned).collect()
}
