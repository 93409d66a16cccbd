//! A connection the gate made: a byte stream that counts, that looks at its
//! first bytes where its pass asks for that, and that gives its seat back when
//! dropped.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::case::{Case, Course};
use crate::ear::{Ear, Heard};
use crate::error::{Error, Reason};
use crate::seats::Seat;
use crate::serve;
use crate::stats::Counters;

/// How long a program may be silent where nobody but us would speak: it may be
/// waiting for a server that is not there.
const SILENCE: Duration = Duration::from_secs(5);

/// An open connection to a checked address. Shutting down the write half sends
/// a FIN and leaves the read half open; dropping it closes both.
#[derive(Debug)]
pub struct Connection {
    way: Way,
    counters: Arc<Counters>,
    /// Bytes it may still carry.
    left: u64,
    _seat: Seat,
}

enum Way {
    /// To the server, after what was heard is out.
    Direct(TcpStream, Bytes),
    /// It is not yet known how it goes on.
    Held(Box<Held>),
    /// To a task of the gate that stands in between.
    Served(
        DuplexStream,
        #[expect(dead_code, reason = "ends the task")] AbortOnDropHandle<()>,
    ),
    /// Refused for what was said.
    Ended(Reason),
}

/// Before the first bytes are understood.
pub(crate) struct Held {
    case: Case,
    /// `None` where the name that will be said decides where to connect.
    server: Option<TcpStream>,
    ear: Ear,
    /// Runs from the first byte on, or at once where nobody else may speak.
    patience: Option<Pin<Box<Sleep>>>,
    /// Who waits to read must look again when the way is known.
    reader: Option<Waker>,
}

impl Connection {
    /// One that nobody looks at.
    pub(crate) fn direct(
        stream: TcpStream,
        counters: Arc<Counters>,
        seat: Seat,
        left: u64,
    ) -> Self {
        Connection {
            way: Way::Direct(stream, Bytes::new()),
            counters,
            left,
            _seat: seat,
        }
    }

    /// One whose first bytes decide.
    pub(crate) fn held(server: Option<TcpStream>, case: Case, seat: Seat) -> Self {
        let (counters, limits) = (Arc::clone(&case.gate.counters), case.gate.limits);
        let patience = server
            .is_none()
            .then(|| Box::pin(tokio::time::sleep(limits.patience.min(SILENCE))));
        let held = Held {
            case,
            server,
            ear: Ear::default(),
            patience,
            reader: None,
        };
        Connection {
            way: Way::Held(Box::new(held)),
            counters,
            left: limits.bytes,
            _seat: seat,
        }
    }

    /// Whether it is a connection to a server already.
    pub(crate) fn leads_somewhere(&self) -> bool {
        !matches!(&self.way, Way::Held(held) if held.server.is_none())
    }

    fn carried(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes as u64);
        if self.left == 0 && bytes > 0 {
            self.end(Reason::Bytes);
        }
    }

    fn end(&mut self, reason: Reason) {
        self.counters.failed(&Error::Refused(reason));
        self.way = Way::Ended(reason);
    }

    /// Takes the way that what was heard leads to.
    fn go(&mut self, heard: Heard) {
        let ended = Way::Ended(Reason::Slow);
        let Way::Held(held) = std::mem::replace(&mut self.way, ended) else {
            return;
        };
        let Held {
            case,
            server,
            ear,
            reader,
            ..
        } = *held;
        self.way = match (case.course(heard), server) {
            (Course::Deny(reason), _) => {
                case.denied(&case.host, None, reason);
                Way::Ended(reason)
            }
            (Course::Pass, Some(server)) => Way::Direct(server, ear.into_bytes().into()),
            (course, server) => {
                let (near, task) = serve::begin(case, course, ear.into_bytes(), server);
                Way::Served(near, task)
            }
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// While held: whether time is up.
    fn watch(&mut self, context: &mut Context<'_>) {
        let Way::Held(held) = &mut self.way else {
            return;
        };
        let up = held
            .patience
            .as_mut()
            .is_some_and(|patience| patience.as_mut().poll(context).is_ready());
        if !up {
            return;
        }
        if held.case.strict() {
            held.case.denied(&held.case.host, None, Reason::Slow);
            self.way = Way::Ended(Reason::Slow);
        } else {
            // No request yet, so nothing to put a secret into: the server may
            // wait for the rest as long as it likes.
            self.go(Heard::Broken);
        }
    }
}

fn refused(reason: Reason) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, Error::Refused(reason))
}

