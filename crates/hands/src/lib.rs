//! Sandboxes: where commands run and files live.
//!
//! [`Hands`] keeps them: it starts them, finds them again after a restart, gives
//! each to one owner and ends what nobody owns. A [`Sandbox`] carries out execs
//! and file operations; each has a name from its caller and is done at most once.
//!
//! What this crate may not know: sessions, the store, who an owner is, and the
//! values of secrets. Where a sandbox's connections go is decided by the
//! [`Dial`] it was given.

mod alive;
mod caps;
mod checkpoint;
mod client;
mod conduit;
mod config;
pub mod container;
mod disks;
mod error;
mod folders;
mod hands;
mod init;
mod launch;
mod link;
mod mounts;
mod outward;
mod patience;
mod probe;
mod remote;
mod sandbox;
mod starter;
mod table;

pub use caps::{Caps, Isolation};
pub use checkpoint::{Get, Pieces, Put, Saved};
pub use config::{
    Dial, DriverKind, HandsConfig, Launcher, Limits, Lookup, Mount, Resolve, Stream, Target, To,
};
pub use container::launcher_main;
pub use error::Error;
pub use guest::exec::{
    Captured, Exec, Exhausted, KillReason, Known, OUTPUT_CAP, Receipt, SHELL, SPOOL_CAP, size,
};
pub use guest::file::{Entry, FileError, FileFault, FileOp, FileOut, Kind, Match, READ_CAP, Span};
pub use guest::pipe::{Pipe, PipeEnd, STDERR_CAP};
pub use hands::{Hands, Obtained, Started, Stats, Wanted};
pub use init::init_main;
pub use sandbox::{Live, Output, Piped, Sandbox, SandboxStats};
