//! Secret stores: an org's named sets of secrets for sandboxes, each with the
//! hosts it lets them reach. It knows no value: those are in `secrets`.

use futures::FutureExt;
use session::Millis;

use crate::content::json;
use crate::db::{Row, Tx, values};
use crate::{Error, Store};

/// A store to be made.
#[derive(Debug, Clone)]
pub struct NewSecretStore {
    /// A fresh id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// Its name, unique within the org.
    pub name: String,
    /// The hosts it lets sandboxes reach; empty for all.
    pub allowlist: Vec<String>,
    /// When.
    pub at: Millis,
}

/// A store, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretStoreRow {
    /// Its id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// Its name.
    pub name: String,
    /// The hosts it lets sandboxes reach; empty for all.
    pub allowlist: Vec<String>,
    /// When it was made.
    pub created: Millis,
    /// When it or one of its secrets was last changed.
    pub updated: Millis,
}

/// A change of a store; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct SecretStoreChange {
    /// Another name.
    pub name: Option<String>,
    /// Other hosts, in place of all there are.
    pub allowlist: Option<Vec<String>>,
    /// When.
    pub at: Millis,
}

macro_rules! columns {
    ($where:literal) => {
        concat!(
            "SELECT id, org, name, egress_allowlist, created, updated FROM secret_stores WHERE org = $1 ",
            $where
        )
    };
}

const ONE: &str = columns!("AND id = $2");
const NAMED: &str = columns!("AND name = $2");
const LISTED: &str = columns!("ORDER BY created DESC, id DESC");
const INSERT: &str = "INSERT INTO secret_stores (id, org, name, egress_allowlist, created, updated) \
    VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (org, name) DO NOTHING";
const TOUCH: &str = "UPDATE secret_stores SET updated = $1 WHERE org = $2 AND id = $3";
const CHANGE: &str =
    "UPDATE secret_stores SET name = $1, egress_allowlist = $2 WHERE org = $3 AND id = $4";
const DELETE: &str = "DELETE FROM secret_stores WHERE org = $1 AND id = $2";
const EMPTY: &str = "DELETE FROM secrets WHERE store = $1";

fn read(mut row: Row) -> Result<SecretStoreRow, Error> {
    Ok(SecretStoreRow {
        id: row.text()?,
        org: row.text()?,
        name: row.text()?,
        allowlist: hosts(&row.text()?)?,
        created: row.millis()?,
        updated: row.millis()?,
    })
}

/// The hosts of a row.
pub(crate) fn hosts(text: &str) -> Result<Vec<String>, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt {
        what: "list of hosts",
        why: error.to_string(),
    })
}

impl Store {
    /// Makes a store.
    ///
    /// # Errors
    /// [`Error::Taken`] if the org has one of that name.
    pub async fn create_secret_store(&self, new: NewSecretStore) -> Result<SecretStoreRow, Error> {
        self.db()
            .change(move |tx| {
                async move {
                    // A rename looks first and writes then.
                    tx.one_at_a_time().await?;
                    match insert(tx, &new).await? {
                        0 => Err(Error::Taken),
                        _ => one(tx, &new.org, &new.id).await,
                    }
                }
                .boxed()
            })
            .await
    }

    /// All stores of an org, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn secret_stores(&self, org: &str) -> Result<Vec<SecretStoreRow>, Error> {
        let rows = self.db().rows(LISTED, values![org]).await?;
        rows.into_iter().map(read).collect()
    }

    /// One store.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such store.
    pub async fn secret_store(&self, org: &str, id: &str) -> Result<SecretStoreRow, Error> {
        let row = self.db().row(ONE, values![org, id]).await?;
        read(row.ok_or(Error::NotFound)?)
    }

    /// One store by its name.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no store of that name.
    pub async fn secret_store_by_name(
        &self,
        org: &str,
        name: &str,
    ) -> Result<SecretStoreRow, Error> {
        let row = self.db().row(NAMED, values![org, name]).await?;
        read(row.ok_or(Error::NotFound)?)
    }

    /// Changes a store, for running sandboxes too.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such store, [`Error::Taken`] if it
    /// has another one of the new name.
    pub async fn update_secret_store(
        &self,
        org: &str,
        id: &str,
        change: SecretStoreChange,
    ) -> Result<SecretStoreRow, Error> {
        let (org, id) = (org.to_owned(), id.to_owned());
        self.db()
            .change(move |tx| {
                async move {
                    tx.one_at_a_time().await?;
                    touch(tx, &org, &id, change.at).await?;
                    let before = one(tx, &org, &id).await?;
                    apply(tx, before, change).await?;
                    one(tx, &org, &id).await
                }
                .boxed()
            })
            .await
    }

    /// Deletes a store and all its secrets; running sandboxes lose them at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such store.
    pub async fn delete_secret_store(&self, org: &str, id: &str) -> Result<(), Error> {
        let (org, id) = (org.to_owned(), id.to_owned());
        self.db()
            .change(move |tx| {
                async move {
                    if tx.exec(DELETE, &values![org, &id]).await? == 0 {
                        return Err(Error::NotFound);
                    }
                    tx.exec(EMPTY, &values![id]).await.map(drop)
                }
                .boxed()
            })
            .await
    }
}

/// Makes a store if its name is free; how many were made.
pub(crate) async fn insert(tx: &mut Tx<'_>, new: &NewSecretStore) -> Result<u64, Error> {
    let row = values![&new.id, &new.org, &new.name, json(&new.allowlist), new.at];
    tx.exec(INSERT, &row).await
}

/// Takes the row of a store, so that changes of it and of its secrets follow
/// each other.
pub(crate) async fn touch(tx: &mut Tx<'_>, org: &str, id: &str, at: Millis) -> Result<(), Error> {
    match tx.exec(TOUCH, &values![at, org, id]).await? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// The store of that name, in a transaction.
pub(crate) async fn named(
    tx: &mut Tx<'_>,
    org: &str,
    name: &str,
) -> Result<Option<SecretStoreRow>, Error> {
    let row = tx.row(NAMED, &values![org, name]).await?;
    row.map(read).transpose()
}

async fn one(tx: &mut Tx<'_>, org: &str, id: &str) -> Result<SecretStoreRow, Error> {
    let row = tx.row(ONE, &values![org, id]).await?;
    read(row.ok_or(Error::NotFound)?)
}

async fn apply(
    tx: &mut Tx<'_>,
    before: SecretStoreRow,
    change: SecretStoreChange,
) -> Result<(), Error> {
    let name = change.name.unwrap_or_else(|| before.name.clone());
    let other = named(tx, &before.org, &name).await?;
    if other.is_some_and(|other| other.id != before.id) {
        return Err(Error::Taken);
    }
    let allowlist = change.allowlist.unwrap_or(before.allowlist);
    let row = values![name, json(&allowlist), &before.org, &before.id];
    tx.exec(CHANGE, &row).await.map(drop)
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [ONE, NAMED, LISTED, TOUCH, CHANGE, DELETE, EMPTY]
        .map(str::to_owned)
        .into()
}
