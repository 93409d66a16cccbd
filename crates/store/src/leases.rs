//! Leases: one node's right to drive a session, fenced by an epoch.
//!
//! A session names the node that drives it; the node's own row says until when
//! it lives. So keeping all leases of a node is one small write, and a node that
//! dies loses all of them at the same moment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use session::Millis;

use crate::db::{Tx, values};
use crate::{Error, SessionRow, Store, Wake, hearing, sessions};

/// How much shorter than asked a lease from birth may be, in milliseconds: so a
/// node that makes a thousand sessions a second writes its own row only once.
const SHORTER: i64 = 500;
/// Rows of nodes are kept this long after their death, in milliseconds.
const REMEMBERED: i64 = 24 * 3600 * 1000;

const FREE: &str = "SELECT s.id FROM sessions s WHERE s.due <= $1 AND NOT EXISTS \
    (SELECT 1 FROM nodes n WHERE n.id = s.node AND n.until > $1) ORDER BY s.due, s.id LIMIT $2";
const FREE_AND_MINE: &str = "SELECT s.id FROM sessions s WHERE s.due <= $1 AND NOT EXISTS \
    (SELECT 1 FROM nodes n WHERE n.id = s.node AND n.until > $1) ORDER BY s.due, s.id LIMIT $2 FOR UPDATE SKIP LOCKED";
const IS_FREE: &str = "SELECT s.id FROM sessions s WHERE s.id = $1 AND s.due <= $2 AND NOT EXISTS \
    (SELECT 1 FROM nodes n WHERE n.id = s.node AND n.until > $2) FOR UPDATE SKIP LOCKED";
// Looks again with the row locked: another node, and its own row with it, may
// have come between.
const TAKE: &str = "UPDATE sessions SET epoch = epoch + 1, node = $1 WHERE id = $2 AND NOT EXISTS \
    (SELECT 1 FROM nodes n WHERE n.id = sessions.node AND n.until > $3)";
const LAST: &str = "INSERT INTO nodes (id, until) VALUES ($1, $2) \
    ON CONFLICT (id) DO UPDATE SET until = excluded.until WHERE nodes.until < excluded.until";
const FORGET: &str = "DELETE FROM nodes WHERE until < $1";
const HELD: &str = "SELECT id, epoch FROM sessions WHERE node = $1";
const RELEASE: &str = "UPDATE sessions SET node = NULL WHERE id = $1 AND epoch = $2 AND node IS NOT NULL \
    RETURNING head, due";

/// Until when the rows of nodes were last made to last, by this process.
#[derive(Default)]
pub(crate) struct Nodes(Mutex<HashMap<String, Millis>>);

impl Nodes {
    /// Until when a node's row must be made to last for a lease from birth;
    /// `None` if it lasts long enough.
    pub(crate) fn must_last(&self, node: &str, until: Millis) -> Option<Millis> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = map
            .get(node)
            .is_some_and(|lasts| lasts.plus(SHORTER) >= until);
        (!lasts).then_some(until)
    }

    /// Takes note of a row that was written.
    pub(crate) fn lasts(&self, node: &str, until: Millis) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = map.entry(node.to_owned()).or_default();
        *lasts = until.max(*lasts);
    }
}

