//! Reading the log.

use std::sync::Arc;

use bytes::Bytes;
use session::{Level, id};

use crate::db::{Row, Value, values};
use crate::facts::{self, PUBLIC, WHOLE, rank};
use crate::lineage::Span;
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

/// As many events as are read where they are asked for.
const FEW: usize = 64;
/// Most facts read at a time for a fold.
const FOLD: usize = 256;

/// The query for these filters; values follow in the order of [`values_of`].
fn select(query: &EventQuery) -> String {
    let mut sql = format!(
        "SELECT {PUBLIC} FROM events WHERE session = $1 AND seq > $2 AND seq <= $3 AND level <= $4"
    );
    let mut next = 5;
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

fn values_of(span: &Span, query: &EventQuery) -> Vec<Value> {
    let after = query.after.max(span.from - 1);
    let mut values: Vec<_> = values![&span.source, after, span.to, rank(query.level)].into();
    values.extend(query.turn.as_ref().map(Value::from));
    values.extend(query.kind.as_ref().map(|kind| match kind {
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
    format!(
        "SELECT {WHOLE} FROM events WHERE session = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4"
    )
}

/// Events as they stand in the log of `session`, wherever they are stored.
pub(crate) fn logged(session: &str, rows: Vec<Row>) -> Result<Vec<Arc<Logged>>, Error> {
    let event = |row| Ok(Arc::new(Logged::new(facts::read(session, row)?)));
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
        let spans = self.reach(org, session).await?;
        self.read(session, &spans, query).await
    }

    /// One event, without what only the brain may read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session or it no such event.
    pub async fn event(&self, org: &str, session: &str, seq: u64) -> Result<Arc<Logged>, Error> {
        let spans = self.reach(org, session).await?;
        let span = spans.iter().find(|span| span.has(seq));
        let source = &span.ok_or(Error::NotFound)?.source;
        let row = self.db().row(one(), values![source, seq]).await?;
        let event = facts::read(session, row.ok_or(Error::NotFound)?)?;
        Ok(Arc::new(Logged::new(event)))
    }

    /// The number of the event of that id. A fork knows its ancestors' events,
    /// as far as it has them, by the ids they were given there.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session or the id names no
    /// event it could have.
    pub async fn event_named(&self, org: &str, session: &str, id: &str) -> Result<u64, Error> {
        let spans = self.reach(org, session).await?;
        let seq = spans.iter().find_map(|span| {
            id::event_seq(&span.source, id)
                .filter(|seq| span.has(*seq) && i64::try_from(*seq).is_ok())
        });
        seq.ok_or(Error::NotFound)
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
        let mut facts = Vec::new();
        for span in self.spans(session, after).await? {
            let (after, left) = (after.max(span.from - 1), (FOLD - facts.len()) as u64);
            let values = values![&span.source, after, span.to, left];
            for row in self.db().rows(whole(), values).await? {
                let mut event = facts::read(session, row)?;
                if let Some(content) = &event.content
                    && let Some(body) = self.whole_body(content).await?
                {
                    event.draft.body = body;
                }
                facts.push(Arc::new(Logged::new(event)));
            }
            if facts.len() == FOLD {
                break;
            }
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
        let spans = self.spans(session, after).await?;
        self.read(session, &spans, query).await
    }

    /// Events of these spans.
    async fn read(
        &self,
        session: &str,
        spans: &[Span],
        mut query: EventQuery,
    ) -> Result<Vec<Arc<Logged>>, Error> {
        let mut events = Vec::new();
        for span in spans.iter().filter(|span| span.to > query.after) {
            let values = values_of(span, &query);
            let sql = select(&query);
            let rows = if query.limit <= FEW {
                self.db().few(sql, values).await?
            } else {
                self.db().rows(sql, values).await?
            };
            query.limit -= rows.len();
            events.extend(logged(session, rows)?);
            if query.limit == 0 {
                break;
            }
        }
        Ok(events)
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let kinds = [KindFilter::Exact, KindFilter::Prefix, KindFilter::Suffix]
        .map(|kind| Some(kind("x".to_owned())));
    let mut queries = vec![one(), whole()];
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
