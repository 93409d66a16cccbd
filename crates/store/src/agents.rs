//! Agents and their revisions.

mod change;
mod create;
mod policy;

use futures::FutureExt;
use session::{Limits, Millis};

use crate::db::{Row, Value, values};
use crate::{Bundle, Cursor, Error, Listed, NewCredential, Page, Store, hooks, schedules};
use change::{apply, attach, one};
use create::create;
pub use policy::Policy;

/// An agent to be made, with its first revision.
#[derive(Debug)]
pub struct NewAgent {
    /// A fresh id.
    pub id: String,
    /// A fresh id of its first revision.
    pub revision: String,
    /// Its owner.
    pub org: String,
    /// Its name, unique within the org.
    pub name: String,
    /// Its runtime.
    pub runtime: String,
    /// Its system prompt.
    pub prompt: String,
    /// `sha256:` and the hex digest of the prompt.
    pub prompt_hash: String,
    /// Its model, as `provider/name`.
    pub model: String,
    /// Defaults for its sessions.
    pub limits: Limits,
    /// What it allows besides.
    pub policy: Policy,
    /// `managed` or a credential's id; `None` for the org's default.
    pub credential: Option<String>,
    /// A model key brought along: becomes a credential, attached.
    pub key: Option<NewCredential>,
    /// When.
    pub at: Millis,
}

/// What became of a request to make an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentCreated {
    /// It was made.
    New(AgentRow),
    /// One of that name is there, and is the same.
    Same(AgentRow),
    /// One of that name is there, and differs in these fields.
    Differs(AgentRow, Vec<&'static str>),
}

/// An agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentRow {
    /// Its id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// Its name.
    pub name: String,
    /// Its runtime.
    pub runtime: String,
    /// `managed` or a credential's id; `None` for the org's default.
    pub credential: Option<String>,
    /// Defaults for its sessions.
    pub limits: Limits,
    /// What it allows besides.
    pub policy: Policy,
    /// When it was made.
    pub created: Millis,
    /// When it was last changed.
    pub updated: Millis,
    /// The revision that new sessions get.
    pub active: RevisionRow,
}

/// A frozen revision of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionRow {
    /// Its id.
    pub id: String,
    /// From 1.
    pub number: u32,
    /// The system prompt.
    pub prompt: String,
    /// `sha256:` and the hex digest of the prompt.
    pub prompt_hash: String,
    /// The model, as `provider/name`.
    pub model: String,
    /// When it was made.
    pub created: Millis,
    /// Its skills.
    pub skills: Option<Bundle>,
}

/// A change of an agent; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct AgentChange {
    /// A fresh id, for the revision that a new prompt, model or bundle of skills makes.
    pub revision: String,
    /// A new prompt and its hash.
    pub prompt: Option<(String, String)>,
    /// A new model.
    pub model: Option<String>,
    /// Other skills; `Some(None)` for none.
    pub skills: Option<Option<Bundle>>,
    /// Another credential; `Some(None)` for the org's default.
    pub credential: Option<Option<String>>,
    /// Other limits.
    pub limits: Option<Limits>,
    /// Another policy.
    pub policy: Option<Policy>,
    /// A new value for the attached credential; becomes a credential of its
    /// own, attached, if none is.
    pub key: Option<NewCredential>,
    /// When.
    pub at: Millis,
}

const NUMBERED: &str = "INSERT INTO revisions (agent, number, id, prompt, prompt_hash, model, created, skills) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const INSERT: &str = "INSERT INTO agents (id, org, name, runtime, credential, limits, revision, created, updated, policy) \
    VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7, $8) ON CONFLICT (org, name) WHERE deleted IS NULL DO NOTHING";
const CHANGE: &str = "UPDATE agents SET credential = $1, limits = $2, revision = $3, updated = $4, policy = $5 \
    WHERE org = $6 AND id = $7 AND deleted IS NULL";
const DELETE: &str =
    "UPDATE agents SET deleted = $1 WHERE org = $2 AND id = $3 AND deleted IS NULL";
const LOCK: &str = "UPDATE agents SET updated = $1 WHERE org = $2 AND id = $3 AND deleted IS NULL";

macro_rules! columns {
    ($where:literal) => {
        concat!(
            "SELECT a.id, a.org, a.name, a.runtime, a.credential, a.limits, a.policy, a.created, a.updated, ",
            "r.id, r.number, r.prompt, r.prompt_hash, r.model, r.created, r.skills FROM agents a ",
            "JOIN revisions r ON r.agent = a.id AND r.number = a.revision WHERE a.org = $1 AND a.deleted IS NULL",
            $where
        )
    };
}

