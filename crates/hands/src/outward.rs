//! What a sandbox wants of the host: connections out, and names.
//!
//! Both are only passed on, to the [`Dial`] and [`Resolve`] the hands were
//! given. Nothing is decided here.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use guest::mux::{Channel, Incoming};
use guest::net::carry;
use guest::request::{CONNECTED, Open, Resolved, send};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{Dial, Lookup, Resolve, Target, To};
use crate::container::spec::State;

/// A gate that has not decided and connected by then does not.
const PATIENCE: Duration = Duration::from_secs(15);

/// The two ways out.
#[derive(Clone)]
pub(crate) struct Outward {
    pub(crate) dial: Dial,
    pub(crate) resolve: Resolve,
}

/// Who asks. Told by the connection a stream came on, never by what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Whose {
    pub(crate) sandbox: String,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Whose {
    /// The owner at this moment: a warm sandbox comes to one later.
    fn owner(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.owner.clone()
    }
}

impl Outward {
    /// Serves what the sandbox opens on one connection, until that ends.
    pub(crate) async fn serve(&self, whose: &Whose, mut incoming: Incoming) {
        let mut streams = JoinSet::new();
        loop {
            tokio::select! {
                opened = incoming.next() => match opened {
                    Some((payload, channel)) => {
                        streams.spawn(self.clone().open(whose.clone(), payload, channel));
                    }
                    None => return,
                },
                Some(_) = streams.join_next() => {}
            }
        }
    }

    async fn open(self, whose: Whose, payload: Bytes, channel: Channel) {
        match serde_json::from_slice(&payload) {
            Ok(Open::Dial { to }) => self.carry(whose, To::Addr(to), channel).await,
            Ok(Open::DialName { host, port }) => {
                self.carry(whose, To::Name(host, port), channel).await;
            }
            Ok(Open::Resolve { name }) => {
                let owner = whose.owner();
                let sandbox = whose.sandbox;
                let lookup = Lookup {
                    sandbox,
                    owner,
                    name,
                };
                let resolved = timeout(PATIENCE, (self.resolve)(lookup)).await;
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

    async fn carry(&self, whose: Whose, to: To, channel: Channel) {
        let owner = whose.owner();
        let sandbox = whose.sandbox;
        let target = Target { sandbox, owner, to };
        let dialled = timeout(PATIENCE, (self.dial)(target));
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
