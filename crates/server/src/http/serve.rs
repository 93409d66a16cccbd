//! The listener: takes connections and owns the task of each, until the node
//! drains and the last answer is out.
//!
//! HTTP/1.1 only. Buffers are small because a connection mostly follows a
//! session and waits: what it holds, it holds a thousand times.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;

/// Most connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 16 * 1024;
/// Longest a connection may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(30);
/// Most bytes of a connection's buffer, and so of a request's head.
const BUFFER: usize = 32 * 1024;
/// Pause after the system could not give us a connection (out of files).
const PAUSE: Duration = Duration::from_millis(50);

/// Serves the routes until the node drains; returns when no connection is left.
pub async fn serve(app: App, listener: TcpListener) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = TaskTracker::new();
    let service = TowerToHyperService::new(super::router(app.clone()));
    while let Some((stream, seat)) = accept(&listener, &seats, &app.drain).await {
        tasks.spawn(converse(stream, service.clone(), app.drain.clone(), seat));
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// The next connection and its seat; `None` once the node drains.
async fn accept(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
    drain: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    loop {
        let seat = tokio::select! {
            () = drain.cancelled() => return None,
            seat = seats.clone().acquire_owned() => seat.ok()?,
        };
        let accepted = tokio::select! {
            () = drain.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => return Some((stream, seat)),
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One connection, request by request.
async fn converse<S>(
    stream: TcpStream,
    service: S,
    drain: CancellationToken,
    _seat: OwnedSemaphorePermit,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    // An event must not wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays slow");
    }
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER);
    let mut talk = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = talk.as_mut() => ended,
        () = drain.cancelled() => {
            talk.as_mut().graceful_shutdown();
            talk.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
