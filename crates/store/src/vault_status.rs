//! What the vault holds and whether its key opens it, for an operator. It counts
//! and opens keys; it shows and opens no value of a user.

use std::path::PathBuf;

use crate::db::values;
use crate::{Error, Store, orgs};

/// What the vault holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultStatus {
    /// Data keys, one to an org; all of them open.
    pub orgs: u64,
    /// Model keys.
    pub credentials: u64,
    /// Secret stores.
    pub stores: u64,
    /// Secrets in them.
    pub secrets: u64,
    /// Secrets of the installation.
    pub install: u64,
    /// The next master key, where one waits.
    pub next: Option<PathBuf>,
}

const COUNTS: &str = "SELECT (SELECT COUNT(*) FROM credentials), (SELECT COUNT(*) FROM secret_stores), \
    (SELECT COUNT(*) FROM secrets), (SELECT COUNT(*) FROM install)";
const KEYS: &str = "SELECT id, data_key FROM orgs ORDER BY created, id";

impl Store {
    /// Looks at the vault.
    ///
    /// # Errors
    /// [`Error::Sealed`] if a data key does not open with the master key.
    pub async fn vault_status(&self) -> Result<VaultStatus, Error> {
        let rows = self.db().rows(KEYS, values![]).await?;
        let orgs = rows.len() as u64;
        for mut row in rows {
            let org = row.text()?;
            self.ring().unwrap(orgs::data_key_of(&org), &row.bytes()?)?;
        }
        let counts = self.db().row(COUNTS, values![]).await?;
        let mut counts = counts.ok_or(Error::NotFound)?;
        let next = self.ring().file().map(crate::vault::KeyFile::next);
        Ok(VaultStatus {
            orgs,
            credentials: counts.count()?,
            stores: counts.count()?,
            secrets: counts.count()?,
            install: counts.count()?,
            next: next.filter(|path| path.exists()),
        })
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [COUNTS, KEYS].map(str::to_owned).into()
}
