//! What callers do differently when a sandbox does not do as asked.

use std::io;

use guest::file::FileError;

/// Why the hands did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sandbox is gone; what it held that was not saved is lost. Obtain another.
    #[error("the sandbox is gone: {0}")]
    Lost(String),
    /// Not now: no room for another sandbox, or a limit that cannot be had here.
    #[error("refused: {0}")]
    Refused(String),
    /// No answer in time. Whether anything happened is not known; ask `known`.
    #[error("no answer in time: {0}")]
    Deadline(&'static str),
    /// The guest said something that makes no sense.
    #[error("the guest broke the protocol: {0}")]
    Protocol(String),
    /// A sandbox could not be started.
    #[error("a sandbox could not be started: {0}")]
    Launch(String),
    /// The exec's result was acknowledged before; it is not run again.
    #[error("`{0}` was done and acknowledged before")]
    Acked(String),
    /// The file operation was not done; nothing changed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A checkpoint cannot be restored: a piece of it is missing or not what was kept.
    #[error("the checkpoint is damaged: {0}")]
    Damaged(String),
    /// The host's own files or sockets failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// An [`Error::Io`] with what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
