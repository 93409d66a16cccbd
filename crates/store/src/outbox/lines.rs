//! Which destinations are sent to next: those of the org with the fewest in hand
//! first, and within an org whose delivery is due longest.

use std::collections::{BTreeMap, VecDeque};

use futures::FutureExt;
use session::Millis;

use super::{Sealed, Taken, next};
use crate::db::{Row, Tx, values};
use crate::{Error, Store, leases};

/// How many destinations a node sends to at once.
#[derive(Debug, Clone, Default)]
pub struct Shares {
    /// More than it does now, at most.
    pub room: usize,
    /// Of one org, at most.
    pub each: usize,
    /// Those of each org that it sends to now.
    pub held: BTreeMap<String, usize>,
}

/// What a look at the outbox came to.
#[derive(Debug, Default)]
pub struct Looked {
    /// What was taken.
    pub taken: Vec<Taken>,
    /// When the next delivery of a destination nobody sends to will be due.
    pub next: Option<Millis>,
}

/// Each org with a destination that waits and nobody sends to, and since when or
/// until when. The orgs are found one by one, each by a step down the index.
const LINES: &str = "WITH RECURSIVE line (org) AS ( \
        SELECT MIN(d.org) FROM destinations d WHERE d.due IS NOT NULL AND d.node IS NULL \
        UNION ALL \
        SELECT (SELECT MIN(d.org) FROM destinations d \
            WHERE d.org > l.org AND d.due IS NOT NULL AND d.node IS NULL) \
        FROM line l WHERE l.org IS NOT NULL) \
    SELECT l.org, (SELECT MIN(d.due) FROM destinations d \
        WHERE d.org = l.org AND d.due IS NOT NULL AND d.node IS NULL) \
    FROM line l WHERE l.org IS NOT NULL";
/// When the first in a line that is not due yet will be.
const LATER: &str =
    "SELECT MIN(d.due) FROM destinations d WHERE d.org = $1 AND d.due > $2 AND d.node IS NULL";
const FIRST: &str = "SELECT id FROM destinations WHERE org = $1 AND due <= $2 AND node IS NULL \
    ORDER BY due, id LIMIT $3 FOR UPDATE SKIP LOCKED";
const DEAD: &str = "SELECT d.id FROM destinations d WHERE d.node IS NOT NULL \
    AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = d.node AND n.until > $1) LIMIT 1";
const FREE: &str = "UPDATE destinations SET node = NULL WHERE node IS NOT NULL \
    AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = destinations.node AND n.until > $1)";
// Looks again with the row locked: another node may have come between.
const TAKE: &str =
    "UPDATE destinations SET node = $1 WHERE id = $2 AND node IS NULL AND due IS NOT NULL";
const EMPTY: &str = "UPDATE destinations SET node = NULL, due = (SELECT MIN(v.due) FROM deliveries v \
    WHERE v.destination = $1 AND v.due IS NOT NULL) WHERE id = $1";

impl Store {
    /// Takes destinations with something due, as far as the shares go. The node has
    /// them until it lets go of each, or until it is dead: its row is made to last
    /// until then.
    ///
    /// # Errors
    /// As every write. It may have taken some all the same: see [`Store::let_go`].
    pub async fn owed(
        &self,
        node: &str,
        now: Millis,
        until: Millis,
        shares: Shares,
    ) -> Result<Looked, Error> {
        // Mostly there is nothing to take, and looking disturbs no writer.
        let lines = self.db().few(LINES, []).await?;
        let (lines, later) = read(lines, now, &shares)?;
        let dead = self.db().row(DEAD, values![now]).await?.is_some();
        let mut looked = Looked {
            taken: Vec::new(),
            next: later,
        };
        for (org, _) in &lines {
            let row = self.db().row(LATER, values![org, now]).await?;
            let at = row.map_or(Ok(None), |mut row| row.opt_millis())?;
            looked.next = [looked.next, at].into_iter().flatten().min();
        }
        if (lines.is_empty() && !dead) || shares.room == 0 {
            return Ok(looked);
        }
        let take = Take {
            node: node.to_owned(),
            now,
            until,
            shares,
        };
        for sealed in self.db().change(|tx| take.run(tx).boxed()).await? {
            looked.taken.push(self.unsealed(sealed).await);
        }
        Ok(looked)
    }
}

type Lines = Vec<(String, Millis)>;

/// The lines that may go on now, and when the first of the others may.
fn read(rows: Vec<Row>, now: Millis, shares: &Shares) -> Result<(Lines, Option<Millis>), Error> {
    let (mut lines, mut later) = (Vec::new(), None);
    for mut row in rows {
        let (org, due) = (row.text()?, row.millis()?);
        if due > now {
            later = Some(later.map_or(due, |later: Millis| later.min(due)));
        } else if shares.room_of(&org) > 0 {
            lines.push((org, due));
        }
    }
    Ok((lines, later))
}

impl Shares {
    fn held(&self, org: &str) -> usize {
        self.held.get(org).copied().unwrap_or(0)
    }

    fn room_of(&self, org: &str) -> usize {
        self.each.saturating_sub(self.held(org)).min(self.room)
    }
}

struct Take {
    node: String,
    now: Millis,
    until: Millis,
    shares: Shares,
}

/// A line whose next ones were read.
struct Line {
    org: String,
    due: Millis,
    next: VecDeque<String>,
}

impl Take {
    async fn run(mut self, tx: &mut Tx<'_>) -> Result<Vec<Sealed>, Error> {
        tx.exec(FREE, &values![self.now]).await?;
        let rows = tx.rows(LINES, &[]).await?;
        let (lines, _) = read(rows, self.now, &self.shares)?;
        let mut open = Vec::with_capacity(lines.len());
        for (org, due) in lines {
            let room = self.shares.room_of(&org) as u64;
            let ids = tx.rows(FIRST, &values![&org, self.now, room]).await?;
            let ids = ids.into_iter().map(|mut row| row.text());
            let next = ids.collect::<Result<_, _>>()?;
            open.push(Line { org, due, next });
        }
        let mut taken = Vec::new();
        while self.shares.room > 0
            && let Some((org, id)) = self.pick(&mut open)
        {
            if let Some(sealed) = self.take(tx, &id).await? {
                *self.shares.held.entry(org).or_default() += 1;
                self.shares.room -= 1;
                taken.push(sealed);
            }
        }
        if !taken.is_empty() {
            leases::last(tx, &self.node, self.until).await?;
        }
        Ok(taken)
    }

    /// Whose turn it is.
    fn pick(&self, lines: &mut [Line]) -> Option<(String, String)> {
        let may = |line: &&mut Line| !line.next.is_empty() && self.shares.room_of(&line.org) > 0;
        let first = lines.iter_mut().filter(may);
        let line = first.min_by_key(|line| (self.shares.held(&line.org), line.due))?;
        let id = line.next.pop_front()?;
        Some((line.org.clone(), id))
    }

    async fn take(&self, tx: &mut Tx<'_>, id: &str) -> Result<Option<Sealed>, Error> {
        if tx.exec(TAKE, &values![&self.node, id]).await? == 0 {
            return Ok(None);
        }
        let sealed = next(tx, id, self.now).await?;
        if sealed.is_none() {
            tx.exec(EMPTY, &values![id]).await?;
        }
        Ok(sealed)
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    [LINES, LATER, FIRST, DEAD, FREE, TAKE, EMPTY]
        .map(str::to_owned)
        .into()
}
