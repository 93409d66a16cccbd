//! Erasing a session: at once it is there for nobody, and then, step by step,
//! all that was kept of it goes, by whoever calls [`Store::bury`]. What is left is a tombstone, and the rows of
//! usage, which are the org's.
//!
//! What a fork still reads stays until the last such fork is erased too. Each
//! step may be taken again, so an erasure that was cut short at any moment is
//! finished by the next.

use std::collections::BTreeSet;

use futures::FutureExt;
use session::Millis;

use crate::db::{Tx, values};
use crate::{Error, Store, Wake, hearing, homes, pieces, reserve, texts};

/// Rows deleted at a time, so that nobody waits long for the writer.
const BATCH: u64 = 2000;
/// Erasures that are looked at at a time.
const MOST: u64 = 512;

const BURY: &str = "INSERT INTO tombstones (session, org, agent, root, head, created, erased) \
    SELECT s.id, s.org, s.agent, \
    COALESCE((SELECT l.source FROM lineage l WHERE l.session = s.id AND l.from_seq = 1), s.id), \
    s.head, s.created, $1 FROM sessions s WHERE s.org = $2 AND s.id = $3";
const SESSION: &str = "DELETE FROM sessions WHERE id = $1";
// Ancestors that were erased before may have waited for this fork alone.
const REOPEN: &str = "UPDATE tombstones SET done = NULL WHERE session IN \
    (SELECT source FROM lineage WHERE session = $1)";
const LINEAGE: &str = "DELETE FROM lineage WHERE session = $1";
const REST: [&str; 2] = [
    "DELETE FROM pinned WHERE session = $1",
    "DELETE FROM onces WHERE session = $1",
];
const OPEN: &str =
    "SELECT session, root, erased FROM tombstones WHERE done IS NULL ORDER BY session LIMIT $1";
const NEEDED: &str =
    "SELECT CAST(COALESCE(MAX(to_seq), 0) AS BIGINT) FROM lineage WHERE source = $1";
const FIRST: &str = "SELECT seq FROM events WHERE session = $1 AND seq > $2 ORDER BY seq LIMIT 1";
const KEYS: &str = "DELETE FROM message_keys WHERE session = $1 AND key IN \
    (SELECT m.key FROM message_keys m WHERE m.session = $1 LIMIT $2)";
const WAITING: &str = "SELECT COUNT(*) FROM tombstones WHERE done IS NULL";
const EVENTS: &str = "DELETE FROM events WHERE session = $1 AND seq > $2 AND seq <= $3";
// Who is told, and with what secret, goes at once; what they were told, in steps.
const DESTINATIONS: &str = "DELETE FROM destinations WHERE session = $1";
const DELIVERIES: &str = "DELETE FROM deliveries WHERE session = $1 AND (destination, seq) IN \
    (SELECT v.destination, v.seq FROM deliveries v WHERE v.session = $1 LIMIT $2)";
const FOLDS: &str = "DELETE FROM folds WHERE session = $1 AND seq > $2";
const DONE: &str = "UPDATE tombstones SET done = $1 WHERE session = $2";

/// An erasure that is not finished.
struct Grave {
    session: String,
    root: String,
    erased: Millis,
}

impl Store {
    /// Erases a session. When this returns nobody finds it any more, also
    /// by its tokens, and whoever drives it is fenced. That takes as long for any
    /// log; what was kept of it, except what its forks read, is taken away by
    /// [`Store::bury`], for which this rings.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session; as every write.
    pub async fn erase(&self, org: &str, session: &str, at: Millis) -> Result<(), Error> {
        let (name, mark) = (session.to_owned(), self.mark());
        let (owner, told) = (org.to_owned(), self.clone());
        let done = move |wake: &Wake| {
            told.hub().close(&wake.session);
            told.wake(wake.clone());
        };
        self.db()
            .write(move |tx| hide(tx, owner, name, at, mark).boxed(), done)
            .await?;
        self.erased().notify_one();
        self.passed("erase.hidden");
        Ok(())
    }

    /// Finishes every erasure that is not finished, those included that a crash
    /// cut short; how many it finished. Whatever each of them has to take away
    /// goes in bounded steps, between which others write.
    ///
    /// # Errors
    /// The first that was met; the others were finished all the same.
    pub async fn bury(&self) -> Result<u64, Error> {
        let (mut buried, mut out) = (0, Ok(()));
        loop {
            let graves = self.graves(MOST).await?;
            let all = graves.len() as u64;
            for grave in &graves {
                match self.dig(grave).await {
                    Ok(()) => buried += 1,
                    Err(error) => out = out.and(Err(error)),
                }
            }
            if all < MOST || out.is_err() {
                return out.map(|()| buried);
            }
        }
    }

    /// Erasures that are not finished.
    pub(crate) async fn unburied(&self) -> Result<u64, Error> {
        let row = self.db().row(WAITING, []).await?;
        row.map_or(Ok(0), |mut row| row.count())
    }

    /// Erasures that are not finished.
    async fn graves(&self, most: u64) -> Result<Vec<Grave>, Error> {
        let mut graves = Vec::new();
        for mut row in self.db().rows(OPEN, values![most]).await? {
            graves.push(Grave {
                session: row.text()?,
                root: row.text()?,
                erased: row.millis()?,
            });
        }
        Ok(graves)
    }

    /// Takes away all that was kept of an erased session and nobody reads.
    async fn dig(&self, grave: &Grave) -> Result<(), Error> {
        let Grave { session, root, .. } = grave;
        let needed = self.db().row(NEEDED, values![session]).await?;
        let needed = needed.map_or(Ok(0), |mut row| row.count())?;
        // From where the one before came to, if it was cut short.
        while let Some(mut row) = self.db().row(FIRST, values![session, needed]).await? {
            let from = row.count()?.saturating_sub(1);
            let to = from.saturating_add(BATCH);
            self.db().exec(EVENTS, values![session, from, to]).await?;
            self.passed("erase.events");
        }
        while self.db().exec(KEYS, values![session, BATCH]).await? == BATCH {
            self.passed("erase.keys");
        }
        while self.db().exec(DELIVERIES, values![session, BATCH]).await? == BATCH {
            self.passed("erase.deliveries");
        }
        let (name, at) = (session.clone(), grave.erased);
        self.db()
            .change(move |tx| rows(tx, name, needed, at).boxed())
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
    reserve::orphan(tx, &session, at).await?;
    for sql in [SESSION, DESTINATIONS, homes::ERASE, REOPEN, LINEAGE] {
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

async fn rows(tx: &mut Tx<'_>, session: String, needed: u64, at: Millis) -> Result<(), Error> {
    texts::maybe_unused(tx, &session, at).await?;
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
        DESTINATIONS,
        DELIVERIES,
        REOPEN,
        LINEAGE,
        OPEN,
        NEEDED,
        FIRST,
        KEYS,
        WAITING,
        EVENTS,
        FOLDS,
        DONE,
    ];
    own.into_iter().chain(REST).map(str::to_owned).collect()
}
