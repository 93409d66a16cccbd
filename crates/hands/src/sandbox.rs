//! A place where commands run, as its users see it.

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::config::Stream;
use crate::error::Error;
use guest::exec::{Exec, Known, Receipt};
use guest::file::{FileOp, FileOut};
use guest::pipe::{Pipe, PipeEnd};

/// Takes output while a command runs. Bounded: a slow reader is waited for, the
/// command is not.
pub type Live = mpsc::Sender<Vec<u8>>;

/// Part of a kept output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The bytes from the offset asked for; empty at the end.
    pub bytes: Vec<u8>,
    /// Bytes kept in all until now.
    pub spooled: u64,
    /// Whether the command still runs and may add more.
    pub running: bool,
}

/// What a sandbox uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SandboxStats {
    /// Bytes of memory charged to it; `None` where nothing counts them.
    pub memory_bytes: Option<u64>,
    /// Processor time since its start, milliseconds.
    pub cpu_ms: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Bytes written to its disk.
    pub disk_bytes: Option<u64>,
    /// Execs that run.
    pub running: u64,
    /// Receipts not acknowledged yet.
    pub unacked: u64,
}

/// A program that is talked to.
pub struct Piped {
    /// What is written goes to its standard input, what it writes to its standard
    /// output is read. When this stream is dropped, shut down or breaks, the program
    /// and all it started are killed; its input is never merely closed.
    pub stream: Box<dyn Stream>,
    /// How it ended: comes once the stream has been read to its end, which it also
    /// has after a shutdown. An error if the stream broke before.
    pub end: BoxFuture<'static, Result<PipeEnd, Error>>,
}

/// A sandbox. Every effectful request has an id from its caller and happens at
/// most once under it, whoever restarts in between.
pub trait Sandbox: Send + Sync {
    /// Its own id, never reused.
    fn id(&self) -> &str;

    /// Starts the command, or finds the run of that id, and waits for its end.
    /// Dropping the future does not end the command. `live` gets the output from
    /// its beginning, as far as it is kept.
    ///
    /// # Errors
    /// [`Error::Acked`] if that id was acknowledged, [`Error::Lost`] if the
    /// sandbox ended meanwhile, and the transport's own.
    fn exec(&self, exec: Exec, live: Option<Live>) -> BoxFuture<'_, Result<Receipt, Error>>;

    /// Starts the command, or finds the run of that id, and does not wait.
    ///
    /// # Errors
    /// As [`Sandbox::exec`].
    fn start(&self, exec: Exec) -> BoxFuture<'_, Result<(), Error>>;

    /// Ends everything that exec started, within a second. An unknown or ended
    /// one is left as it is, but what it left running is ended.
    ///
    /// # Errors
    /// The transport's.
    fn kill<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Error>>;

    /// Carries out a file operation; an effectful one at most once per id.
    ///
    /// # Errors
    /// [`Error::File`] if it was not done, and the transport's own.
    fn file<'a>(&'a self, id: &'a str, op: FileOp) -> BoxFuture<'a, Result<FileOut, Error>>;

    /// What the sandbox knows of an exec.
    ///
    /// # Errors
    /// The transport's.
    fn known<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Known, Error>>;

    /// The receipt is safe with the caller: it and the kept output may go. Only
    /// the name stays, so that it is never run again.
    ///
    /// # Errors
    /// The transport's.
    fn ack<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Error>>;

    /// Part of an exec's kept output, from byte `offset`, at most 1 MiB.
    ///
    /// # Errors
    /// [`Error::Refused`] if nothing of that id is kept, and the transport's own.
    fn output<'a>(&'a self, id: &'a str, offset: u64) -> BoxFuture<'a, Result<Output, Error>>;

    /// Starts a program and talks to it. Unlike an exec it has no name, is not
    /// found again and lives no longer than the stream.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason if it cannot be started, and the transport's own.
    fn pipe(&self, pipe: Pipe) -> BoxFuture<'_, Result<Piped, Error>>;

    /// A connection to a port of the sandbox's loopback.
    ///
    /// # Errors
    /// [`Error::Refused`] if nobody listens there, and the transport's own.
    fn port(&self, port: u16) -> BoxFuture<'_, Result<Box<dyn Stream>, Error>>;

    /// What it uses now.
    ///
    /// # Errors
    /// The transport's.
    fn stats(&self) -> BoxFuture<'_, Result<SandboxStats, Error>>;

    /// Whether its first process lives.
    fn alive(&self) -> bool;
}
