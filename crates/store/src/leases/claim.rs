//! Taking leases: what dead nodes held, what was handed over in the middle of a
//! turn, and then whose turn it is in the lines of the orgs.

use futures::FutureExt;
use session::Millis;

use super::queue::{self, Lines, Quota};
use super::{forget, last};
use crate::db::{Tx, values};
use crate::{Error, SessionRow, Store, sessions};

/// A session whose lease was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its row.
    pub row: SessionRow,
    /// The dead node that held it, if one did.
    pub from: Option<String>,
}

const DEAD: &str = "SELECT n.id FROM nodes n WHERE n.until <= $1 AND EXISTS \
    (SELECT 1 FROM sessions s WHERE s.node = n.id AND s.due <= $1) ORDER BY n.id";
const OF_DEAD: &str = "SELECT id FROM sessions WHERE node = $1 AND due <= $2 ORDER BY due, id LIMIT $3 FOR UPDATE SKIP LOCKED";
const HANDED: &str = "SELECT id FROM sessions WHERE placed = 1 AND node IS NULL AND due <= $1 \
    ORDER BY due, id LIMIT $2 FOR UPDATE SKIP LOCKED";
const IS_FREE: &str = "SELECT s.id, s.node FROM sessions s WHERE s.id = $1 AND s.due <= $2 AND NOT EXISTS \
    (SELECT 1 FROM nodes n WHERE n.id = s.node AND n.until > $2) FOR UPDATE SKIP LOCKED";
// Looks again with the row locked: another node, and its own row with it, may
// have come between.
const TAKE: &str = "UPDATE sessions SET epoch = epoch + 1, node = $1, placed = 1 WHERE id = $2 AND due IS NOT NULL \
    AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = sessions.node AND n.until > $3)";

impl Store {
    /// Takes leases on sessions that are due and free. First those that have
    /// their place already, because a dead node held them or a live one handed
    /// them over. Then those that wait, as far as the quota of their org goes:
    /// the org with the fewest running ones first, and within an org who came first.
    ///
    /// # Errors
    /// As every write.
    pub async fn claim(
        &self,
        node: &str,
        now: Millis,
        until: Millis,
        limit: usize,
        quota: &Quota,
    ) -> Result<Vec<Claimed>, Error> {
        // Mostly there is nothing to take, and looking disturbs no writer.
        if !self.is_claimable(now, quota).await? {
            return Ok(Vec::new());
        }
        let claim = Claim {
            node: node.to_owned(),
            now,
            until,
            limit,
            quota: quota.clone(),
            place: self.home().to_owned(),
            claimed: Vec::new(),
        };
        let claimed = self.db().change(|tx| claim.run(tx).boxed()).await?;
        self.nodes().lasts(node, until);
        Ok(claimed)
    }

    async fn is_claimable(&self, now: Millis, quota: &Quota) -> Result<bool, Error> {
        let first = self.db().row(queue::FIRST, []).await?;
        let lines = match first.map(|mut row| row.opt_text()).transpose()?.flatten() {
            Some(_) => self.db().rows(queue::LINES, []).await?,
            None => Vec::new(),
        };
        Ok(Lines::read(lines, now, quota, self.home())?.is_some()
            || self.db().row(DEAD, values![now]).await?.is_some()
            || self.db().row(HANDED, values![now, 1u64]).await?.is_some())
    }

    /// Takes the lease on one session, if it is due and free, whatever the quota.
    ///
    /// # Errors
    /// As every write.
    pub async fn claim_one(
        &self,
        session: &str,
        node: &str,
        now: Millis,
        until: Millis,
    ) -> Result<Option<Claimed>, Error> {
        let session = session.to_owned();
        let claim = Claim {
            node: node.to_owned(),
            now,
            until,
            limit: 1,
            quota: Quota::default(),
            place: String::new(),
            claimed: Vec::new(),
        };
        let claimed = self
            .db()
            .change(move |tx| claim.one(tx, session).boxed())
            .await?;
        self.nodes().lasts(node, until);
        Ok(claimed)
    }
}

struct Claim {
    node: String,
    now: Millis,
    until: Millis,
    limit: usize,
    quota: Quota,
    place: String,
    claimed: Vec<Claimed>,
}

impl Claim {
    async fn run(mut self, tx: &mut Tx<'_>) -> Result<Vec<Claimed>, Error> {
        tx.claims_one_at_a_time().await?;
        for mut dead in tx.rows(DEAD, &values![self.now]).await? {
            let dead = dead.text()?;
            let values = values![&dead, self.now, self.left()];
            for mut row in tx.rows(OF_DEAD, &values).await? {
                self.take(tx, &row.text()?, Some(dead.clone())).await?;
            }
        }
        let values = values![self.now, self.left()];
        for mut row in tx.rows(HANDED, &values).await? {
            self.take(tx, &row.text()?, None).await?;
        }
        if self.left() > 0 {
            self.take_waiting(tx).await?;
        }
        if !self.claimed.is_empty() {
            last(tx, &self.node, self.until).await?;
            forget(tx, self.now).await?;
        }
        Ok(self.claimed)
    }

    async fn take_waiting(&mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let lines = tx.rows(queue::LINES, &[]).await?;
        let Some(mut lines) = Lines::read(lines, self.now, &self.quota, &self.place)? else {
            return Ok(());
        };
        while self.left() > 0
            && let Some(session) = lines.next(tx, self.left()).await?
        {
            self.take(tx, &session, None).await?;
        }
        Ok(())
    }

    /// How many more it may take.
    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.claimed.len()) as u64
    }

    async fn one(mut self, tx: &mut Tx<'_>, session: String) -> Result<Option<Claimed>, Error> {
        let Some(mut row) = tx.row(IS_FREE, &values![&session, self.now]).await? else {
            return Ok(None);
        };
        let (session, from) = (row.text()?, row.opt_text()?);
        last(tx, &self.node, self.until).await?;
        self.take(tx, &session, from).await?;
        Ok(self.claimed.pop())
    }

    async fn take(
        &mut self,
        tx: &mut Tx<'_>,
        session: &str,
        from: Option<String>,
    ) -> Result<(), Error> {
        let mine = values![&self.node, session, self.now];
        if tx.exec(TAKE, &mine).await? == 1
            && let Some(row) = tx.row(sessions::DRIVEN, &values![session]).await?
        {
            let row = sessions::read(row)?;
            self.claimed.push(Claimed { row, from });
        }
        Ok(())
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    [DEAD, OF_DEAD, HANDED, IS_FREE, TAKE]
        .map(str::to_owned)
        .into()
}
