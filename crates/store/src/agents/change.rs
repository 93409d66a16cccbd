//! Changing an agent, in the transaction that holds its row.

use crate::agents::{AgentChange, AgentRow, CHANGE, NUMBERED, ONE, read};
use crate::content::json;
use crate::credentials::{self, Prepared};
use crate::db::{Tx, values};
use crate::{Error, NewCredential, Store};

/// A key to be attached: its value is sealed for one row or the other, because
/// only the transaction knows which it will be.
pub(super) struct Attach {
    /// For a credential of its own.
    fresh: Prepared,
    /// For the credential that was attached when this was asked for.
    rotated: Option<(String, Vec<u8>, String)>,
}

impl Store {
    /// Seals a key that is to be attached to an agent.
    pub(super) async fn prepare_for(
        &self,
        org: &str,
        agent: &str,
        key: NewCredential,
    ) -> Result<Attach, Error> {
        let attached = self.agent(org, agent).await?.credential;
        let rotated = match attached.filter(|id| id != "managed") {
            Some(id) => {
                let (sealed, last4) = self.seal(org, &id, &key.secret).await?;
                Some((id, sealed, last4))
            }
            None => None,
        };
        let fresh = self.prepare(org, key).await?;
        Ok(Attach { fresh, rotated })
    }
}

pub(super) async fn one(tx: &mut Tx<'_>, org: &str, id: &str) -> Result<AgentRow, Error> {
    let row = tx.row(ONE, &values![org, id]).await?;
    read(row.ok_or(Error::NotFound)?)
}

/// Gives the attached credential its new value, or attaches one of its own;
/// then the change names it.
pub(super) async fn attach(
    tx: &mut Tx<'_>,
    mut change: AgentChange,
    before: &AgentRow,
    key: Option<Attach>,
) -> Result<AgentChange, Error> {
    let Some(Attach { fresh, rotated }) = key else {
        return Ok(change);
    };
    let attached = change
        .credential
        .take()
        .unwrap_or_else(|| before.credential.clone());
    let mut kept = None;
    if let Some((id, sealed, last4)) = rotated
        && attached.as_ref() == Some(&id)
    {
        kept = match credentials::rotate(tx, &before.org, &id, sealed, last4).await {
            Ok(_) => Some(id),
            // It was deleted: the key becomes a credential of its own.
            Err(Error::NotFound) => None,
            Err(error) => return Err(error),
        };
    }
    let id = match kept {
        Some(id) => id,
        None => fresh.insert(tx).await?.id,
    };
    change.credential = Some(Some(id));
    Ok(change)
}

/// Writes the change, and a revision if prompt, model or skills are new.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    before: AgentRow,
    change: AgentChange,
) -> Result<(), Error> {
    let active = &before.active;
    let (prompt, hash) = change
        .prompt
        .unwrap_or_else(|| (active.prompt.clone(), active.prompt_hash.clone()));
    let model = change.model.unwrap_or_else(|| active.model.clone());
    let skills = change.skills.unwrap_or_else(|| active.skills.clone());
    let mut number = active.number;
    if prompt != active.prompt || model != active.model || skills != active.skills {
        number += 1;
        let revision = values![
            &before.id,
            number,
            &change.revision,
            prompt.into_bytes(),
            hash,
            model,
            change.at,
            skills.as_ref().map(json)
        ];
        tx.exec(NUMBERED, &revision).await?;
    }
    let credential = change.credential.unwrap_or(before.credential);
    let limits = change.limits.unwrap_or(before.limits);
    let policy = change.policy.unwrap_or(before.policy);
    let row = values![
        credential,
        json(&limits),
        number,
        change.at,
        json(&policy),
        &before.org,
        &before.id
    ];
    tx.exec(CHANGE, &row).await.map(drop)
}
