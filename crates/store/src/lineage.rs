//! Where the facts of a session stand. A fork has no copy of what it was forked
//! from: it reads the ancestors' facts at their own place, up to the number it
//! forked at, and its own from there on.

use crate::db::{Tx, values};
use crate::{Error, Store, checkpoints};

/// Where a new session begins: behind a fact of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The session it is forked from.
    pub session: String,
    /// The number of the last fact they share.
    pub seq: u64,
    /// The checkpoint its files are to come from: it must still be there.
    pub files: Option<String>,
}

impl Origin {
    /// How many facts are shared. No log is as long as the largest number here,
    /// which is refused like every other beyond the head.
    pub(crate) fn shared(&self) -> u64 {
        self.seq.min(1 << 60)
    }
}

/// A run of facts, and where they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) source: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Span {
    /// Whether it has the fact of that number.
    pub(crate) fn has(&self, seq: u64) -> bool {
        (self.from..=self.to).contains(&seq)
    }

    /// All of a session's own facts, from that number.
    fn own(session: &str, from: u64) -> Self {
        Self {
            source: session.to_owned(),
            from,
            to: u64::MAX,
        }
    }
}

/// A session's own line: without it there is nothing to see.
const OWNED: &str = "SELECT origin FROM sessions WHERE org = $1 AND id = $2";
const SPANS: &str =
    "SELECT source, from_seq, to_seq FROM lineage WHERE session = $1 ORDER BY from_seq";
// Changes nothing, but holds the row: it cannot be erased meanwhile.
const HOLD: &str =
    "UPDATE sessions SET head = head WHERE org = $1 AND id = $2 RETURNING head, origin";
const INHERIT: &str = "INSERT INTO lineage (session, source, from_seq, to_seq) \
    SELECT $1, l.source, l.from_seq, CASE WHEN l.to_seq < $2 THEN l.to_seq ELSE $2 END \
    FROM lineage l WHERE l.session = $3 AND l.from_seq <= $2";
const DESCEND: &str =
    "INSERT INTO lineage (session, source, from_seq, to_seq) VALUES ($1, $2, $3, $4)";

impl Store {
    /// The spans of an org's session, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub(crate) async fn reach(&self, org: &str, session: &str) -> Result<Vec<Span>, Error> {
        let row = self.db().row(OWNED, values![org, session]).await?;
        match row.ok_or(Error::NotFound)?.opt_int()? {
            None => Ok(vec![Span::own(session, 1)]),
            Some(_) => self.spans(session, 0).await,
        }
    }

    /// The spans of a session's log that go beyond a number, oldest first; the
    /// last is its own.
    pub(crate) async fn spans(&self, session: &str, after: u64) -> Result<Vec<Span>, Error> {
        let mut spans = Vec::new();
        let mut own = 1;
        for mut row in self.db().few(SPANS, values![session]).await? {
            let span = Span {
                source: row.text()?,
                from: row.count()?,
                to: row.count()?,
            };
            own = span.to + 1;
            spans.push(span);
        }
        spans.push(Span::own(session, own));
        spans.retain(|span| span.to > after);
        Ok(spans)
    }
}

/// Makes a new session a fork.
pub(crate) async fn fork(
    tx: &mut Tx<'_>,
    org: &str,
    session: &str,
    origin: &Origin,
) -> Result<(), Error> {
    let Origin {
        session: from,
        seq,
        files,
    } = origin;
    let row = tx.row(HOLD, &values![org, from]).await?;
    let mut row = row.ok_or(Error::NotFound)?;
    let (head, own) = (row.count()?, row.opt_int()?.unwrap_or(0));
    if *seq > head {
        return Err(Error::Stale { head });
    }
    tx.exec(INHERIT, &values![session, *seq, from]).await?;
    let own = u64::try_from(own).unwrap_or(0) + 1;
    if *seq >= own {
        tx.exec(DESCEND, &values![session, from, own, *seq]).await?;
    }
    // Last: whoever gives it up from here on sees that this fork needs it.
    if let Some(files) = files
        && !checkpoints::hold(tx, files).await?
    {
        return Err(Error::Stale { head });
    }
    Ok(())
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [OWNED, SPANS, HOLD, INHERIT].map(str::to_owned).into()
}
