//! Secrets for sandboxes: write-only values in a store, each bound to its row,
//! its name and the hosts that may be given it. Nobody who can only write to the
//! database can have a value sent elsewhere.

use futures::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use session::Millis;

use crate::content::json;
use crate::db::{Row, Tx, values};
use crate::secret_stores::{self, hosts};
use crate::vault::{Place, Seal};
use crate::{Error, NewSecretStore, Sabotage, Store, leaked};

/// A secret to be set.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// A fresh id, for a secret that is not there yet.
    pub id: String,
    /// Its name: that of a variable in sandboxes.
    pub name: String,
    /// Its value.
    pub value: SecretString,
    /// The hosts that may be given it, empty for all; `None` leaves them as they
    /// are, and a new secret is for all.
    pub hosts: Option<Vec<String>>,
    /// When.
    pub at: Millis,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Its id.
    pub id: String,
    /// Its store.
    pub store: String,
    /// Its name.
    pub name: String,
    /// The last characters of the value, at most four.
    pub last4: String,
    /// The hosts that may be given it; empty for all.
    pub hosts: Vec<String>,
    /// When it was first set.
    pub created: Millis,
    /// When it was last set.
    pub updated: Millis,
}

/// Most secrets of a store: all are looked at for each connection of a sandbox.
const MOST: u64 = 256;

const LISTED: &str = "SELECT x.id, x.store, x.name, x.last4, x.allowed_hosts, x.created, x.updated \
    FROM secrets x WHERE x.store = $1 ORDER BY x.name";
const THERE: &str = "SELECT id, allowed_hosts, created FROM secrets WHERE store = $1 AND name = $2";
const COUNT: &str = "SELECT COUNT(*) FROM secrets WHERE store = $1";
const INSERT: &str = "INSERT INTO secrets (id, store, name, sealed, last4, allowed_hosts, created, updated) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const SET: &str = "UPDATE secrets SET sealed = $1, last4 = $2, allowed_hosts = $3, updated = $4 \
    WHERE store = $5 AND name = $6";
const DELETE: &str = "DELETE FROM secrets WHERE store = $1 AND name = $2";
const VALUE: &str = "SELECT x.id, x.allowed_hosts, x.sealed FROM secret_stores s \
    JOIN secrets x ON x.store = s.id WHERE s.id = $1 AND s.org = $2 AND x.name = $3";

/// What a value is bound to: whoever moves it, renames it or gives it other
/// hosts makes it one that does not open.
fn bound(id: &str, store: &str, name: &str, hosts: &str) -> String {
    format!("{id}|{store}|{name}|{hosts}")
}

fn value_at(row: &str) -> Place<'_> {
    Place {
        table: "secrets",
        row,
        column: "sealed",
    }
}

fn last4_at(row: &str) -> Place<'_> {
    Place {
        table: "secrets",
        row,
        column: "last4",
    }
}

impl Store {
    /// Sets a secret of a store, for running sandboxes too.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such store, [`Error::TooMany`] if it
    /// is full.
    pub async fn put_secret(
        &self,
        org: &str,
        store: &str,
        new: NewSecret,
    ) -> Result<SecretRow, Error> {
        // Looked for first, so that nothing is sealed for nobody.
        self.secret_store(org, store).await?;
        let seal = self.data_key(org).await?;
        let (org, store) = (org.to_owned(), store.to_owned());
        self.db()
            .change(move |tx| async move { put(tx, &seal, &org, store, new).await }.boxed())
            .await
    }

    /// Sets a secret of the store of that name, which is made if there is none.
    ///
    /// # Errors
    /// [`Error::TooMany`] if the store is full; as every write.
    pub async fn put_secret_in(
        &self,
        wanted: NewSecretStore,
        new: NewSecret,
    ) -> Result<SecretRow, Error> {
        let seal = self.data_key(&wanted.org).await?;
        self.db()
            .change(move |tx| {
                async move {
                    tx.one_at_a_time().await?;
                    secret_stores::insert(tx, &wanted).await?;
                    let found = secret_stores::named(tx, &wanted.org, &wanted.name).await?;
                    let store = found.ok_or(Error::NotFound)?.id;
                    put(tx, &seal, &wanted.org, store, new).await
                }
                .boxed()
            })
            .await
    }

