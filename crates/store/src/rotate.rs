//! Changing the master key while servers run: every key it wraps, and every value
//! under it, goes over to the next one in one transaction. What data keys seal
//! stays as it is.

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use secrecy::ExposeSecret;

use crate::db::{Tx, values};
use crate::vault::{KeyFile, Ring, Seal};
use crate::{Error, Store, install, orgs};

const ORGS: &str = "SELECT id, data_key FROM orgs ORDER BY id";
const ORG: &str = "UPDATE orgs SET data_key = $1 WHERE id = $2";
const INSTALL: &str = "SELECT name, sealed FROM install ORDER BY name";
const ONE: &str = "UPDATE install SET sealed = $1 WHERE name = $2";

/// What went over to a new master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// Data keys of orgs.
    pub orgs: usize,
    /// Secrets of the installation.
    pub install: usize,
}

impl Store {
    /// Makes the next master key and leaves it beside the key's file, to be put
    /// beside those of other nodes before the change; where it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the key has no file, [`Error::Taken`] if somebody
    /// changes it right now.
    pub fn prepare_master(&self) -> Result<PathBuf, Error> {
        let file = self.key_file()?;
        let _held = file.hold()?.ok_or(Error::Taken)?;
        file.make_next(&self.ring().now())?;
        Ok(file.next())
    }

    /// Changes the master key. However this is cut off, the key that is left opens
    /// the database; a store that runs meanwhile goes on.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the key has no file or nothing is under it yet,
    /// [`Error::Taken`] if somebody changes it right now, [`Error::Sealed`] if something is under another key
    /// (then nothing was changed); as every write.
    pub async fn rotate_master(&self) -> Result<Rotated, Error> {
        let file = self.key_file()?;
        let _held = file.hold()?.ok_or(Error::Taken)?;
        let next = Arc::new(file.make_next(&self.ring().now())?);
        self.passed("vault.made");
        let (ring, key) = (Arc::clone(self.ring()), Arc::clone(&next));
        let rotated = self
            .db()
            .change(move |tx| async move { rewrap(tx, &ring, &key).await }.boxed())
            .await?;
        self.passed("vault.wrapped");
        file.swap(&next)?;
        self.passed("vault.swapped");
        self.ring().set(next);
        Ok(rotated)
    }

    fn key_file(&self) -> Result<&KeyFile, Error> {
        self.ring().file().ok_or(Error::NotFound)
    }
}

/// Puts everything under the next key. Nobody else puts something under the key
/// before it meanwhile.
async fn rewrap(tx: &mut Tx<'_>, ring: &Ring, next: &Seal) -> Result<Rotated, Error> {
    tx.one_at_a_time().await?;
    let mut data_keys = Vec::new();
    for mut row in tx.rows(ORGS, &[]).await? {
        let org = row.text()?;
        let place = orgs::data_key_of(&org);
        let data_key = ring.unwrap(place, &row.bytes()?)?;
        data_keys.push(values![next.wrap(place, &data_key)?, &org].to_vec());
    }
    let mut values = Vec::new();
    for mut row in tx.rows(INSTALL, &[]).await? {
        let name = row.text()?;
        let place = install::place(&name);
        let plain = ring.open(place, &row.bytes()?)?;
        values.push(values![next.seal(place, plain.expose_secret())?, &name].to_vec());
    }
    if data_keys.is_empty() && values.is_empty() {
        return Err(Error::NotFound);
    }
    tx.exec_each(ORG, &data_keys).await?;
    tx.exec_each(ONE, &values).await?;
    Ok(Rotated {
        orgs: data_keys.len(),
        install: values.len(),
    })
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [ORGS, ORG, INSTALL, ONE].map(str::to_owned).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use session::Millis;

    use super::*;
    use crate::{Database, MasterKey, Options};

    fn holds(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_database_holds_no_key_before_or_after() {
        let folder = tempfile::tempdir().unwrap();
        let master = folder.path().join("master.key");
        let database = folder.path().join("db");
        std::fs::create_dir(&database).unwrap();
        let options = Options {
            database: Database::Sqlite(database.join("oc.db")),
            blobs: folder.path().join("blobs"),
            master: MasterKey::load_or_create(&master).unwrap(),
            passed: None,
        };
        let store = Store::open(options).await.unwrap();
        store.bootstrap("osb_1", false, Millis(1)).await.unwrap();
        let org = store.orgs().await.unwrap().remove(0).id;
        let mut keys = vec![
            store.ring().now(),
            Arc::new(store.data_key(&org).await.unwrap()),
        ];
        store.rotate_master().await.unwrap();
        keys.push(store.ring().now());
        store.close().await;
        let files = std::fs::read_dir(&database).unwrap();
        let bytes: Vec<u8> = files
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect();
        assert!(holds(&bytes, org.as_bytes()), "this is where things are");
        assert!(!keys[0].same(&keys[2]), "the key was changed");
        for key in keys {
            let hex: String = key.bytes().iter().map(|b| format!("{b:02x}")).collect();
            assert!(!holds(&bytes, key.bytes()) && !holds(&bytes, hex.as_bytes()));
        }
    }
}
