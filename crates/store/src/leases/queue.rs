//! The lines in which sessions wait for a place: one for each org, in the order
//! of coming. How many of an org may run is its quota; who comes next among the
//! orgs is the one with the fewest running.
//!
//! Nothing here counts the waiting: a hundred thousand in one line cost as much
//! as one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use session::Millis;

use crate::db::{Row, Tx, values};
use crate::{Error, Store, homes};

/// How many sessions of an org may run at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Of every org.
    pub each: usize,
    /// Of these orgs instead.
    pub of: BTreeMap<String, usize>,
}

impl Quota {
    /// The quota of an org.
    #[must_use]
    pub fn most(&self, org: &str) -> usize {
        self.of.get(org).copied().unwrap_or(self.each)
    }
}

impl Default for Quota {
    /// No bound.
    fn default() -> Self {
        Self {
            each: usize::MAX,
            of: BTreeMap::new(),
        }
    }
}

/// Each org that waits: how many of its sessions have a place, and since when
/// its first waits. The orgs are found one by one, each by a step down the index.
pub(super) const LINES: &str = "WITH RECURSIVE line (org) AS ( \
        SELECT MIN(s.org) FROM sessions s WHERE s.due IS NOT NULL AND s.node IS NULL AND s.placed = 0 \
        UNION ALL \
        SELECT (SELECT MIN(s.org) FROM sessions s \
            WHERE s.org > l.org AND s.due IS NOT NULL AND s.node IS NULL AND s.placed = 0) \
        FROM line l WHERE l.org IS NOT NULL) \
    SELECT l.org, (SELECT COUNT(*) FROM sessions s WHERE s.org = l.org AND s.placed = 1), \
        (SELECT MIN(s.due) FROM sessions s \
            WHERE s.org = l.org AND s.due IS NOT NULL AND s.node IS NULL AND s.placed = 0) \
    FROM line l WHERE l.org IS NOT NULL";
/// Whether any org waits: `NULL` if none does.
pub(super) const FIRST: &str = "SELECT MIN(s.org) FROM sessions s \
    WHERE s.due IS NOT NULL AND s.node IS NULL AND s.placed = 0";
/// Who of an org came into its line between two moments, in the order of coming.
const CAME: &str = "SELECT id, due FROM sessions WHERE org = $1 AND due >= $2 AND due <= $3 \
    AND node IS NULL AND placed = 0 ORDER BY due, id LIMIT $4";
const PLACED: &str = "SELECT COUNT(*) FROM sessions WHERE org = $1 AND placed = 1";
// One whose sandbox is elsewhere is left to that place for a moment.
const NEXT: &str = "SELECT id, due FROM sessions WHERE org = $1 AND due <= $2 AND node IS NULL AND placed = 0 \
    AND (due <= $3 OR NOT EXISTS (SELECT 1 FROM homes h WHERE h.session = sessions.id AND h.place <> $4)) \
    ORDER BY due, id LIMIT $5 FOR UPDATE SKIP LOCKED";
const ANY: &str = "SELECT CAST(1 AS BIGINT) FROM sessions \
    WHERE org = $1 AND due IS NOT NULL AND node IS NULL AND placed = 0 LIMIT 1";
const IN_LINE: &str = "SELECT due FROM sessions \
    WHERE org = $1 AND id = $2 AND due IS NOT NULL AND node IS NULL AND placed = 0";
const BEFORE: &str = "SELECT COUNT(*) FROM sessions WHERE org = $1 AND due IS NOT NULL AND node IS NULL \
    AND placed = 0 AND (due, id) < ($2, $3)";

/// The line of one org.
struct Line {
    org: String,
    /// How many more may run.
    room: usize,
    /// Who comes next, as far as they were read.
    next: VecDeque<(Millis, String)>,
    /// Whether `next` was read, and the room with it.
    read: bool,
}

/// The lines that may go on, the one whose turn it is first.
pub(super) struct Lines {
    now: Millis,
    /// Where the sandboxes of who asks are.
    place: String,
    lines: Vec<Line>,
    /// How many run, since when the first waits, and which line it is.
    order: BinaryHeap<Reverse<(usize, Millis, usize)>>,
    most: Vec<usize>,
}

impl Lines {
    /// The lines of these rows that have somebody due and room for one; `None`
    /// if there is none.
    pub(super) fn read(
        rows: Vec<Row>,
        now: Millis,
        quota: &Quota,
        place: &str,
    ) -> Result<Option<Self>, Error> {
        let mut lines = Self {
            now,
            place: place.to_owned(),
            lines: Vec::new(),
            order: BinaryHeap::new(),
            most: Vec::new(),
        };
        for mut row in rows {
            let (org, running, first) = (row.text()?, row.count()?, row.millis()?);
            let running = usize::try_from(running).unwrap_or(usize::MAX);
            let most = quota.most(&org);
            if running < most && first <= now {
                lines
                    .order
                    .push(Reverse((running, first, lines.lines.len())));
                lines.most.push(most);
                lines.lines.push(Line {
                    org,
                    room: most - running,
                    next: VecDeque::new(),
                    read: false,
                });
            }
        }
        Ok((!lines.lines.is_empty()).then_some(lines))
    }

