//! Putting facts into the outbox, in their own transaction.

use std::sync::Arc;

use session::Millis;

use crate::db::{Tx, values};
use crate::destinations::{takes, types};
use crate::facts::level;
use crate::{Error, Logged};

const LISTENING: &str = "SELECT id, level, types, fresh FROM destinations \
    WHERE session = $1 AND enabled = 1 ORDER BY created, id";
// Never before the one put last, whatever this node's clock says: the order of
// what is due is that of the facts.
const DUE: &str = "UPDATE destinations SET fresh = CASE WHEN fresh > $1 THEN fresh ELSE $1 END, \
    due = CASE WHEN due <= $1 THEN due WHEN fresh > $1 THEN fresh ELSE $1 END WHERE id = $2 RETURNING fresh";
const PUT: &str = "INSERT INTO deliveries (destination, seq, session, status, due, created, updated) \
    VALUES ($1, $2, $3, 'pending', $4, $5, $5)";

/// Queues facts for the destinations that are to be told of them. The session's
/// row is held by this transaction. Whether there was anything to queue.
pub(crate) async fn put(
    tx: &mut Tx<'_>,
    session: &str,
    events: &[Arc<Logged>],
    at: Millis,
) -> Result<bool, Error> {
    let mut queued = false;
    for mut row in tx.rows(LISTENING, &values![session]).await? {
        let (id, level) = (row.text()?, level(row.int()?)?);
        let types = row.opt_text()?.map(|text| types(&text)).transpose()?;
        let told = |event: &&Arc<Logged>| {
            let draft = &event.event.draft;
            level.shows(draft.level) && takes(types.as_deref(), &draft.kind)
        };
        let told: Vec<_> = events.iter().filter(told).collect();
        if told.is_empty() {
            continue;
        }
        let fresh = tx.row(DUE, &values![at, &id]).await?;
        let due = fresh.ok_or(Error::NotFound)?.millis()?;
        let put = |event: &&Arc<Logged>| values![&id, event.event.seq, session, due, at].to_vec();
        let puts: Vec<_> = told.iter().map(put).collect();
        tx.exec_each(PUT, &puts).await?;
        queued = true;
    }
    Ok(queued)
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    [LISTENING, DUE].map(str::to_owned).into()
}
