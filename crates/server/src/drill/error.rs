//! Why a drill cannot be held. What a server does wrong under it is no error:
//! that is what the report is for.

use std::path::PathBuf;

/// The drill itself cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The wish names what there is not.
    #[error("{0}")]
    Wish(String),
    /// A file or folder of the drill.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A child server did not start.
    #[error("a server of the drill did not start; its last words:\n{0}")]
    Child(String),
    /// A tool of the system failed.
    #[error("{0}")]
    Tool(String),
    /// The database refused.
    #[error("the drill needs a database of its own beside yours: {0}")]
    Database(String),
}

impl DrillError {
    pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
