//! What moves a connection: one reader, one writer, no task of their own.
//!
//! The reader never waits for a user of a stream, only for the acceptor of new
//! ones, so a peer that is slow somewhere is slow only there.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

use super::WINDOW;
use super::half::{Channel, Item};
use super::table::{Table, Violation};
use crate::frame::{Frame, FrameReader};

/// For what is still to be read from a side that can no longer be written to.
const LAST: Duration = Duration::from_secs(2);

/// A greeted connection, at rest until [`Running::run`] is polled.
#[derive(Debug)]
pub struct Running<S> {
    reader: FrameReader<ReadHalf<S>>,
    writer: WriteHalf<S>,
    table: Arc<Table>,
    frames: mpsc::Receiver<Frame>,
    resets: mpsc::Receiver<Frame>,
    queue: mpsc::Sender<(Bytes, Channel)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Running<S> {
    pub(super) fn new(
        reader: FrameReader<ReadHalf<S>>,
        writer: WriteHalf<S>,
        table: Arc<Table>,
        frames: mpsc::Receiver<Frame>,
        resets: mpsc::Receiver<Frame>,
        queue: mpsc::Sender<(Bytes, Channel)>,
    ) -> Self {
        Self {
            reader,
            writer,
            table,
            frames,
            resets,
            queue,
        }
    }

    /// Carries frames until the connection ends, from either side or by
    /// [`Mux::close`](super::Mux::close). Every stream still open then is gone.
    /// Dropping the future ends the connection as well.
    pub async fn run(self) {
        let Self {
            mut reader,
            mut writer,
            table,
            mut frames,
            mut resets,
            queue,
        } = self;
        let guard = CloseOnDrop(Arc::clone(&table));
        tokio::select! {
            () = read(&mut reader, &table, &queue) => {}
            // What the other side said before it stopped listening is heard.
            () = async {
                write(&mut writer, &mut frames, &mut resets).await;
                sleep(LAST).await;
            } => {}
            () = table.closed() => {}
        }
        drop(guard);
    }
}

struct CloseOnDrop(Arc<Table>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn read<R: AsyncRead + Unpin>(
    reader: &mut FrameReader<R>,
    table: &Arc<Table>,
    queue: &mpsc::Sender<(Bytes, Channel)>,
) {
    while let Ok(Some(frame)) = reader.next().await {
        if take(frame, table, queue).await.is_err() {
            return;
        }
    }
}

async fn take(
    frame: Frame,
    table: &Arc<Table>,
    queue: &mpsc::Sender<(Bytes, Channel)>,
) -> Result<(), Violation> {
    match frame {
        Frame::Hello(_) => Err(Violation),
        Frame::Open(id, payload) => {
            let credit = Arc::new(Semaphore::new(WINDOW as usize));
            let Some(rx) = table.accept(id, Arc::clone(&credit))? else {
                table.refuse(id, "too many streams are open");
                return Ok(());
            };
            let channel = Channel::new(id, Arc::clone(table), credit, rx);
            // Nobody accepts: the channel is dropped, which resets the stream.
            let _ = queue.send((payload, channel)).await;
            Ok(())
        }
        Frame::Tell(id, payload) => table.deliver(id, Item::Tell(payload)),
        Frame::Data(id, payload) => table.deliver(id, Item::Data(payload)),
        Frame::End(id) => table.deliver(id, Item::End),
        Frame::Reset(id, reason) => {
            table.reset_by_peer(id, String::from_utf8_lossy(&reason).into_owned());
            Ok(())
        }
        Frame::Credit(id, frames) => table.add_credit(id, frames),
    }
}

/// Many frames, one write: a small request is a single system call.
///
/// A reset must not overtake the opening of its stream. So the resets are taken
/// first, then every frame that was queued before them, and written last.
async fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    frames: &mut mpsc::Receiver<Frame>,
    resets: &mut mpsc::Receiver<Frame>,
) {
    let mut bytes = BytesMut::new();
    loop {
        let mut last = Vec::new();
        let first = tokio::select! {
            Some(frame) = frames.recv() => Some(frame),
            Some(reset) = resets.recv() => {
                last.push(reset);
                None
            }
            else => return,
        };
        last.extend(std::iter::from_fn(|| resets.try_recv().ok()));
        first.into_iter().for_each(|frame| frame.encode(&mut bytes));
        for _ in 0..frames.max_capacity() {
            let Ok(frame) = frames.try_recv() else { break };
            frame.encode(&mut bytes);
        }
        last.iter().for_each(|reset| reset.encode(&mut bytes));
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        bytes.clear();
    }
}
