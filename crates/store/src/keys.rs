//! Orgs and their API keys. A key itself is never stored.

use std::sync::Arc;

use futures::FutureExt;
use session::Millis;
use session::id::Noun;

use crate::db::{Row, Tx, values};
use crate::digest::digest;
use crate::vault::Seal;
use crate::{Error, Store, orgs};

/// An owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Millis,
}

/// A key to be made.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// A fresh id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// A name for people.
    pub name: String,
    /// The key; only its hash and its first characters are kept.
    pub key: &'a str,
    /// When.
    pub at: Millis,
}

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// A name for people.
    pub name: String,
    /// Its first characters, to tell it from others.
    pub prefix: String,
    /// When it was made.
    pub created: Millis,
    /// When it was last seen, to the minute or so.
    pub last_used: Option<Millis>,
    /// Since when it opens nothing.
    pub revoked: Option<Millis>,
}

const DEFAULT_ORG: &str = "default";
/// A key's use is noted at most this often, in milliseconds.
const NOTED: i64 = 60_000;

const COLUMNS: &str = "id, org, name, prefix, created, last_used, revoked";
const ORGS: &str = "SELECT id, name, created FROM orgs ORDER BY created, id";
const ORG: &str = "INSERT INTO orgs (id, name, data_key, created) VALUES ($1, $2, $3, $4)";
const ANY_KEY: &str = "SELECT id FROM keys LIMIT 1";
const KEY: &str = "INSERT INTO keys (id, org, name, hash, prefix, created) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (hash) DO NOTHING";
const NOTE: &str = "UPDATE keys SET last_used = $1 WHERE id = $2";
const REVOKE: &str = "UPDATE keys SET revoked = COALESCE(revoked, $1) WHERE org = $2 AND id = $3";

fn by_hash() -> String {
    format!("SELECT {COLUMNS} FROM keys WHERE hash = $1 AND revoked IS NULL")
}

fn of_org() -> String {
    format!("SELECT {COLUMNS} FROM keys WHERE org = $1 ORDER BY created DESC, id DESC")
}

fn read(mut row: Row) -> Result<KeyRow, Error> {
    Ok(KeyRow {
        id: row.text()?,
        org: row.text()?,
        name: row.text()?,
        prefix: row.text()?,
        created: row.millis()?,
        last_used: row.opt_millis()?,
        revoked: row.opt_millis()?,
    })
}

impl Store {
    /// Makes the default org, and its first key: the given one if it is not
    /// there yet, else this one if there is no key at all. Whether a key was
    /// made. A given key that was revoked stays so.
    ///
    /// # Errors
    /// As every write.
    pub async fn bootstrap(&self, key: &str, given: bool, at: Millis) -> Result<bool, Error> {
        let org = Noun::Org.id(rand::random());
        let ring = Arc::clone(self.ring());
        let (id, key) = (Noun::Key.id(rand::random()), key.to_owned());
        self.db()
            .change(move |tx| {
                async move {
                    let master = orgs::master(tx, &ring).await?;
                    let org = match tx.row(ORGS, &[]).await? {
                        Some(mut row) => row.text()?,
                        None => {
                            let data_key = master.wrap(orgs::data_key_of(&org), &Seal::fresh())?;
                            tx.exec(ORG, &values![&org, DEFAULT_ORG, data_key, at])
                                .await?;
                            org
                        }
                    };
                    if !given && tx.row(ANY_KEY, &[]).await?.is_some() {
                        return Ok(false);
                    }
                    Ok(insert(tx, &id, &org, "first", &key, at).await? == 1)
                }
                .boxed()
            })
            .await
    }

    /// The key, if it is one and not revoked.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn authenticate(&self, key: &str, now: Millis) -> Result<Option<KeyRow>, Error> {
        let Some(row) = self.db().row(by_hash(), values![digest(key)]).await? else {
            return Ok(None);
        };
        let found = read(row)?;
        if found.last_used.is_none_or(|last| now.since(last) >= NOTED) {
            self.note_use(&found.id, now).await;
        }
        Ok(Some(found))
    }

    /// Notes a use, for people; a key opens as well without.
    async fn note_use(&self, id: &str, now: Millis) {
        if let Err(error) = self.db().exec(NOTE, values![now, id]).await {
            tracing::debug!(%error, "the use of a key was not noted");
        }
    }

    /// All orgs, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn orgs(&self) -> Result<Vec<OrgRow>, Error> {
        let rows = self.db().rows(ORGS, []).await?;
        let org = |mut row: Row| {
            Ok(OrgRow {
                id: row.text()?,
                name: row.text()?,
                created: row.millis()?,
            })
        };
        rows.into_iter().map(org).collect()
    }

    /// Makes a key; the same key twice is one.
    ///
    /// # Errors
    /// [`Error::Taken`] if it is a key already.
    pub async fn create_key(&self, new: NewKey<'_>) -> Result<KeyRow, Error> {
        let row = KeyRow {
            prefix: prefix(new.key),
            id: new.id,
            org: new.org,
            name: new.name,
            created: new.at,
            last_used: None,
            revoked: None,
        };
        let (made, key) = (row.clone(), new.key.to_owned());
        self.db()
            .change(move |tx| {
                async move {
                    match insert(tx, &made.id, &made.org, &made.name, &key, made.created).await? {
                        0 => Err(Error::Taken),
                        _ => Ok(()),
                    }
                }
                .boxed()
            })
            .await?;
        Ok(row)
    }

    /// All keys of an org, newest first; revoked ones too.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn keys(&self, org: &str) -> Result<Vec<KeyRow>, Error> {
        let rows = self.db().rows(of_org(), values![org]).await?;
        rows.into_iter().map(read).collect()
    }

    /// Makes a key open nothing from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such key.
    pub async fn revoke_key(&self, org: &str, id: &str, at: Millis) -> Result<(), Error> {
        let values = values![at, org, id];
        match self.db().exec(REVOKE, values).await? {
            0 => Err(Error::NotFound),
            _ => Ok(()),
        }
    }
}

async fn insert(
    tx: &mut Tx<'_>,
    id: &str,
    org: &str,
    name: &str,
    key: &str,
    at: Millis,
) -> Result<u64, Error> {
    tx.exec(KEY, &values![id, org, name, digest(key), prefix(key), at])
        .await
}

/// The first characters of a key, as it is shown.
fn prefix(key: &str) -> String {
    key.chars().take(8).collect()
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [ORGS, ANY_KEY, NOTE, REVOKE]
        .map(str::to_owned)
        .into_iter()
        .chain([by_hash(), of_org()])
        .collect()
}
