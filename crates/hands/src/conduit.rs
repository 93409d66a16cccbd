//! A stream of the link as anybody can read and write it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, unfold};
use guest::mux::{Broken, Channel, Item, Receiving, Room, Sending};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio_util::io::StreamReader;

/// Both directions of a stream. Dropped, it gives the stream up.
pub(crate) struct Conduit {
    reads: StreamReader<BoxStream<'static, io::Result<Bytes>>, Bytes>,
    writes: Writes,
}

type Waiting<T> = BoxFuture<'static, T>;

enum Writes {
    /// What is written is taken only when there is room: nothing is kept here that
    /// somebody would have to flush.
    Open {
        tx: Sending,
        room: Option<Waiting<Result<Room, Broken>>>,
    },
    Finishing(Waiting<Result<(), Broken>>),
    Over,
}

impl Conduit {
    /// All of a stream. The last control message on it goes to `told`.
    pub(crate) fn new(channel: Channel, told: Option<oneshot::Sender<Bytes>>) -> Self {
        let pieces = unfold(Some((channel.rx, told)), |state| async {
            let (mut rx, mut told) = state?;
            match piece(&mut rx, &mut told).await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some((rx, told)))),
                Ok(None) => None,
                Err(broken) => Some((Err(io_error(broken)), None)),
            }
        });
        Self {
            reads: StreamReader::new(pieces.boxed()),
            writes: Writes::Open {
                tx: channel.tx,
                room: None,
            },
        }
    }
}

async fn piece(
    rx: &mut Receiving,
    told: &mut Option<oneshot::Sender<Bytes>>,
) -> Result<Option<Bytes>, Broken> {
    while let Some(item) = rx.next().await? {
        match item {
            Item::Data(bytes) => return Ok(Some(bytes)),
            Item::Tell(bytes) => {
                if let Some(told) = told.take() {
                    // Who does not wait for it need not hear it.
                    let _ = told.send(bytes);
                }
            }
            Item::End | Item::Reset(_) => {}
        }
    }
    Ok(None)
}

fn io_error(broken: Broken) -> io::Error {
    let kind = match &broken {
        Broken::Reset(_) => io::ErrorKind::ConnectionReset,
        Broken::Gone | Broken::Busy => io::ErrorKind::BrokenPipe,
    };
    io::Error::new(kind, broken)
}

impl AsyncRead for Conduit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reads).poll_read(cx, buf)
    }
}

impl AsyncWrite for Conduit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Writes::Open { tx, room } = &mut self.writes else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let got = ready!(
            room.get_or_insert_with(|| Box::pin(tx.room()))
                .as_mut()
                .poll(cx)
        );
        *room = None;
        Poll::Ready(got.map(|room| room.fill(bytes)).map_err(io_error))
    }

    /// What was taken is on its way.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match std::mem::replace(&mut self.writes, Writes::Over) {
            Writes::Open { tx, .. } => self.writes = Writes::Finishing(Box::pin(tx.finish())),
            other => self.writes = other,
        }
        let Writes::Finishing(done) = &mut self.writes else {
            return Poll::Ready(Ok(()));
        };
        let done = ready!(done.as_mut().poll(cx));
        self.writes = Writes::Over;
        Poll::Ready(done.map_err(io_error))
    }
}
