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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use guest::mux::{Broken, Item, Mux, Role, greet};
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::config::{Limits, Stream};

    const IDS: (&str, &str) = ("sbx_own", "ses_own");

    fn whose() -> Whose {
        let state = serde_json::json!({
            "id": IDS.0, "owner": IDS.1, "pid": 1, "pid_started": 1, "uid": null,
            "limits": Limits::default(), "groups": [], "own_disk": false, "network": null,
            "created_ms": 0,
        });
        Whose {
            sandbox: IDS.0.to_owned(),
            state: Arc::new(Mutex::new(serde_json::from_value(state).unwrap())),
        }
    }

    /// Says to whom each connection was said to belong, and where it wanted to go.
    fn outward() -> Outward {
        let told = |target: Target| {
            let text = format!("{}/{:?}/{:?}", target.sandbox, target.owner, target.to);
            let stream = std::io::Cursor::new(text.into_bytes());
            Box::pin(async { Ok(Box::new(stream) as Box<dyn Stream>) }) as _
        };
        let found = |lookup: Lookup| {
            let own = (lookup.sandbox.as_str(), lookup.owner.as_deref()) == (IDS.0, Some(IDS.1));
            assert!(own, "{lookup:?}");
            Box::pin(async { Ok(vec![[192u8, 0, 2, 1].into()]) }) as _
        };
        Outward {
            dial: Arc::new(told),
            resolve: Arc::new(found),
        }
    }

    /// Opens a stream as a guest that says whatever it likes; what comes back.
    async fn opened(guest: &Mux, payload: &str) -> Result<String, Broken> {
        let mut channel = guest.open(payload.to_owned()).await?;
        let mut all = Vec::new();
        while let Some(item) = channel.rx.next().await? {
            if let Item::Data(bytes) = item {
                all.extend_from_slice(&bytes);
            }
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }

    #[tokio::test]
    async fn a_guest_gets_connections_and_names_of_its_own_and_nothing_else() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (host, guest) = tokio::join!(greet(ours, Role::Host, 1), greet(theirs, Role::Guest, 1));
        let (_host, incoming, host_runs, _) = host.unwrap();
        let (guest, _, guest_runs, _) = guest.unwrap();
        let asks = async {
            let own = "sbx_own/Some(\"ses_own\")/Addr(192.0.2.7:80)";
            for honest_or_not in [
                r#"{"dial":{"to":"192.0.2.7:80"}}"#,
                r#"{"dial":{"to":"192.0.2.7:80","sandbox":"sbx_other","owner":"ses_other"}}"#,
                r#"{"dial":{"sandbox":"sbx_other","to":"192.0.2.7:80"}}"#,
            ] {
                assert_eq!(opened(&guest, honest_or_not).await.unwrap(), own);
            }
            let named = r#"{"dial_name":{"host":"x","port":1,"owner":"ses_other"}}"#;
            let own = "sbx_own/Some(\"ses_own\")/Name(\"x\", 1)";
            assert_eq!(opened(&guest, named).await.unwrap(), own);
            let resolve = r#"{"resolve":{"name":"x","sandbox":"sbx_other","owner":null}}"#;
            let found = opened(&guest, resolve).await.unwrap();
            assert!(found.contains("192.0.2.1"), "{found}");
            let pipe = format!(r#"{{"pipe":{{"len":{}}}}}"#, 10);
            for not_served in [
                r#""ask""#,
                r#"{"port":{"port":22}}"#,
                &pipe,
                r#"{"dial":{"to":"/run/docker.sock"}}"#,
                r#"{"dial_name":{"host":"x","port":65536}}"#,
                r#"{"dial":{"to":"192.0.2.7:80"},"resolve":{"name":"x"}}"#,
                "",
                "\u{0}",
            ] {
                let refused = opened(&guest, not_served).await;
                assert!(
                    matches!(&refused, Err(Broken::Reset(why)) if why.contains("served here")),
                    "{not_served}: {refused:?}"
                );
            }
        };
        let (outward, whose) = (outward(), whose());
        tokio::select! {
            () = asks => {}
            () = host_runs.run() => panic!("the host's side ended"),
            () = guest_runs.run() => panic!("the guest's side ended"),
            () = outward.serve(&whose, incoming) => panic!("nothing is served any more"),
        }
    }

    #[tokio::test]
    async fn a_guest_that_breaks_the_protocol_ends_its_own_connection_only() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let hello = async {
            // A hello, then a frame on a stream of the host's that was never opened.
            let mut bytes = bytes::BytesMut::new();
            let text = r#"{"version":1,"epoch":1}"#;
            guest::frame::Frame::Hello(text.into()).encode(&mut bytes);
            guest::frame::Frame::Open(1, r#""ask""#.into()).encode(&mut bytes);
            tokio::io::AsyncWriteExt::write_all(&mut theirs, &bytes).await
        };
        let (host, told) = tokio::join!(greet(ours, Role::Host, 1), hello);
        told.unwrap();
        let (mux, incoming, running, _) = host.unwrap();
        let (outward, whose) = (outward(), whose());
        tokio::select! {
            () = running.run() => {}
            () = outward.serve(&whose, incoming) => {}
        }
        assert!(mux.is_closed());
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
    }
}
