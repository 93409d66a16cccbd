//! Where the truth is kept.

use std::path::PathBuf;
use std::sync::Arc;

use crate::MasterKey;

/// What a store is opened with.
pub struct Options {
    /// The database.
    pub database: Database,
    /// The folder of large bodies.
    pub blobs: PathBuf,
    /// The key that wraps every org's data key.
    pub master: MasterKey,
    /// Told at named moments, for drills; `None` costs nothing.
    pub passed: Option<Passed>,
}

/// Called at a named moment: `append.begun` before an append's transaction,
/// `append.durable` when it is durable and nobody was told yet, `vault.made`,
/// `vault.wrapped` and `vault.swapped` after each step of a change of keys.
pub type Passed = Arc<dyn Fn(&'static str) + Send + Sync>;

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("database", &self.database)
            .field("blobs", &self.blobs)
            .finish_non_exhaustive()
    }
}

/// Which database.
#[derive(Clone)]
pub enum Database {
    /// A file on this machine, for one server.
    Sqlite(PathBuf),
    /// A PostgreSQL address (`postgres://…`), for one server or many.
    Postgres(String),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            // The address may carry a password.
            Self::Postgres(_) => f.write_str("Postgres(…)"),
        }
    }
}