    /// All secrets of a store, by name.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such store, [`Error::Sealed`] if
    /// what is shown of a value cannot be opened.
    pub async fn secrets(&self, org: &str, store: &str) -> Result<Vec<SecretRow>, Error> {
        self.secret_store(org, store).await?;
        let rows = self.db().rows(LISTED, values![store]).await?;
        let seal = self.data_key(org).await?;
        rows.into_iter().map(|row| read(&seal, row)).collect()
    }

    /// Deletes a secret; running sandboxes lose it at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such store, or it no such secret.
    pub async fn delete_secret(
        &self,
        org: &str,
        store: &str,
        name: &str,
        at: Millis,
    ) -> Result<(), Error> {
        let (org, store, name) = (org.to_owned(), store.to_owned(), name.to_owned());
        self.db()
            .change(move |tx| {
                async move {
                    secret_stores::touch(tx, &org, &store, at).await?;
                    match tx.exec(DELETE, &values![store, name]).await? {
                        0 => Err(Error::NotFound),
                        _ => Ok(()),
                    }
                }
                .boxed()
            })
            .await
    }

    /// The value of a secret as it is now, for the gate alone.
    ///
    /// # Errors
    /// [`Error::Sealed`] if it cannot be opened: its row was tampered with.
    pub async fn secret_value(
        &self,
        org: &str,
        store: &str,
        name: &str,
    ) -> Result<Option<SecretString>, Error> {
        let Some(mut row) = self.db().row(VALUE, values![store, org, name]).await? else {
            return Ok(None);
        };
        let (id, hosts, sealed) = (row.text()?, row.text()?, row.bytes()?);
        let place = bound(&id, store, name, &hosts);
        let plain = self.data_key(org).await?.open(value_at(&place), &sealed)?;
        let text = std::str::from_utf8(plain.expose_secret()).map_err(|_| Error::Sealed)?;
        let value = SecretString::from(text);
        crate::sabotage::was_read(&value);
        if let Some(value) = leaked(Sabotage::LeakDatabase) {
            self.install_in_the_clear(&value).await?;
        }
        Ok(Some(value))
    }
}

fn read(seal: &Seal, mut row: Row) -> Result<SecretRow, Error> {
    let (id, store, name) = (row.text()?, row.text()?, row.text()?);
    let last4 = seal.open(last4_at(&id), &row.bytes()?)?;
    let last4 = String::from_utf8(last4.expose_secret().clone()).map_err(|_| Error::Sealed)?;
    Ok(SecretRow {
        id,
        store,
        name,
        last4,
        hosts: hosts(&row.text()?)?,
        created: row.millis()?,
        updated: row.millis()?,
    })
}

/// Sets a secret in the transaction that holds its store's row: only there is it
/// known which row and which hosts its value is bound to.
async fn put(
    tx: &mut Tx<'_>,
    seal: &Seal,
    org: &str,
    store: String,
    new: NewSecret,
) -> Result<SecretRow, Error> {
    secret_stores::touch(tx, org, &store, new.at).await?;
    let there = tx.row(THERE, &values![&store, &new.name]).await?;
    let is_new = there.is_none();
    if is_new {
        has_room(tx, &store).await?;
    }
    let (id, kept, created) = match there {
        Some(mut row) => (row.text()?, hosts(&row.text()?)?, row.millis()?),
        None => (new.id, Vec::new(), new.at),
    };
    let hosts = new.hosts.unwrap_or(kept);
    let kept = json(&hosts);
    let plain = new.value.expose_secret();
    let last4 = crate::credentials::last4(plain);
    let place = bound(&id, &store, &new.name, &kept);
    let sealed = seal.seal(value_at(&place), plain.as_bytes())?;
    let shown = seal.seal(last4_at(&id), last4.as_bytes())?;
    if is_new {
        let row = values![&id, &store, &new.name, sealed, shown, kept, created, new.at];
        tx.exec(INSERT, &row).await?;
    } else {
        let row = values![sealed, shown, kept, new.at, &store, &new.name];
        tx.exec(SET, &row).await?;
    }
    Ok(SecretRow {
        id,
        store,
        name: new.name,
        last4,
        hosts,
        created,
        updated: new.at,
    })
}

async fn has_room(tx: &mut Tx<'_>, store: &str) -> Result<(), Error> {
    let count = tx.row(COUNT, &values![store]).await?;
    match count.ok_or(Error::NotFound)?.count()? {
        MOST.. => Err(Error::TooMany { most: MOST }),
        _ => Ok(()),
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [LISTED, THERE, COUNT, SET, DELETE, VALUE]
        .map(str::to_owned)
        .into()
}
