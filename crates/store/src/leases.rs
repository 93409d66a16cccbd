//! Leases: one node's right to drive a session, fenced by an epoch.
//!
//! A session names the node that drives it; the node's own row says until when
//! it lives. So keeping all leases of a node is one small write, and a node that
//! dies loses all of them at the same moment.
//!
//! A session that got its lease has its *place* among the running ones of its
//! org until its turn is over, whichever node drives it meanwhile: a dead node's
//! and a handed-over session wait for nobody (`claim.rs`). All others wait in
//! the line of their org (`queue.rs`).

mod claim;
mod queue;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use session::Millis;

use crate::db::{Row, Tx, values};
use crate::{Error, Store, Wake, hearing};

pub use claim::Claimed;
pub(crate) use queue::room;
pub use queue::{InLine, Quota};

/// How much shorter than asked a lease from birth may be, in milliseconds: so a
/// node that makes a thousand sessions a second writes its own row only once.
const SHORTER: i64 = 500;
/// Rows of nodes are kept this long after their death, in milliseconds.
const REMEMBERED: i64 = 24 * 3600 * 1000;

const LAST: &str = "INSERT INTO nodes (id, until) VALUES ($1, $2) \
    ON CONFLICT (id) DO UPDATE SET until = excluded.until WHERE nodes.until < excluded.until";
const FORGET: &str = "DELETE FROM nodes WHERE until < $1 AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.node = nodes.id)";
const HELD: &str = "SELECT id, epoch FROM sessions WHERE node = $1";
const RELEASE: &str = "UPDATE sessions SET node = NULL, placed = CASE WHEN status = 'queued' THEN 0 ELSE placed END WHERE id = $1 AND epoch = $2 AND node IS NOT NULL \
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

/// Forgets nodes that are long dead and hold nothing; how many.
pub(crate) async fn forget(tx: &mut Tx<'_>, now: Millis) -> Result<u64, Error> {
    tx.exec(FORGET, &values![now.plus(-REMEMBERED)]).await
}

/// Makes a node's leases last until then.
pub(crate) async fn last(tx: &mut Tx<'_>, node: &str, until: Millis) -> Result<(), Error> {
    tx.exec(LAST, &values![node, until]).await.map(drop)
}

impl Store {
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

    /// What a node holds by the rows, with the epochs.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn held(&self, node: &str) -> Result<Vec<(String, u64)>, Error> {
        let rows = self.db().rows(HELD, values![node]).await?;
        let held = |mut row: Row| Ok((row.text()?, row.count()?));
        rows.into_iter().map(held).collect()
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
        // An open turn that is handed over keeps its place.
        hearing::say(tx, mark, &wake).await?;
    }
    Ok(Some(wake))
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let here = [FORGET, HELD, RELEASE].map(str::to_owned);
    [claim::queries(), queue::queries(), here.into()].concat()
}
