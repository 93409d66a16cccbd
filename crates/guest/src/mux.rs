//! Many streams over one connection, none of which can stall another.
//!
//! Every stream has a window of [`WINDOW`] frames each way: a sender waits for
//! credit, so what a slow reader has not taken yet is bounded and the connection
//! itself is always read. A stream ends cleanly when both sides have finished;
//! dropping a half before that resets it, like a socket.
//!
//! The host's streams have odd ids, the guest's even ones. A connection begins
//! with a hello each way; a new connection knows nothing of an older one's
//! streams.

mod half;
mod run;
mod table;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};

use crate::frame::{Frame, FrameError, FrameReader};
pub use half::{Channel, Item, Receiving, Room, Sending};
pub use run::Running;
use table::Table;

/// Frames a side may send on a stream before it gets credit.
pub const WINDOW: u32 = 16;
/// Streams a connection carries at once.
pub const MAX_STREAMS: usize = 1024;
/// Version of frames, requests and answers together.
pub const VERSION: u32 = 1;

/// Which side of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The server's side.
    Host,
    /// The sandbox's side.
    Guest,
}

/// What each side says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Must be [`VERSION`] on both sides.
    pub version: u32,
    /// Grows with every connection; the highest one is the current one.
    pub epoch: u64,
}

/// Why a stream carries nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The other side gave the stream up; the text is its reason.
    #[error("{0}")]
    Reset(String),
    /// The connection ended.
    #[error("the connection ended")]
    Gone,
    /// Too many streams are open.
    #[error("too many streams are open")]
    Busy,
}

/// Why a connection could not begin.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// The transport or its frames failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The other side is no peer of ours, or of another version.
    #[error("unexpected hello: {0}")]
    Hello(String),
}

impl From<std::io::Error> for GreetError {
    fn from(error: std::io::Error) -> Self {
        Self::Frame(error.into())
    }
}

/// A handle to a connection; clones share it.
#[derive(Debug, Clone)]
pub struct Mux {
    table: Arc<Table>,
}

/// Streams the other side opens.
#[derive(Debug)]
pub struct Incoming {
    queue: mpsc::Receiver<(Bytes, Channel)>,
}

impl Incoming {
    /// The next stream and what it was opened with; `None` when the connection
    /// has ended. Must be called promptly: the connection waits for it.
    pub async fn next(&mut self) -> Option<(Bytes, Channel)> {
        self.queue.recv().await
    }
}

/// Says hello on `io` and hears the other's. Nothing moves until [`Running::run`]
/// is polled; whoever spawns it owns the connection.
///
/// # Errors
/// [`GreetError`]. There is no deadline inside; the caller sets one.
pub async fn greet<S>(
    io: S,
    role: Role,
    epoch: u64,
) -> Result<(Mux, Incoming, Running<S>, Hello), GreetError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (read, mut write): (ReadHalf<S>, WriteHalf<S>) = tokio::io::split(io);
    let ours = serde_json::to_vec(&Hello {
        version: VERSION,
        epoch,
    })
    .unwrap_or_default();
    let mut bytes = bytes::BytesMut::new();
    Frame::Hello(ours.into()).encode(&mut bytes);
    write.write_all(&bytes).await?;
    let mut reader = FrameReader::new(read);
    let theirs = match reader.next().await? {
        Some(Frame::Hello(payload)) => serde_json::from_slice::<Hello>(&payload)
            .map_err(|error| GreetError::Hello(error.to_string()))?,
        other => return Err(GreetError::Hello(format!("{other:?}"))),
    };
    if theirs.version != VERSION {
        return Err(GreetError::Hello(format!(
            "version {}, not {VERSION}",
            theirs.version
        )));
    }
    let (out, frames) = mpsc::channel(64);
    let (urgent, resets) = mpsc::channel(MAX_STREAMS);
    let (queue, incoming) = mpsc::channel(64);
    let table = Arc::new(Table::new(role, out, urgent));
    let running = Running::new(reader, write, Arc::clone(&table), frames, resets, queue);
    Ok((Mux { table }, Incoming { queue: incoming }, running, theirs))
}

impl Mux {
    /// Opens a stream; `payload` is what the other side gets with it.
    ///
    /// # Errors
    /// [`Broken::Gone`] or [`Broken::Busy`].
    pub async fn open(&self, payload: impl Into<Bytes>) -> Result<Channel, Broken> {
        let credit = Arc::new(Semaphore::new(WINDOW as usize));
        let (id, rx) = self.table.open(Arc::clone(&credit))?;
        let channel = Channel::new(id, Arc::clone(&self.table), credit, rx);
        self.table.send(Frame::Open(id, payload.into())).await?;
        Ok(channel)
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.table.is_closed()
    }

    /// Ends the connection from this side.
    pub fn close(&self) {
        self.table.close();
    }

    /// Waits until the connection has ended.
    pub async fn closed(&self) {
        self.table.closed().await;
    }
}

#[cfg(test)]
mod tests;
