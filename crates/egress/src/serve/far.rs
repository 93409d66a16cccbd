//! The server's side: one connection, over which requests are sent.

use std::fmt::Display;
use std::future::Future;

use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::case::Case;

/// A connection to a server, or why there is none.
pub(super) struct Far {
    sender: Sender,
    /// Said when the server's side is over.
    over: CancellationToken,
    _task: Option<AbortOnDropHandle<()>>,
}

enum Sender {
    One(Mutex<http1::SendRequest<Incoming>>),
    Two(http2::SendRequest<Incoming>),
    Broken(String),
}

/// What HTTP/2 may hold for one stream and for all of a connection: a program
/// that does not read makes us keep no more than this.
pub(super) const STREAM_WINDOW: u32 = 512 * 1024;
pub(super) const WINDOW: u32 = 1024 * 1024;
pub(super) const SEND_BUFFER: usize = 256 * 1024;

/// Tasks of HTTP/2 streams belong to the gate and end with their connection.
#[derive(Clone)]
pub(super) struct Owned {
    tasks: TaskTracker,
    gone: CancellationToken,
}

impl Owned {
    pub(super) fn by(case: &Case) -> Owned {
        Owned {
            tasks: case.gate.tasks.clone(),
            gone: case.gone.clone(),
        }
    }
}

impl<F> hyper::rt::Executor<F> for Owned
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let gone = self.gone.clone();
        self.tasks.spawn(async move {
            gone.run_until_cancelled(task).await;
        });
    }
}

impl Far {
    /// No server, for this reason.
    pub(super) fn broken(why: &dyn Display) -> Far {
        Far {
            sender: Sender::Broken(why.to_string()),
            over: CancellationToken::new(),
            _task: None,
        }
    }

    /// Requests over `stream`, which is at its beginning.
    pub(super) async fn open<S>(case: &Case, two: bool, stream: S) -> Far
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let over = CancellationToken::new();
        let said = over.clone().drop_guard();
        let (tasks, limits, io) = (&case.gate.tasks, &case.gate.limits, TokioIo::new(stream));
        let (sender, task) = if two {
            let made = http2::Builder::new(Owned::by(case))
                .timer(TokioTimer::new())
                .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(WINDOW)
                .max_send_buf_size(SEND_BUFFER)
                .handshake(io)
                .await;
            match made {
                Err(error) => return Far::broken(&error),
                Ok((sender, carried)) => {
                    let task = tasks.spawn(async move {
                        let _said = said;
                        let _ = carried.await;
                    });
                    (Sender::Two(sender), task)
                }
            }
        } else {
            let made = http1::Builder::new()
                .preserve_header_case(true)
                .handshake(io)
                .await;
            match made {
                Err(error) => return Far::broken(&error),
                Ok((sender, carried)) => {
                    let task = tasks.spawn(async move {
                        let _said = said;
                        let _ = carried.with_upgrades().await;
                    });
                    (Sender::One(Mutex::new(sender)), task)
                }
            }
        };
        Far {
            sender,
            over,
            _task: Some(AbortOnDropHandle::new(task)),
        }
    }

    /// The answer to one request, or why there is none.
    pub(super) async fn ask(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Incoming>, Lost> {
        let answered = match &self.sender {
            Sender::Broken(why) => {
                return Err(Lost {
                    why: why.clone(),
                    hung_up: false,
                });
            }
            Sender::One(sender) => {
                *request.version_mut() = Version::HTTP_11;
                let mut sender = sender.lock().await;
                sender.ready().await.map_err(|error| Lost::by(&error))?;
                let sent = sender.send_request(request);
                drop(sender);
                sent.await
            }
            Sender::Two(sender) => {
                *request.version_mut() = Version::HTTP_2;
                let mut sender = sender.clone();
                sender.ready().await.map_err(|error| Lost::by(&error))?;
                sender.send_request(request).await
            }
        };
        answered.map_err(|error| Lost::by(&error))
    }

    /// Waits for the end of the server's side.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) why: String,
    /// The server ended the connection without a word, as servers do with
    /// connections that were idle.
    pub(super) hung_up: bool,
}

impl Lost {
    fn by(error: &hyper::Error) -> Lost {
        use std::error::Error;
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        let why = match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        let cause = error.source().and_then(|cause| cause.downcast_ref());
        let torn = cause.is_some_and(|cause: &std::io::Error| {
            [BrokenPipe, ConnectionReset, UnexpectedEof].contains(&cause.kind())
        });
        let ended = error.is_closed() || error.is_canceled() || error.is_incomplete_message();
        Lost {
            why,
            hung_up: ended || torn,
        }
    }
}
