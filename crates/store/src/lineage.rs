//! Where the facts of a session stand. A fork has no copy of what it was forked
//! from: it reads the ancestors' facts at their own place, up to the number it
//! forked at, and its own from there on.

use crate::db::values;
use crate::{Error, Store};

/// Where a new session begins: behind a fact of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The session it is forked from.
    pub session: String,
    /// The number of the last fact they share.
    pub seq: u64,
}

/// A run of facts, and where they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) source: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

const SPANS: &str =
    "SELECT source, from_seq, to_seq FROM lineage WHERE session = $1 ORDER BY from_seq";

impl Store {
    /// The spans of a session's log, oldest first; the last is its own.
    pub(crate) async fn spans(&self, session: &str) -> Result<Vec<Span>, Error> {
        let mut spans = Vec::new();
        let mut own = 1;
        for mut row in self.db().rows(SPANS, values![session]).await? {
            let span = Span {
                source: row.text()?,
                from: row.count()?,
                to: row.count()?,
            };
            own = span.to + 1;
            spans.push(span);
        }
        spans.push(Span {
            source: session.to_owned(),
            from: own,
            to: u64::MAX,
        });
        Ok(spans)
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [SPANS].map(str::to_owned).into()
}
