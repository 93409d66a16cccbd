//! The listener the redirect leads to: one stream to the host for each
//! connection, and a reset for what the host does not carry.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::carry::carry;
use super::host::Host;
use super::original::destination;
use super::proxy;
use crate::mux::Broken;
use crate::request::Open;

/// Connections carried at once, by each listener; more are reset. Below the
/// streams of a connection, so that requests of the host always find room.
const MOST: usize = 400;

/// How long to leave a listener that fails (out of descriptors) alone.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn serve(listener: TcpListener, host: Host) {
    let mut carried = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if carried.len() < MOST => {
                    carried.spawn(serve_one(stream, host.clone()));
                }
                Ok((stream, _)) => reset(stream),
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = carried.join_next() => {}
        }
    }
}

async fn serve_one(mut stream: TcpStream, host: Host) {
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
