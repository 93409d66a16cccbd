//! Being the only server on an embedded database. Leases tell nodes apart that
//! share one; a server that is alone need not wait for those of its own past,
//! and so goes on at once after a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Database, Error, Store};

// The rows stay: by them it is found what the servers before held.
const FREE_ALL: &str = "UPDATE nodes SET until = 0";

/// The lock of a server on its embedded database; the system lets go of it when
/// the process ends, however it ends.
pub(crate) struct Lock {
    path: Option<PathBuf>,
    held: Mutex<Option<File>>,
}

impl Lock {
    pub(crate) fn of(database: &Database) -> Self {
        let path = match database {
            Database::Sqlite(path) => Some(path.with_extension("lock")),
            Database::Postgres(_) => None,
        };
        Self {
            path,
            held: Mutex::default(),
        }
    }

    /// Whether this process holds it from now on.
    fn take(&self) -> Result<bool, Error> {
        let Some(path) = &self.path else {
            return Ok(false);
        };
        let failed = |source| Error::File {
            path: path.clone(),
            source: Arc::new(source),
        };
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub(crate) fn release(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Store {
    /// For a server at its start: whether no other server runs on the same
    /// embedded database. If so, the leases of servers before it are free, and
    /// none other can claim to be alone until this store is closed. Always
    /// `false` on PostgreSQL, where leases run out by themselves.
    ///
    /// # Errors
    /// If the lock file cannot be used; as every write.
    pub async fn alone(&self) -> Result<bool, Error> {
        if !self.lock().take()? {
            return Ok(false);
        }
        self.db().exec(FREE_ALL, []).await?;
        Ok(true)
    }
}
