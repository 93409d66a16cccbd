//! What a sandbox wants of the host: connections out, and names.
//!
//! Both are only passed on, to the [`Dial`] and [`Resolve`] the hands were
//! given. Nothing is decided here.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use guest::mux::{Channel, Incoming};
use guest::net::carry;
use guest::request::{CONNECTED, Open, Resolved, send};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{Dial, Resolve, Target, To};

/// A gate that has not decided and connected by then does not.
const PATIENCE: Duration = Duration::from_secs(15);

/// The two ways out.
#[derive(Clone)]
pub(crate) struct Outward {
    pub(crate) dial: Dial,
    pub(crate) resolve: Resolve,
}

impl Outward {
    /// Serves what the sandbox opens on one connection, until that ends.
    pub(crate) async fn serve(&self, sandbox: &str, mut incoming: Incoming) {
        let mut streams = JoinSet::new();
        loop {
            tokio::select! {
                opened = incoming.next() => match opened {
                    Some((payload, channel)) => {
                        streams.spawn(self.clone().open(sandbox.to_owned(), payload, channel));
                    }
                    None => return,
                },
                Some(_) = streams.join_next() => {}
            }
        }
    }

    async fn open(self, sandbox: String, payload: Bytes, channel: Channel) {
        match serde_json::from_slice(&payload) {
            Ok(Open::Dial { to }) => self.carry(sandbox, To::Addr(to), channel).await,
            Ok(Open::DialName { host, port }) => {
                self.carry(sandbox, To::Name(host, port), channel).await;
            }
            Ok(Open::Resolve { name }) => {
                let resolved = timeout(PATIENCE, (self.resolve)(name)).await;
                let resolved = match resolved.unwrap_or(Err(io::ErrorKind::TimedOut.into())) {
                    Ok(addresses) => Resolved::Addresses(addresses),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Resolved::NoName,
                    Err(_) => Resolved::Failed,
                };
                // A sandbox that hung up does not wait for a name.
                let _ = send(channel.tx, &resolved, &[]).await;
            }
            _ => channel.reset("nothing of that kind is served here"),
        }
    }

    async fn carry(&self, sandbox: String, to: To, channel: Channel) {
        let dialled = timeout(PATIENCE, (self.dial)(Target { sandbox, to }));
        let connected = tokio::select! {
            connected = dialled => connected.unwrap_or(Err(io::ErrorKind::TimedOut.into())),
            () = channel.tx.broken() => return,
        };
        match connected {
            Ok(socket) => {
                if channel.tx.tell(CONNECTED).await.is_ok() {
                    let (reader, writer) = tokio::io::split(socket);
                    // Whichever side gave up, the other has been told.
                    let _ = carry(channel, reader, writer).await;
                }
            }
            Err(error) => channel.reset(&error.to_string()),
        }
    }
}