/// Sends what was heard before the way was known.
fn flush(
    server: &mut TcpStream,
    before: &mut Bytes,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !before.is_empty() {
        let written = ready!(Pin::new(&mut *server).poll_write(context, before))?;
        before.advance(written);
    }
    *before = Bytes::new();
    Poll::Ready(Ok(()))
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        self.watch(context);
        let polled = match &mut self.way {
            Way::Direct(server, heard) => {
                // Nobody may be writing any more to push this out.
                if let Poll::Ready(Err(error)) = flush(server, heard, context) {
                    return Poll::Ready(Err(error));
                }
                Pin::new(server).poll_read(context, buffer)
            }
            Way::Held(held) => {
                held.reader = Some(context.waker().clone());
                match &mut held.server {
                    Some(server) => Pin::new(server).poll_read(context, buffer),
                    None => Poll::Pending,
                }
            }
            Way::Served(near, _) => Pin::new(near).poll_read(context, buffer),
            Way::Ended(reason) => return Poll::Ready(Err(refused(*reason))),
        };
        let read = buffer.filled().len() - before;
        self.counters.came_in(read);
        // A server that speaks first speaks neither TLS nor HTTP.
        if polled.is_ready() && matches!(self.way, Way::Held(_)) {
            self.go(Heard::Other);
        }
        self.carried(read);
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watch(context);
        let written = match &mut self.way {
            Way::Direct(server, heard) => {
                ready!(flush(server, heard, context))?;
                ready!(Pin::new(server).poll_write(context, bytes))?
            }
            Way::Held(held) => {
                let patience = held.case.gate.limits.patience;
                let begin = || Box::pin(tokio::time::sleep(patience));
                held.patience.get_or_insert_with(begin);
                match held.ear.hear(bytes) {
                    // Whoever reads waits for the time to be up from now on.
                    Heard::More => held.reader.take().into_iter().for_each(Waker::wake),
                    heard => {
                        self.go(heard);
                        // Nobody may call again to push out what was held.
                        if let Way::Direct(server, heard) = &mut self.way
                            && let Poll::Ready(Err(error)) = flush(server, heard, context)
                        {
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                bytes.len()
            }
            Way::Served(near, _) => ready!(Pin::new(near).poll_write(context, bytes))?,
            Way::Ended(reason) => return Poll::Ready(Err(refused(*reason))),
        };
        self.counters.went_out(written);
        self.carried(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.way {
            Way::Direct(server, heard) => {
                ready!(flush(server, heard, context))?;
                Pin::new(server).poll_flush(context)
            }
            Way::Held(_) => Poll::Ready(Ok(())),
            Way::Served(near, _) => Pin::new(near).poll_flush(context),
            Way::Ended(reason) => Poll::Ready(Err(refused(*reason))),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.way, Way::Held(_)) {
            // Nothing more will be said: it was neither TLS nor HTTP.
            self.go(Heard::Other);
        }
        match &mut self.way {
            Way::Direct(server, heard) => {
                ready!(flush(server, heard, context))?;
                Pin::new(server).poll_shutdown(context)
            }
            Way::Served(near, _) => Pin::new(near).poll_shutdown(context),
            Way::Held(_) => Poll::Ready(Ok(())),
            Way::Ended(reason) => Poll::Ready(Err(refused(*reason))),
        }
    }
}

impl std::fmt::Debug for Way {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Way::Direct(..) => "direct",
            Way::Held(_) => "held",
            Way::Served(..) => "served",
            Way::Ended(_) => "ended",
        })
    }
}
