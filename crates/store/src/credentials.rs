//! Model credentials: write-only for callers, sealed at rest.

use futures::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use session::Millis;

use crate::db::{Row, Tx, values};
use crate::vault::Place;
use crate::{Error, Store};

/// A credential to be made.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// A fresh id.
    pub id: String,
    /// The provider's name.
    pub provider: String,
    /// A name for people.
    pub name: Option<String>,
    /// The provider's key.
    pub secret: SecretString,
    /// Whether it becomes the org's default for its provider.
    pub default: bool,
    /// When.
    pub at: Millis,
}

/// A credential, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// Its id.
    pub id: String,
    /// The provider's name.
    pub provider: String,
    /// A name for people.
    pub name: Option<String>,
    /// The last characters of the value, at most four.
    pub last4: String,
    /// Whether it is the org's default for its provider.
    pub is_default: bool,
    /// When it was made.
    pub created: Millis,
}

const COLUMNS: &str = "id, provider, name, last4, is_default, created";
const INSERT: &str = "INSERT INTO credentials (id, org, provider, name, sealed, last4, is_default, created) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const NO_DEFAULT: &str =
    "UPDATE credentials SET is_default = 0 WHERE org = $1 AND provider = $2 AND is_default = 1";
const DEFAULT: &str = "UPDATE credentials SET is_default = 1 WHERE org = $1 AND id = $2";
const ROTATE: &str = "UPDATE credentials SET sealed = $1, last4 = $2 WHERE org = $3 AND id = $4";
const DELETE: &str = "DELETE FROM credentials WHERE org = $1 AND id = $2";
const SEALED: &str = "SELECT sealed FROM credentials WHERE org = $1 AND id = $2";

fn one() -> String {
    format!("SELECT {COLUMNS} FROM credentials WHERE org = $1 AND id = $2")
}

fn of_org() -> String {
    format!("SELECT {COLUMNS} FROM credentials WHERE org = $1 ORDER BY created DESC, id DESC")
}

fn default() -> String {
    format!("SELECT {COLUMNS} FROM credentials WHERE org = $1 AND provider = $2 AND is_default = 1")
}

fn read(mut row: Row) -> Result<CredentialRow, Error> {
    Ok(CredentialRow {
        id: row.text()?,
        provider: row.text()?,
        name: row.opt_text()?,
        last4: row.text()?,
        is_default: row.yes()?,
        created: row.millis()?,
    })
}

fn place(id: &str) -> Place<'_> {
    Place {
        table: "credentials",
        row: id,
        column: "sealed",
    }
}

/// A credential ready to be written: its value is sealed.
pub(crate) struct Prepared {
    pub(crate) row: CredentialRow,
    org: String,
    sealed: Vec<u8>,
}

