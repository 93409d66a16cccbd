//! Reading the log.

use std::sync::Arc;

use bytes::Bytes;
use session::Level;

use crate::db::{Row, Value, values};
use crate::facts::{self, PUBLIC, WHOLE, rank};
use crate::{Error, Logged, Store};

/// Which events of a session.
#[derive(Debug, Clone)]
pub struct EventQuery {
    /// Only numbers beyond this one.
    pub after: u64,
    /// As seen by a reader of this level.
    pub level: Level,
    /// Of these types.
    pub kind: Option<KindFilter>,
    /// Of this turn (its id).
    pub turn: Option<String>,
    /// Most events.
    pub limit: usize,
}

impl Default for EventQuery {
    fn default() -> Self {
        Self {
            after: 0,
            level: Level::Internal,
            kind: None,
            turn: None,
            limit: 1000,
        }
    }
}

/// Types of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KindFilter {
    /// This one.
    Exact(String),
    /// Those that begin so (`tool.` for `tool.*`).
    Prefix(String),
    /// Those that end so (`.message` for `*.message`).
    Suffix(String),
}

impl KindFilter {
    /// Reads `name`, `prefix.*` or `*.suffix`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(prefix), _) => Self::Prefix(prefix.to_owned()),
            (None, Some(suffix)) => Self::Suffix(suffix.to_owned()),
            (None, None) => Self::Exact(text.to_owned()),
        }
    }

    /// Whether events of that type are asked for.
    #[must_use]
    pub fn takes(&self, kind: &str) -> bool {
        match self {
            Self::Exact(exact) => kind == exact,
            Self::Prefix(prefix) => kind.starts_with(prefix),
            Self::Suffix(suffix) => kind.ends_with(suffix),
        }
    }
}

/// The session's own line first: without it there is nothing to see.
const OWNED: &str = "SELECT head FROM sessions WHERE org = $1 AND id = $2";

/// Most facts read at a time for a fold.
const FOLD: usize = 256;

/// The query for these filters; values follow in the order of [`values_of`].
fn select(query: &EventQuery) -> String {
    let mut sql =
        format!("SELECT {PUBLIC} FROM events WHERE session = $1 AND seq > $2 AND level <= $3");
    let mut next = 4;
    if query.turn.is_some() {
        sql.push_str(&format!(" AND turn = ${next}"));
        next += 1;
    }
    if let Some(kind) = &query.kind {
        sql.push_str(&match kind {
            KindFilter::Exact(_) => format!(" AND type = ${next}"),
            KindFilter::Prefix(_) => format!(" AND substr(type, 1, length(${next})) = ${next}"),
            KindFilter::Suffix(_) => format!(
                " AND length(type) >= length(${next}) AND substr(type, length(type) - length(${next}) + 1) = ${next}"
            ),
        });
        next += 1;
    }
    sql.push_str(&format!(" ORDER BY seq LIMIT ${next}"));
    sql
}

fn values_of(session: &str, query: EventQuery) -> Vec<Value> {
    let mut values: Vec<_> = values![session, query.after, rank(query.level)].into();
    values.extend(query.turn.map(Value::from));
    values.extend(query.kind.map(|kind| match kind {
        KindFilter::Exact(text) | KindFilter::Prefix(text) | KindFilter::Suffix(text) => {
            Value::from(text)
        }
    }));
    values.push(Value::from(query.limit as u64));
    values
}

fn one() -> String {
    format!("SELECT {PUBLIC} FROM events WHERE session = $1 AND seq = $2")
}

fn whole() -> String {
    format!("SELECT {WHOLE} FROM events WHERE session = $1 AND seq > $2 ORDER BY seq LIMIT $3")
}

pub(crate) fn logged(rows: Vec<Row>) -> Result<Vec<Arc<Logged>>, Error> {
    let event = |row| Ok(Arc::new(Logged::new(facts::read(row)?)));
    rows.into_iter().map(event).collect()
}

impl Store {
    /// Events of a session in order, without what only the brain may read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn events(
        &self,
        org: &str,
        session: &str,
        query: EventQuery,
    ) -> Result<Vec<Arc<Logged>>, Error> {
        self.owned(org, session).await?;
        logged(
            self.db()
                .rows(select(&query), values_of(session, query))
                .await?,
        )
    }

    /// One event, without what only the brain may read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session or it no such event.
    pub async fn event(&self, org: &str, session: &str, seq: u64) -> Result<Arc<Logged>, Error> {
        self.owned(org, session).await?;
        let row = self.db().row(one(), values![session, seq]).await?;
        let event = facts::read(row.ok_or(Error::NotFound)?)?;
        Ok(Arc::new(Logged::new(event)))
    }

    /// The whole of what an event shows in part; `None` if it shows all.
    ///
    /// # Errors
    /// [`Error::NotFound`] as [`Store::event`].
    pub async fn content(
        &self,
        org: &str,
        session: &str,
        seq: u64,
    ) -> Result<Option<Bytes>, Error> {
        let event = self.event(org, session, seq).await?;
        match &event.event.content {
            Some(content) => self.blobs().get(&content.blob).await.map(Some),
            None => Ok(None),
        }
    }

    /// For the driver: the next facts beyond a number, with all a fold needs;
    /// empty at the end.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn fold_source(&self, session: &str, after: u64) -> Result<Vec<Arc<Logged>>, Error> {
        let rows = self
            .db()
            .rows(whole(), values![session, after, FOLD as u64])
            .await?;
        let mut facts = Vec::with_capacity(rows.len());
        for row in rows {
            let mut event = facts::read(row)?;
            if let Some(content) = &event.content
                && let Some(body) = self.whole_body(content).await?
            {
                event.draft.body = body;
            }
            facts.push(Arc::new(Logged::new(event)));
        }
        Ok(facts)
    }

    /// The next events beyond a number, for followers.
    pub(crate) async fn page(
        &self,
        session: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Logged>>, Error> {
        let query = EventQuery {
            after,
            limit,
            ..EventQuery::default()
        };
        logged(
            self.db()
                .few(select(&query), values_of(session, query))
                .await?,
        )
    }

    /// The head of an org's session.
    pub(crate) async fn owned(&self, org: &str, session: &str) -> Result<u64, Error> {
        let row = self.db().row(OWNED, values![org, session]).await?;
        row.ok_or(Error::NotFound)?.count()
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let kinds = [KindFilter::Exact, KindFilter::Prefix, KindFilter::Suffix]
        .map(|kind| Some(kind("x".to_owned())));
    let mut queries = vec![OWNED.to_owned(), one(), whole()];
    for kind in kinds.into_iter().chain([None]) {
        for turn in [None, Some("x".to_owned())] {
            queries.push(select(&EventQuery {
                kind: kind.clone(),
                turn,
                ..EventQuery::default()
            }));
        }
    }
    queries
}
