//! Standing between a program and a server: the task behind a connection that
//! is not merely passed on.

mod answer;
mod exchange;
mod far;
mod head;
mod servers;
mod stand;
mod swap;

use std::sync::Arc;

use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::case::{Case, Course};
use crate::error::Error;
use crate::rewound::Rewound;
pub(crate) use servers::Servers;
use stand::Stood;

/// Bytes on their way between a program and the task, each way.
const PIPE: usize = 64 * 1024;

/// The program's side of a stream between it and us.
type Near = Rewound<DuplexStream>;

/// Begins the task that carries on a connection on this `course`; it ends when
/// its handle is dropped.
pub(crate) fn begin(
    case: Case,
    course: Course,
    heard: Vec<u8>,
    server: Option<TcpStream>,
) -> (DuplexStream, AbortOnDropHandle<()>) {
    let (theirs, ours) = duplex(PIPE);
    let gate = Arc::clone(&case.gate);
    let near = Rewound::new(heard, ours);
    let task = async move {
        let gone = case.gone.clone();
        let _said = gone.clone().drop_guard();
        gone.run_until_cancelled(run(case, course, near, server))
            .await;
    };
    (theirs, AbortOnDropHandle::new(gate.tasks.spawn(task)))
}

async fn run(case: Case, course: Course, near: Near, server: Option<TcpStream>) {
    // Each part is a box of its own, so that a connection takes no more memory
    // than its way needs, and none for what is behind it.
    match course {
        Course::Stand(name, hello) => {
            let begun = Box::pin(stand::begin(case, name, hello, near, server)).await;
            stood(begun).await;
        }
        Course::Refuse(name, hello) => {
            let begun = Box::pin(stand::refuse(case, name, hello, near)).await;
            stood(begun).await;
        }
        Course::Web { two } => Box::pin(exchange::web(case, two, near, server)).await,
        Course::Late(name) => late(case, &name, near, server).await,
        Course::Pass => relay(near, server).await,
        Course::Deny(_) => {}
    }
}

async fn stood(begun: Option<Stood>) {
    if let Some(begun) = begun {
        let Stood {
            exchange,
            two,
            near,
        } = begun;
        Box::pin(exchange::serve(exchange, two, near)).await;
    }
}

/// Untouched, to where the name leads rather than to the address asked for.
async fn late(case: Case, name: &str, near: Near, server: Option<TcpStream>) {
    match arrive(&case, name, server).await {
        Ok(server) => relay(near, Some(server)).await,
        Err(error) => tracing::debug!(name, %error, "not reached"),
    }
}

async fn relay(mut near: Near, server: Option<TcpStream>) {
    if let Some(mut server) = server {
        // Either side that fails ends both; whoever holds the other end sees it.
        let _ = copy_bidirectional(&mut near, &mut server).await;
    }
}

/// The connection made before, or one made now.
async fn arrive(case: &Case, name: &str, server: Option<TcpStream>) -> Result<TcpStream, Error> {
    if let Some(server) = server {
        return Ok(server);
    }
    let reached = case.gate.reach(name, case.port).await;
    match &reached {
        Err(Error::Refused(reason)) => case.denied(name, None, *reason),
        Err(error) => case.gate.counters.failed(error),
        Ok(_) => case.allowed(name),
    }
    reached
}