impl Store {
    /// Makes a credential.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_credential(
        &self,
        org: &str,
        new: NewCredential,
    ) -> Result<CredentialRow, Error> {
        let prepared = self.prepare(org, new).await?;
        self.db().change(|tx| prepared.insert(tx).boxed()).await
    }

    /// Seals the value of a credential that is to be written.
    pub(crate) async fn prepare(&self, org: &str, new: NewCredential) -> Result<Prepared, Error> {
        let (sealed, last4) = self.seal(org, &new.id, &new.secret).await?;
        Ok(Prepared {
            row: CredentialRow {
                id: new.id,
                provider: new.provider,
                name: new.name,
                last4,
                is_default: new.default,
                created: new.at,
            },
            org: org.to_owned(),
            sealed,
        })
    }

    /// A value sealed for its row, and what is shown of it.
    pub(crate) async fn seal(
        &self,
        org: &str,
        id: &str,
        secret: &SecretString,
    ) -> Result<(Vec<u8>, String), Error> {
        let plain = secret.expose_secret();
        let sealed = self
            .data_key(org)
            .await?
            .seal(place(id), plain.as_bytes())?;
        Ok((sealed, last4(plain)))
    }

    /// All credentials of an org, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn credentials(&self, org: &str) -> Result<Vec<CredentialRow>, Error> {
        let rows = self.db().rows(of_org(), values![org]).await?;
        rows.into_iter().map(read).collect()
    }

    /// One credential.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such credential.
    pub async fn credential(&self, org: &str, id: &str) -> Result<CredentialRow, Error> {
        let row = self.db().row(one(), values![org, id]).await?;
        read(row.ok_or(Error::NotFound)?)
    }

    /// The org's default for a provider.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn default_credential(
        &self,
        org: &str,
        provider: &str,
    ) -> Result<Option<CredentialRow>, Error> {
        let row = self.db().row(default(), values![org, provider]).await?;
        row.map(read).transpose()
    }

    /// The value of a credential, for the model client alone.
    ///
    /// # Errors
    /// [`Error::Sealed`] if it cannot be opened.
    pub async fn credential_secret(
        &self,
        org: &str,
        id: &str,
    ) -> Result<Option<SecretString>, Error> {
        let Some(mut row) = self.db().row(SEALED, values![org, id]).await? else {
            return Ok(None);
        };
        let plain = self.data_key(org).await?.open(place(id), &row.bytes()?)?;
        let text = std::str::from_utf8(plain.expose_secret()).map_err(|_| Error::Sealed)?;
        Ok(Some(SecretString::from(text)))
    }

    /// Gives a credential a new value, for running sessions too.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such credential.
    pub async fn rotate_credential(
        &self,
        org: &str,
        id: &str,
        secret: SecretString,
    ) -> Result<CredentialRow, Error> {
        let (sealed, last4) = self.seal(org, id, &secret).await?;
        let (org, id) = (org.to_owned(), id.to_owned());
        self.db()
            .change(move |tx| async move { rotate(tx, &org, &id, sealed, last4).await }.boxed())
            .await
    }

    /// Makes a credential the org's default for its provider.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such credential.
    pub async fn set_default_credential(
        &self,
        org: &str,
        id: &str,
    ) -> Result<CredentialRow, Error> {
        let (org, id) = (org.to_owned(), id.to_owned());
        self.db()
            .change(move |tx| {
                async move {
                    tx.one_at_a_time().await?;
                    let found = found(tx, &org, &id).await?;
                    tx.exec(NO_DEFAULT, &values![&org, &found.provider]).await?;
                    tx.exec(DEFAULT, &values![&org, &id]).await?;
                    Ok(CredentialRow {
                        is_default: true,
                        ..found
                    })
                }
                .boxed()
            })
            .await
    }

    /// Deletes a credential and its value.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such credential.
    pub async fn delete_credential(&self, org: &str, id: &str) -> Result<(), Error> {
        let values = values![org, id];
        match self.db().exec(DELETE, values).await? {
            0 => Err(Error::NotFound),
            _ => Ok(()),
        }
    }
}

impl Prepared {
    pub(crate) async fn insert(self, tx: &mut Tx<'_>) -> Result<CredentialRow, Error> {
        let Self { row, org, sealed } = self;
        if row.is_default {
            tx.one_at_a_time().await?;
            tx.exec(NO_DEFAULT, &values![&org, &row.provider]).await?;
        }
        let values = values![
            &row.id,
            &org,
            &row.provider,
            row.name.as_ref(),
            sealed,
            &row.last4,
            row.is_default,
            row.created,
        ];
        tx.exec(INSERT, &values).await?;
        Ok(row)
    }
}

/// Gives a credential another sealed value.
pub(crate) async fn rotate(
    tx: &mut Tx<'_>,
    org: &str,
    id: &str,
    sealed: Vec<u8>,
    last4: String,
) -> Result<CredentialRow, Error> {
    tx.exec(ROTATE, &values![sealed, last4, org, id]).await?;
    found(tx, org, id).await
}

async fn found(tx: &mut Tx<'_>, org: &str, id: &str) -> Result<CredentialRow, Error> {
    let row = tx.row(&one(), &values![org, id]).await?;
    read(row.ok_or(Error::NotFound)?)
}

/// What is shown of a value: its last characters, and of a short one none.
pub(crate) fn last4(secret: &str) -> String {
    let all = secret.chars().count();
    let shown = if all < 12 { 0 } else { 4 };
    secret.chars().skip(all - shown).collect()
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let texts = [NO_DEFAULT, DEFAULT, ROTATE, DELETE, SEALED].map(str::to_owned);
    texts
        .into_iter()
        .chain([one(), of_org(), default()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_value_shows_nothing() {
        for (secret, want) in [
            ("", ""),
            ("abcd", ""),
            ("12345678901", ""),
            ("sk-ant-12345", "2345"),
        ] {
            assert_eq!(last4(secret), want);
        }
    }
}
