//! Writing down what became of deliveries, and going on with what is due next or
//! letting go of the destination.

use std::collections::BTreeSet;

use futures::FutureExt;
use session::Millis;

use super::{Sealed, Taken, next};
use crate::db::{Tx, values};
use crate::{Error, Store};

/// An attempt that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The number of the event.
    pub seq: u64,
    /// The round it was made in.
    pub round: u64,
    /// When.
    pub at: Millis,
    /// The status of the receiver's answer, if it gave one.
    pub code: Option<u16>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// It did not.
    Failed {
        /// Why, for people.
        error: String,
        /// When to try again; `None` if never.
        again: Option<Millis>,
    },
}

const HELD: &str = "SELECT id FROM destinations WHERE node = $1";
// Holds the row: nothing comes into the outbox of the destination meanwhile.
const HOLD: &str =
    "UPDATE destinations SET node = node WHERE id = $1 AND node = $2 RETURNING enabled";
const TRIED: &str = "UPDATE deliveries SET status = $1, due = $2, tries = tries + 1, attempts = attempts + 1, \
    tried = $3, code = $4, error = $5, updated = $3 \
    WHERE destination = $6 AND seq = $7 AND round = $8 AND status = 'delivering'";
const WELL: &str = "UPDATE destinations SET failures = 0, failing = NULL, failure = NULL WHERE id = $1 AND failures > 0";
const ILL: &str = "UPDATE destinations SET failures = failures + $1, \
    failing = CASE WHEN failing IS NULL THEN $2 ELSE failing END, failure = $3 WHERE id = $4";
const BACK: &str = "UPDATE deliveries SET status = CASE WHEN tries = 0 THEN 'pending' ELSE 'failed' END \
    WHERE destination = $1 AND due IS NOT NULL AND status = 'delivering'";
const LET_GO: &str = "UPDATE destinations SET node = NULL, \
    due = CASE WHEN enabled = 1 THEN (SELECT MIN(v.due) FROM deliveries v \
        WHERE v.destination = $1 AND v.due IS NOT NULL) ELSE NULL END WHERE id = $1 AND node = $2";

impl Store {
    /// Writes down attempts, in one durable transaction. To `go_on` is to get what is
    /// due next; `None` means that the node has let go of the destination, that
    /// nothing is due now, or that the destination is another's or gone.
    ///
    /// # Errors
    /// As every write. The attempts are then unknown, and made again by whoever has
    /// the destination next: see [`Store::let_go`].
    pub async fn settle_deliveries(
        &self,
        node: &str,
        destination: &str,
        tried: Vec<Tried>,
        now: Millis,
        go_on: bool,
    ) -> Result<Option<Taken>, Error> {
        let settle = Settle {
            node: node.to_owned(),
            destination: destination.to_owned(),
            tried,
            now,
            go_on,
        };
        match self.db().change(|tx| settle.run(tx).boxed()).await? {
            None => Ok(None),
            Some(sealed) => Ok(Some(self.unsealed(sealed).await)),
        }
    }
}

impl Store {
    /// Lets go of every destination that a node has and does not know of: a write
    /// whose answer was lost may have taken it. Returns how many.
    ///
    /// # Errors
    /// As every write.
    pub async fn let_go(&self, node: &str, but: &BTreeSet<String>) -> Result<usize, Error> {
        let rows = self.db().rows(HELD, values![node]).await?;
        let held = rows.into_iter().map(|mut row| row.text());
        let mut held: Vec<_> = held.collect::<Result<_, _>>()?;
        held.retain(|destination| !but.contains(destination));
        for destination in &held {
            let nothing = Vec::new();
            self.settle_deliveries(node, destination, nothing, Millis(0), false)
                .await?;
        }
        Ok(held.len())
    }
}

struct Settle {
    node: String,
    destination: String,
    tried: Vec<Tried>,
    now: Millis,
    go_on: bool,
}

impl Settle {
    async fn run(self, tx: &mut Tx<'_>) -> Result<Option<Sealed>, Error> {
        let held = tx
            .row(HOLD, &values![&self.destination, &self.node])
            .await?;
        // What was tried was tried, whoever has the destination now.
        let tried: Vec<_> = self.tried.iter().map(|one| self.row(one)).collect();
        tx.exec_each(TRIED, &tried).await?;
        self.health(tx).await?;
        let Some(mut held) = held else {
            return Ok(None);
        };
        if self.go_on && held.yes()? {
            let sealed = next(tx, &self.destination, self.now).await?;
            if sealed.is_some() {
                return Ok(sealed);
            }
        }
        tx.exec(BACK, &values![&self.destination]).await?;
        tx.exec(LET_GO, &values![&self.destination, &self.node])
            .await?;
        Ok(None)
    }

    fn row(&self, one: &Tried) -> Vec<crate::db::Value> {
        let (status, due, error) = match &one.outcome {
            Outcome::Delivered => ("delivered", None, None),
            Outcome::Failed { error, again: None } => ("dead_letter", None, Some(error)),
            Outcome::Failed { error, again } => ("failed", *again, Some(error)),
        };
        let code = one.code.map(u32::from);
        values![
            status,
            due,
            one.at,
            code,
            error,
            &self.destination,
            one.seq,
            one.round
        ]
        .to_vec()
    }

    /// How the destination does, by the last attempts.
    async fn health(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let failed = self.tried.iter().rev().map_while(|one| match &one.outcome {
            Outcome::Failed { error, .. } => Some((one.at, error)),
            Outcome::Delivered => None,
        });
        let failed: Vec<_> = failed.collect();
        if failed.len() < self.tried.len() {
            tx.exec(WELL, &values![&self.destination]).await?;
        }
        if let (Some((_, error)), Some((since, _))) = (failed.first(), failed.last()) {
            let row = values![failed.len() as u64, *since, *error, &self.destination];
            tx.exec(ILL, &row).await?;
        }
        Ok(())
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    [HELD, HOLD, TRIED, WELL, ILL, BACK, LET_GO]
        .map(str::to_owned)
        .into()
}
