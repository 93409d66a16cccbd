//! Secrets of the whole installation (the key of sealed tokens, the gate's
//! authority), under the master key itself: nodes of one database share them.

use std::sync::Arc;

use futures::FutureExt;
use secrecy::{ExposeSecret, SecretBox};

use crate::db::{Tx, values};
use crate::vault::{Place, Ring};
use crate::{Error, Store, orgs};

const ONE: &str = "SELECT sealed FROM install WHERE name = $1";
const INSERT: &str =
    "INSERT INTO install (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

/// Where an installation's secret stands.
pub(crate) fn place(name: &str) -> Place<'_> {
    Place {
        table: "install",
        row: name,
        column: "sealed",
    }
}

impl Store {
    /// The secret of that name; this fresh one if there was none. Of two nodes
    /// that bring one at once, both get the same.
    ///
    /// # Errors
    /// [`Error::Sealed`] if it cannot be opened; as every write.
    pub async fn install_secret(
        &self,
        name: &str,
        fresh: impl FnOnce() -> Vec<u8>,
    ) -> Result<SecretBox<Vec<u8>>, Error> {
        if let Some(found) = self.installed(name).await? {
            return Ok(found);
        }
        let fresh = SecretBox::new(Box::new(fresh()));
        let (name_of, ring) = (name.to_owned(), Arc::clone(self.ring()));
        self.db()
            .change(move |tx| async move { insert(tx, &ring, name_of, &fresh).await }.boxed())
            .await?;
        self.installed(name).await?.ok_or(Error::NotFound)
    }

    async fn installed(&self, name: &str) -> Result<Option<SecretBox<Vec<u8>>>, Error> {
        match self.opened(name).await {
            // The master key may have been changed since the row was read.
            Err(Error::Sealed) => self.opened(name).await,
            found => found,
        }
    }

    async fn opened(&self, name: &str) -> Result<Option<SecretBox<Vec<u8>>>, Error> {
        let Some(mut row) = self.db().row(ONE, values![name]).await? else {
            return Ok(None);
        };
        self.ring().open(place(name), &row.bytes()?).map(Some)
    }
}

impl Store {
    /// Writes a value as it is, where that is the sabotage asked for.
    pub(crate) async fn install_in_the_clear(&self, value: &str) -> Result<(), Error> {
        let row = values!["in the clear", value.as_bytes().to_vec()];
        self.db()
            .change(move |tx| async move { tx.exec(INSERT, &row).await.map(drop) }.boxed())
            .await
    }
}

/// Seals it in the transaction that knows which master key is the one.
async fn insert(
    tx: &mut Tx<'_>,
    ring: &Ring,
    name: String,
    fresh: &SecretBox<Vec<u8>>,
) -> Result<(), Error> {
    let master = orgs::master(tx, ring).await?;
    let sealed = master.seal(place(&name), fresh.expose_secret())?;
    tx.exec(INSERT, &values![name, sealed]).await.map(drop)
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    vec![ONE.to_owned()]
}