/// Makes a node's leases last until then.
pub(crate) async fn last(tx: &mut Tx<'_>, node: &str, until: Millis) -> Result<(), Error> {
    tx.exec(LAST, &values![node, until]).await.map(drop)
}

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
        // Mostly there is nothing to take, and looking disturbs no writer.
        if self.db().rows(FREE, values![now, 1u64]).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mine = node.to_owned();
        let claimed = self
            .db()
            .change(move |tx| claim(tx, mine, now, until, limit).boxed())
            .await?;
        self.nodes().lasts(node, until);
        Ok(claimed)
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
        let (session, mine) = (session.to_owned(), node.to_owned());
        let claimed = self
            .db()
            .change(move |tx| claim_one(tx, session, mine, now, until).boxed())
            .await?;
        self.nodes().lasts(node, until);
        Ok(claimed)
    }

    /// Makes a node's leases last until then; of those it holds by these
    /// epochs, returns the sessions whose lease is gone.
    ///
    /// # Errors
    /// As every write.
    pub async fn renew(
        &self,
        node: &str,
        held: &[(String, u64)],
        until: Millis,
    ) -> Result<Vec<String>, Error> {
        let (mine, held) = (node.to_owned(), held.to_vec());
        let lost = self
            .db()
            .change(move |tx| renew(tx, mine, held, until).boxed())
            .await?;
        self.nodes().lasts(node, until);
        Ok(lost)
    }

    /// Gives a lease back; nothing happens if it is gone already.
    ///
    /// # Errors
    /// As every write.
    pub async fn release(&self, session: &str, epoch: u64) -> Result<(), Error> {
        let (session, mark, store) = (session.to_owned(), self.mark(), self.clone());
        let done = move |wake: &Option<Wake>| {
            if let Some(wake) = wake {
                store.wake(wake.clone());
            }
        };
        self.db()
            .write(move |tx| release(tx, session, epoch, mark).boxed(), done)
            .await
            .map(drop)
    }
}

async fn claim(
    tx: &mut Tx<'_>,
    node: String,
    now: Millis,
    until: Millis,
    limit: usize,
) -> Result<Vec<SessionRow>, Error> {
    let mut claimed = Vec::new();
    for mut row in tx.rows(FREE_AND_MINE, &values![now, limit as u64]).await? {
        claimed.extend(take(tx, &row.text()?, &node, now).await?);
    }
    if !claimed.is_empty() {
        last(tx, &node, until).await?;
        tx.exec(FORGET, &values![now.plus(-REMEMBERED)]).await?;
    }
    Ok(claimed)
}

async fn claim_one(
    tx: &mut Tx<'_>,
    session: String,
    node: String,
    now: Millis,
    until: Millis,
) -> Result<Option<SessionRow>, Error> {
    if tx.row(IS_FREE, &values![&session, now]).await?.is_none() {
        return Ok(None);
    }
    last(tx, &node, until).await?;
    take(tx, &session, &node, now).await
}

async fn take(
    tx: &mut Tx<'_>,
    session: &str,
    node: &str,
    now: Millis,
) -> Result<Option<SessionRow>, Error> {
    if tx.exec(TAKE, &values![node, session, now]).await? == 0 {
        return Ok(None);
    }
    let row = tx.row(sessions::DRIVEN, &values![session]).await?;
    row.map(sessions::read).transpose()
}

async fn renew(
    tx: &mut Tx<'_>,
    node: String,
    held: Vec<(String, u64)>,
    until: Millis,
) -> Result<Vec<String>, Error> {
    last(tx, &node, until).await?;
    let mut mine = HashMap::new();
    for mut row in tx.rows(HELD, &values![&node]).await? {
        mine.insert(row.text()?, row.count()?);
    }
    let is_lost = |(session, epoch): &(String, u64)| mine.get(session) != Some(epoch);
    Ok(held
        .into_iter()
        .filter(is_lost)
        .map(|(session, _)| session)
        .collect())
}

async fn release(
    tx: &mut Tx<'_>,
    session: String,
    epoch: u64,
    mark: u64,
) -> Result<Option<Wake>, Error> {
    let Some(mut row) = tx.row(RELEASE, &values![&session, epoch]).await? else {
        return Ok(None);
    };
    let (head, due) = (row.count()?, row.opt_millis()?.is_some());
    let wake = Wake { session, head, due };
    if due {
        hearing::say(tx, mark, &wake).await?;
    }
    Ok(Some(wake))
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [FREE, FREE_AND_MINE, IS_FREE, TAKE, FORGET, HELD, RELEASE]
        .map(str::to_owned)
        .into()
}