const ONE: &str = columns!(" AND a.id = $2");
const NAMED: &str = columns!(" AND a.name = $2");
const LISTED: &str = columns!("");

fn read(mut row: Row) -> Result<AgentRow, Error> {
    Ok(AgentRow {
        id: row.text()?,
        org: row.text()?,
        name: row.text()?,
        runtime: row.text()?,
        credential: row.opt_text()?,
        limits: part(&row.text()?, "its limits")?,
        policy: part(&row.text()?, "its policy")?,
        created: row.millis()?,
        updated: row.millis()?,
        active: RevisionRow {
            id: row.text()?,
            number: u32::try_from(row.count()?).map_err(|_| corrupt("its number"))?,
            prompt: String::from_utf8(row.bytes()?).map_err(|_| corrupt("its prompt"))?,
            prompt_hash: row.text()?,
            model: row.text()?,
            created: row.millis()?,
            skills: row
                .opt_text()?
                .map(|text| part(&text, "its skills"))
                .transpose()?,
        },
    })
}

fn part<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|_| corrupt(what))
}

fn corrupt(why: &str) -> Error {
    Error::Corrupt {
        what: "agent",
        why: why.to_owned(),
    }
}

impl Store {
    /// Makes an agent, or finds the one of that name. A key brought along is
    /// kept only if the agent is made.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_agent(&self, mut new: NewAgent) -> Result<AgentCreated, Error> {
        let key = match new.key.take() {
            Some(key) => Some(self.prepare(&new.org, key).await?),
            None => None,
        };
        self.db().change(|tx| create(tx, new, key).boxed()).await
    }

    /// One agent.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent.
    pub async fn agent(&self, org: &str, id: &str) -> Result<AgentRow, Error> {
        let row = self.db().row(ONE, values![org, id]).await?;
        read(row.ok_or(Error::NotFound)?)
    }

    /// One agent by its name.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent.
    pub async fn agent_by_name(&self, org: &str, name: &str) -> Result<AgentRow, Error> {
        let row = self.db().row(NAMED, values![org, name]).await?;
        read(row.ok_or(Error::NotFound)?)
    }

    /// Agents of an org, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn agents(&self, org: &str, page: Page) -> Result<Listed<AgentRow>, Error> {
        let (mut sql, mut values) = (LISTED.to_owned(), vec![Value::from(org)]);
        page.select("a.", &mut sql, &mut values);
        let rows = self.db().rows(sql, values).await?;
        let rows = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(page.cut(rows, |row: &AgentRow| Cursor {
            created: row.created,
            id: row.id.clone(),
        }))
    }

    /// Changes an agent; a new prompt, model or bundle of skills makes a
    /// revision and activates it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent.
    pub async fn change_agent(
        &self,
        org: &str,
        id: &str,
        mut change: AgentChange,
    ) -> Result<AgentRow, Error> {
        let key = match change.key.take() {
            Some(key) => Some(self.prepare_for(org, id, key).await?),
            None => None,
        };
        let (org, id) = (org.to_owned(), id.to_owned());
        self.db()
            .change(move |tx| {
                async move {
                    // The row is taken first, so that two changes follow each other.
                    if tx.exec(LOCK, &values![change.at, &org, &id]).await? == 0 {
                        return Err(Error::NotFound);
                    }
                    let before = one(tx, &org, &id).await?;
                    let change = attach(tx, change, &before, key).await?;
                    apply(tx, before, change).await?;
                    one(tx, &org, &id).await
                }
                .boxed()
            })
            .await
    }

    /// Deletes an agent: its sessions stay, its schedules and hooks end, its name is
    /// free.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent.
    pub async fn delete_agent(&self, org: &str, id: &str, at: Millis) -> Result<(), Error> {
        let (org, id) = (org.to_owned(), id.to_owned());
        self.db()
            .change(move |tx| {
                async move {
                    if tx.exec(DELETE, &values![at, &org, &id]).await? == 0 {
                        return Err(Error::NotFound);
                    }
                    schedules::end(tx, &org, &id, at).await?;
                    hooks::end(tx, &id, at).await
                }
                .boxed()
            })
            .await
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let listed = [
        None,
        Some(Cursor {
            created: Millis(5),
            id: "x".to_owned(),
        }),
    ]
    .map(|after| {
        let (mut sql, mut values) = (LISTED.to_owned(), vec![Value::from("org")]);
        Page { after, limit: 1 }.select("a.", &mut sql, &mut values);
        sql
    });
    let texts = [ONE, NAMED, CHANGE, DELETE, LOCK].map(str::to_owned);
    listed.into_iter().chain(texts).collect()
}
