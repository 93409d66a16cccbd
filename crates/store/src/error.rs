//! What can go wrong, by what a caller does about it.

use std::path::PathBuf;
use std::sync::Arc;

/// Why an operation did not happen. Nothing of a failed operation is kept,
/// except after [`Error::Unavailable`]: there the outcome may be unknown.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The log has grown since the caller read it: read it again and decide anew.
    #[error("the log has grown to {head}")]
    Stale {
        /// The newest number now.
        head: u64,
    },
    /// Another node has the lease: write nothing more.
    #[error("the lease belongs to another node now")]
    Fenced,
    /// A message of that key was said before.
    #[error("said before, as number {seq}")]
    Replayed {
        /// The fact it became.
        seq: u64,
    },
    /// There is no such row, or it belongs to another org.
    #[error("not found")]
    NotFound,
    /// What must be unique is there already.
    #[error("there is one like it already")]
    Taken,
    /// There are as many as there may be.
    #[error("there are {most} already, and there may be no more")]
    TooMany {
        /// How many there may be.
        most: u64,
    },
    /// The disk is full. Nothing was written; trying later may help.
    #[error("the disk is full")]
    Full,
    /// The database cannot be reached or did not answer in time.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Nothing can be promised any more: the process must stop.
    #[error("the store failed for good: {0}")]
    Fatal(String),
    /// A stored row is not what was written.
    #[error("a stored {what} cannot be read: {why}")]
    Corrupt {
        /// The kind of row.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A piece of a checkpoint is gone or is not what was put.
    #[error("the piece {0} of a checkpoint is damaged")]
    Damaged(String),
    /// A secret cannot be opened: it was moved or changed, or the master key
    /// is another one.
    #[error("a secret cannot be opened with this master key")]
    Sealed,
    /// A file or folder cannot be used.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The database refused a statement: a defect, or a foreign schema.
    #[error("the database refused: {0}")]
    Database(String),
    /// A text holds a NUL character, which no database of ours can keep.
    #[error("a text holds a NUL character")]
    Nul,
}

/// Why the store takes no writes now; for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Reason(pub String);
