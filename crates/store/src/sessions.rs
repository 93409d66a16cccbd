//! Sessions as rows: made once, then changed by appends only.

use std::sync::Arc;

use session::{Draft, Frozen, Millis, State};

use crate::db::{Row, Value, values};
use crate::{
    Cursor, Error, Fire, Listed, Logged, NewDestination, Origin, Page, Projection, Store,
    projection,
};

/// A session to be made, with its first facts.
#[derive(Debug)]
pub struct NewSession {
    /// A fresh id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// The caller's routing key.
    pub key: Option<String>,
    /// What makes a repeated request find the first session instead.
    pub once: Option<Once>,
    /// What is frozen with it.
    pub frozen: Frozen,
    /// The caller's own JSON object, kept as its text.
    pub metadata: Option<String>,
    /// When.
    pub at: Millis,
    /// The first facts; at least one.
    pub drafts: Vec<Draft>,
    /// What follows from them.
    pub project: Projection,
    /// The node that drives it from birth, with epoch 1, if one does.
    pub birth: Option<Birth>,
    /// What is written too if it is born with its lease: its turn has begun.
    pub begins: Option<Begins>,
    /// What it is forked from; its first facts then follow that one's.
    pub origin: Option<Origin>,
    /// Who is told of all its facts by webhook.
    pub destinations: Vec<NewDestination>,
    /// The firing of a schedule that begins it.
    pub fire: Option<Fire>,
}

/// Facts that follow the first ones in the same breath.
#[derive(Debug, Clone)]
pub struct Begins {
    /// The facts; at least one.
    pub drafts: Vec<Draft>,
    /// What follows from all of them.
    pub project: Projection,
}

/// A lease held from birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Birth {
    /// The node.
    pub node: String,
    /// Until when.
    pub until: Millis,
    /// Most sessions of the org that may run: with that many, or with others
    /// waiting, it is born free and waits its turn.
    pub most: usize,
}

/// Marks a request as to be done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Keeps kinds of keys apart, such as `session.key`.
    pub scope: &'static str,
    /// The caller's key.
    pub key: String,
    /// Digest of the request: the same key with another request is a conflict.
    pub request: String,
}

/// What became of a request to make a session.
#[derive(Debug)]
pub enum Created {
    /// It was made.
    New {
        /// Its row.
        row: Box<SessionRow>,
        /// Its first events.
        events: Vec<Arc<Logged>>,
        /// Whether it was born with the lease asked for.
        leased: bool,
    },
    /// The same request made this one before.
    Replay(Box<SessionRow>),
    /// The key was used by another request, which made this one.
    Conflict(Box<SessionRow>),
}

/// A session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// The caller's routing key.
    pub key: Option<String>,
    /// When it was made.
    pub created: Millis,
    /// The name of its phase.
    pub status: String,
    /// Newest number of its log.
    pub head: u64,
    /// Newest input the runtime has taken.
    pub input_cursor: u64,
    /// The epoch of its newest lease; 0 before the first.
    pub epoch: u64,
    /// What was frozen. In lists the prompt is left empty.
    pub frozen: Frozen,
    /// The caller's own JSON object as text.
    pub metadata: Option<String>,
    /// What follows from its facts.
    pub state: State,
}

/// Which sessions to list; `None` takes any.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// In this phase, by name.
    pub status: Option<String>,
    /// Of this agent, by id.
    pub agent: Option<String>,
    /// Of this routing key.
    pub key: Option<String>,
    /// Made after this moment.
    pub after: Option<Millis>,
    /// Made before this moment.
    pub before: Option<Millis>,
}

macro_rules! columns {
    ($prompt:literal) => {
        concat!(
            "SELECT s.id, s.org, s.key, s.created, s.status, s.head, s.input_cursor, s.epoch, s.state, ",
            "p.frozen, p.metadata, ", $prompt, " FROM sessions s JOIN pinned p ON p.session = s.id "
        )
    };
}

