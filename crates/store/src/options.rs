//! Where the truth is kept.

use std::path::PathBuf;

use crate::MasterKey;

/// What a store is opened with.
#[derive(Debug)]
pub struct Options {
    /// The database.
    pub database: Database,
    /// The folder of large bodies.
    pub blobs: PathBuf,
    /// The key that wraps every org's data key.
    pub master: MasterKey,
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
