//! The listener the redirect leads to: one stream to the host for each
//! connection, and a reset for what the host does not carry.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::carry::carry;
use super::host::Host;
use super::original::destination;
use super::proxy;
use crate::mux::Broken;
use crate::request::Open;

/// How long to leave a listener that fails (out of descriptors) alone.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves one listener; `room` is how many connections may be carried at once,
/// over all listeners. One too many is reset.
pub(super) async fn serve(listener: TcpListener, host: Host, room: Arc<Semaphore>) {
    let mut carried = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => match Arc::clone(&room).try_acquire_owned() {
                    Ok(place) => {
                        carried.spawn(serve_one(stream, host.clone(), place));
                    }
                    Err(_) => reset(stream),
                },
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = carried.join_next() => {}
        }
    }
}

async fn serve_one(mut stream: TcpStream, host: Host, _place: OwnedSemaphorePermit) {
    // What is written here was gathered by its sender already.
    let ready = stream.set_nodelay(true).and_then(|()| destination(&stream));
    let carried = match ready {
        Ok(Some(to)) => forward(&mut stream, &host, to).await,
        Ok(None) => proxy::serve(&mut stream, &host).await,
        Err(_) => false,
    };
    if !carried {
        reset(stream);
    }
}

async fn forward(stream: &mut TcpStream, host: &Host, to: std::net::SocketAddr) -> bool {
    let opened: Result<_, Broken> = host.open(&Open::Dial { to }).await;
    let Ok(channel) = opened else { return false };
    let (reader, writer) = stream.split();
    carry(channel, reader, writer).await.is_ok()
}

/// Closes with RST instead of FIN: the program sees a failure, not an end.
fn reset(stream: TcpStream) {
    // If it cannot be set the connection ends politely, which is all that is left.
    let _ = stream.set_zero_linger();
}