pub(crate) const ONE: &str = concat!(
    columns!("r.text"),
    "JOIN prompts r ON r.hash = p.prompt WHERE s.org = $1 AND s.id = $2"
);
/// For the driver, which holds the lease and so needs no owner.
pub(crate) const DRIVEN: &str = concat!(
    columns!("r.text"),
    "JOIN prompts r ON r.hash = p.prompt WHERE s.id = $1"
);
const ORG: &str = "SELECT org FROM sessions WHERE id = $1";
const LISTED: &str = concat!(columns!("CAST(NULL AS BYTEA)"), "WHERE s.org = $1");

/// A session from its columns.
pub(crate) fn read(mut row: Row) -> Result<SessionRow, Error> {
    let corrupt = |error: serde_json::Error| Error::Corrupt {
        what: "session",
        why: error.to_string(),
    };
    let mut session = SessionRow {
        id: row.text()?,
        org: row.text()?,
        key: row.opt_text()?,
        created: row.millis()?,
        status: row.text()?,
        head: row.count()?,
        input_cursor: row.count()?,
        epoch: row.count()?,
        state: projection::state(&row.text()?)?,
        frozen: serde_json::from_str(&row.text()?).map_err(corrupt)?,
        metadata: row.opt_text()?,
    };
    session.frozen.prompt =
        String::from_utf8(row.opt_bytes()?.unwrap_or_default()).map_err(|error| {
            Error::Corrupt {
                what: "prompt",
                why: error.to_string(),
            }
        })?;
    Ok(session)
}

/// The list query for these filters, and its values.
fn select(org: &str, filter: SessionFilter, page: &Page) -> (String, Vec<Value>) {
    let SessionFilter {
        status,
        agent,
        key,
        after,
        before,
    } = filter;
    let wants = [
        (" AND s.status = ", status.map(Value::from)),
        (" AND s.agent = ", agent.map(Value::from)),
        (" AND s.key = ", key.map(Value::from)),
        (" AND s.created > ", after.map(Value::from)),
        (" AND s.created < ", before.map(Value::from)),
    ];
    let (mut sql, mut values) = (LISTED.to_owned(), vec![Value::from(org)]);
    for (text, value) in wants {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!("{text}${}", values.len()));
        }
    }
    page.select("s.", &mut sql, &mut values);
    (sql, values)
}

impl Store {
    /// One session.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn session(&self, org: &str, id: &str) -> Result<SessionRow, Error> {
        let row = self.db().row(ONE, values![org, id]).await?;
        read(row.ok_or(Error::NotFound)?)
    }

    /// A session whoever owns it, for the driver and what it looks after; `None`
    /// if there is none.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn driven(&self, id: &str) -> Result<Option<SessionRow>, Error> {
        let row = self.db().row(DRIVEN, values![id]).await?;
        row.map(read).transpose()
    }

    /// The org that owns a session.
    ///
    /// # Errors
    /// [`Error::NotFound`]; if the database cannot be read.
    pub async fn org_of(&self, id: &str) -> Result<String, Error> {
        let row = self.db().row(ORG, values![id]).await?;
        row.ok_or(Error::NotFound)?.text()
    }

    /// Sessions of an org, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn sessions(
        &self,
        org: &str,
        filter: SessionFilter,
        page: Page,
    ) -> Result<Listed<SessionRow>, Error> {
        let (sql, values) = select(org, filter, &page);
        let rows = self.db().rows(sql, values).await?;
        let rows = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(page.cut(rows, |row: &SessionRow| Cursor {
            created: row.created,
            id: row.id.clone(),
        }))
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let some = |yes: usize| (yes != 0).then(|| "x".to_owned());
    let listed = (0..32).map(|bits: usize| {
        let filter = SessionFilter {
            status: some(bits & 1),
            agent: some(bits & 2),
            key: some(bits & 4),
            after: some(bits & 8).map(|_| Millis(1)),
            before: some(bits & 8).map(|_| Millis(9)),
        };
        let after = some(bits & 16).map(|id| Cursor {
            created: Millis(5),
            id,
        });
        select("org", filter, &Page { after, limit: 1 }).0
    });
    listed
        .chain([ONE, DRIVEN, ORG].map(str::to_owned))
        .collect()
}
