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

/// Tasks of HTTP/2 streams belong to the gate.
#[derive(Clone)]
pub(super) struct Owned(pub(super) TaskTracker);

impl<F> hyper::rt::Executor<F> for Owned
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
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
            let made = http2::Builder::new(Owned(tasks.clone()))
                .timer(TokioTimer::new())
                .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
                .adaptive_window(true)
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
    ) -> Result<Response<Incoming>, String> {
        let answered = match &self.sender {
            Sender::Broken(why) => return Err(why.clone()),
            Sender::One(sender) => {
                *request.version_mut() = Version::HTTP_11;
                let mut sender = sender.lock().await;
                sender.ready().await.map_err(|error| said(&error))?;
                let sent = sender.send_request(request);
                drop(sender);
                sent.await
            }
            Sender::Two(sender) => {
                *request.version_mut() = Version::HTTP_2;
                let mut sender = sender.clone();
                sender.ready().await.map_err(|error| said(&error))?;
                sender.send_request(request).await
            }
        };
        answered.map_err(|error| said(&error))
    }

    /// Waits for the end of the server's side.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

/// The error with its cause, which says what happened.
fn said(error: &hyper::Error) -> String {
    use std::error::Error;
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
