//! The pump between a stream of the frame connection and a socket.
//!
//! Each direction waits for its own reader and ends on its own, so a half that
//! is closed stays closed and the other goes on. Bytes on their way are at most
//! a stream's window.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::frame::MAX_DATA;
use crate::mux::{Broken, Channel, Item, Receiving, Sending};

/// What a busy connection reads at once.
const LARGE: usize = 8 * MAX_DATA;

/// Why carrying stopped before both sides had finished.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The socket failed; the other side has been told by a reset.
    #[error("socket: {0}")]
    Socket(#[from] io::Error),
    /// The other side of the stream gave up, or the connection ended.
    #[error("stream: {0}")]
    Stream(#[from] Broken),
}

/// Carries both directions until both have finished. Control messages on the
/// stream are passed over.
///
/// # Errors
/// [`Ended`] when either side gave up; the stream is reset then. Whoever holds
/// the socket decides how to close it.
pub async fn carry<R, W>(channel: Channel, reader: R, writer: W) -> Result<(), Ended>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Channel { tx, rx } = channel;
    tokio::try_join!(send(tx, reader), receive(rx, writer)).map(|_| ())
}

async fn send<R: AsyncRead + Unpin>(tx: Sending, mut reader: R) -> Result<(), Ended> {
    let mut buffer = BytesMut::new();
    let mut room = MAX_DATA;
    loop {
        buffer.reserve(room);
        let read = tokio::select! {
            biased;
            read = reader.read_buf(&mut buffer) => read?,
            () = tx.broken() => return Err(Broken::Gone.into()),
        };
        if read == 0 {
            return Ok(tx.finish().await?);
        }
        // Who fills a small buffer gets a large one; an idle connection holds little.
        room = if read >= MAX_DATA { LARGE } else { MAX_DATA };
        tx.data(buffer.split().freeze()).await?;
    }
}

async fn receive<W: AsyncWrite + Unpin>(mut rx: Receiving, mut writer: W) -> Result<(), Ended> {
    while let Some(item) = rx.next().await? {
        if let Item::Data(bytes) = item {
            writer.write_all(&bytes).await?;
        }
    }
    // The reader may have gone already; then there is nobody left to tell.
    match writer.shutdown().await {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        ended => Ok(ended?),
    }
}
