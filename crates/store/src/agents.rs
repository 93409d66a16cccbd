//! Agents and their revisions.

use session::{Limits, Millis};

use crate::{Error, Listed, NewCredential, Page, Store};

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
}

/// A change of an agent; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct AgentChange {
    /// A fresh id, for the revision that a new prompt or model makes.
    pub revision: String,
    /// A new prompt and its hash.
    pub prompt: Option<(String, String)>,
    /// A new model.
    pub model: Option<String>,
    /// Another credential; `Some(None)` for the org's default.
    pub credential: Option<Option<String>>,
    /// Other limits.
    pub limits: Option<Limits>,
    /// A new value for the attached credential; becomes a credential of its
    /// own, attached, if none is.
    pub key: Option<NewCredential>,
    /// When.
    pub at: Millis,
}

impl Store {
    /// Makes an agent, or finds the one of that name.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_agent(&self, new: NewAgent) -> Result<AgentCreated, Error> {
        drop(new);
        crate::store::unbuilt()
    }

    /// One agent.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent.
    pub async fn agent(&self, org: &str, id: &str) -> Result<AgentRow, Error> {
        let _ = (org, id);
        crate::store::unbuilt()
    }

    /// One agent by its name.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent.
    pub async fn agent_by_name(&self, org: &str, name: &str) -> Result<AgentRow, Error> {
        let _ = (org, name);
        crate::store::unbuilt()
    }

    /// Agents of an org, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn agents(&self, org: &str, page: Page) -> Result<Listed<AgentRow>, Error> {
        let _ = (org, page);
        crate::store::unbuilt()
    }

    /// Changes an agent; a new prompt or model makes a revision and activates it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent.
    pub async fn change_agent(
        &self,
        org: &str,
        id: &str,
        change: AgentChange,
    ) -> Result<AgentRow, Error> {
        let _ = (org, id, change);
        crate::store::unbuilt()
    }

    /// Deletes an agent: its sessions stay, its name is free.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent.
    pub async fn delete_agent(&self, org: &str, id: &str, at: Millis) -> Result<(), Error> {
        let _ = (org, id, at);
        crate::store::unbuilt()
    }
}
