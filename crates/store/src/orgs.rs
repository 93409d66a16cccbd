//! An org's data key: what seals its secrets, itself wrapped by the master key.

use std::sync::Arc;

use crate::db::{Row, Tx, values};
use crate::vault::{Place, Ring, Seal};
use crate::{Error, Store};

const DATA_KEY: &str = "SELECT data_key FROM orgs WHERE id = $1";
const ANY: &str = "SELECT id, data_key FROM orgs LIMIT 1";

/// Where the data key of an org stands.
pub(crate) fn data_key_of(org: &str) -> Place<'_> {
    Place {
        table: "orgs",
        row: org,
        column: "data_key",
    }
}

impl Store {
    /// The key that seals an org's secrets.
    pub(crate) async fn data_key(&self, org: &str) -> Result<Seal, Error> {
        match self.unwrapped(org).await {
            // The master key may have been changed since the row was read.
            Err(Error::Sealed) => self.unwrapped(org).await,
            found => found,
        }
    }

    async fn unwrapped(&self, org: &str) -> Result<Seal, Error> {
        let row = self.db().row(DATA_KEY, values![org]).await?;
        let wrapped = row.ok_or(Error::NotFound)?.bytes()?;
        self.ring().unwrap(data_key_of(org), &wrapped)
    }

    /// Fails if the database was sealed under another master key: better at
    /// the start than at the first secret. Ends a change of keys that was cut off.
    pub(crate) async fn check_master(&self) -> Result<(), Error> {
        match self.db().row(ANY, []).await? {
            None => Ok(()),
            Some(row) => {
                opens(row, self.ring())?;
                self.ring().settle()
            }
        }
    }
}

/// The master key that everything is under now. In a transaction that lets no
/// other do the same, nothing else can be put under the key before it.
pub(crate) async fn master(tx: &mut Tx<'_>, ring: &Ring) -> Result<Arc<Seal>, Error> {
    tx.one_at_a_time().await?;
    if let Some(row) = tx.row(ANY, &[]).await? {
        opens(row, ring)?;
    }
    Ok(ring.now())
}

fn opens(mut row: Row, ring: &Ring) -> Result<(), Error> {
    let org = row.text()?;
    ring.unwrap(data_key_of(&org), &row.bytes()?).map(drop)
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [DATA_KEY, ANY].map(str::to_owned).into()
}
