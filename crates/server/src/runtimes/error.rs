//! Why a runtime cannot be installed, found or removed.

use std::io;
use std::path::{Path, PathBuf};

/// Why a runtime cannot be installed, found or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody knows a runtime of that name.
    #[error("there is no runtime `{0}`; `oc runtime list` shows which there are")]
    Unknown(String),
    /// The name cannot be one of a runtime.
    #[error("`{0}` cannot name a runtime: {1}")]
    Name(String, &'static str),
    /// It is not installed.
    #[error("the runtime `{0}` is not installed")]
    Missing(String),
    /// There is no package for this machine.
    #[error("there is no package of `{0}` for {1} processors")]
    Processor(&'static str, String),
    /// That names no version.
    #[error("`{0}` is no version: give one as `1.2.3`")]
    Version(String),
    /// Another install or remove is at work.
    #[error("another `oc runtime` command works in {0}; wait for its end")]
    Busy(PathBuf),
    /// The registry cannot be asked, or has no such package.
    #[error("{0}")]
    Registry(String),
    /// What came is not what was published.
    #[error("what came is not {package}: its hash is {got}, not {want}. Nothing was kept")]
    Hash {
        /// The package and its version.
        package: String,
        /// The hash of what came.
        got: String,
        /// The hash that was published.
        want: String,
    },
    /// It came whole, but does not hold what it should.
    #[error("the package cannot be used: {0}. Nothing was kept")]
    Package(String),
    /// A registered program cannot be run as it is described.
    #[error("{0}")]
    Custom(String),
    /// The folder, or a file in it.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What the system said about that path.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Io { path, source }
}