    /// Who comes next of all, of at most `wanted` that will be asked for.
    pub(super) async fn next(
        &mut self,
        tx: &mut Tx<'_>,
        wanted: u64,
    ) -> Result<Option<String>, Error> {
        while let Some(Reverse((running, _, at))) = self.order.pop() {
            let line = &mut self.lines[at];
            if !line.read {
                let most = self.most[at];
                line.read(tx, most, (self.now, &self.place), wanted).await?;
            }
            if line.room > 0
                && let Some((_, session)) = line.next.pop_front()
            {
                line.room -= 1;
                if let Some((due, _)) = line.next.front() {
                    self.order.push(Reverse((running + 1, *due, at)));
                }
                return Ok(Some(session));
            }
        }
        Ok(None)
    }
}

impl Line {
    /// Reads as many as may come. From here on nobody else gives places of
    /// this org away, so the room is what it is.
    async fn read(
        &mut self,
        tx: &mut Tx<'_>,
        most: usize,
        (now, place): (Millis, &str),
        wanted: u64,
    ) -> Result<(), Error> {
        self.read = true;
        if tx.is_shared() && most != usize::MAX {
            tx.one_of_org_at_a_time(&self.org).await?;
            self.room = most.saturating_sub(placed(tx, &self.org).await?);
        }
        let room = (self.room as u64).min(wanted);
        let values = values![&self.org, now, homes::late(now), place, room];
        for mut row in tx.rows(NEXT, &values).await? {
            let session = row.text()?;
            self.next.push_back((row.millis()?, session));
        }
        Ok(())
    }
}

async fn placed(tx: &mut Tx<'_>, org: &str) -> Result<usize, Error> {
    let row = tx.row(PLACED, &values![org]).await?;
    let placed = row.map_or(Ok(0), |mut row| row.count())?;
    Ok(usize::try_from(placed).unwrap_or(usize::MAX))
}

/// Whether a new session of that org may have a place at once: if the quota
/// has room and nobody waits. On a shared database a birth waits for nobody:
/// where another gives places of the org away just now, it stands in line.
pub(crate) async fn room(tx: &mut Tx<'_>, org: &str, most: usize) -> Result<bool, Error> {
    if most == usize::MAX {
        return Ok(true);
    }
    let free = placed(tx, org).await? < most && tx.row(ANY, &values![org]).await?.is_none();
    if !free || !tx.is_shared() {
        return Ok(free);
    }
    Ok(tx.alone_in_org(org).await? && placed(tx, org).await? < most)
}

/// One that stands in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InLine {
    /// Whose session.
    pub org: String,
    /// Which.
    pub session: String,
    /// When it came into the line.
    pub since: Millis,
}

impl Store {
    /// Those in line that came between two moments, both included, at most `limit`
    /// of each org, in the order of coming.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn in_line(
        &self,
        from: Millis,
        until: Millis,
        limit: u64,
    ) -> Result<Vec<InLine>, Error> {
        let first = self.db().row(FIRST, []).await?;
        let waits = first.map(|mut row| row.opt_text()).transpose()?.flatten();
        if waits.is_none() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for mut line in self.db().rows(LINES, []).await? {
            let org = line.text()?;
            let came = values![&org, from, until, limit];
            for mut row in self.db().rows(CAME, came).await? {
                found.push(InLine {
                    org: org.clone(),
                    session: row.text()?,
                    since: row.millis()?,
                });
            }
        }
        found.sort_by_key(|one| one.since);
        Ok(found)
    }

    /// How many of its org stand in line up to this session: 1 comes next.
    /// `None` if it does not stand in line.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn place_in_line(&self, org: &str, session: &str) -> Result<Option<u64>, Error> {
        let Some(mut row) = self.db().row(IN_LINE, values![org, session]).await? else {
            return Ok(None);
        };
        let before = values![org, row.millis()?, session];
        // The line may be long: counting it is no look-up.
        let before = self.db().rows(BEFORE, before).await?.pop();
        Ok(Some(before.map_or(Ok(0), |mut row| row.count())? + 1))
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    [FIRST, LINES, CAME, PLACED, NEXT, ANY, IN_LINE, BEFORE]
        .map(str::to_owned)
        .into()
}
