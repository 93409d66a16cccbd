//! The gate itself: takes a wish to connect, decides, connects, counts, and
//! writes one log line for each decision.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::addresses;
use crate::authority::Authority;
use crate::case::Case;
use crate::connect::{self, Way};
use crate::destination::Destination;
use crate::error::{Error, Reason};
use crate::host::plain;
use crate::limits::Limits;
use crate::names::Names;
use crate::pass::{About, Egress, Pass, Verdict};
use crate::policy::Policy;
use crate::resolve::Resolver;
use crate::roots::Roots;
use crate::seats::Seats;
use crate::serve::Servers;
use crate::stats::{Counters, Stats};
use crate::stream::Connection;

/// Where names that are on no list lead: an address nobody has (RFC 5737), at
/// which the gate answers that the host is not on the list.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

/// The one way out. Cheap to clone; clones share limits and counters.
#[derive(Debug, Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

/// What every connection of a gate shares.
#[derive(Debug)]
pub(crate) struct Inner {
    policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) authority: Option<Authority>,
    pub(crate) servers: Servers,
    /// The tasks that stand in between, and the word that ends them.
    pub(crate) tasks: TaskTracker,
    pub(crate) ending: CancellationToken,
    names: Names,
    seats: Arc<Seats>,
    resolver: Resolver,
    pub(crate) counters: Arc<Counters>,
}

impl Gate {
    /// A gate with this policy and these limits. Without an `authority` it
    /// stands in for nobody, and no token is ever swapped; `roots` vouch for
    /// the servers that secrets go to.
    pub fn new(policy: Policy, limits: Limits, authority: Option<Authority>, roots: Roots) -> Gate {
        let inner = Inner {
            policy,
            limits,
            authority,
            servers: Servers::new(&roots),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            names: Names::default(),
            seats: Seats::new(limits.per_sandbox, limits.total),
            resolver: Resolver::new(limits.lookups, limits.resolve),
            counters: Arc::default(),
        };
        Gate {
            inner: Arc::new(inner),
        }
    }

    /// Connects a program of the pass's sandbox to `to`, if policy, pass and
    /// limits allow.
    ///
    /// The address is checked here and now, after resolution, and the
    /// connection goes to that very address.
    ///
    /// # Errors
    ///
    /// See [`Error`]; nothing was sent anywhere on [`Error::Refused`].
    pub async fn dial(&self, pass: &Arc<Pass>, to: &Destination) -> Result<Connection, Error> {
        let outcome = Inner::dial(&self.inner, pass, to).await;
        match &outcome {
            // Nothing has been decided yet.
            Ok(connection) if !connection.leads_somewhere() => {}
            outcome => self.tell(pass, to, outcome.as_ref().err()),
        }
        outcome
    }

    /// The addresses of `name` that one may connect to, in a family the host
    /// has a route for. A name that is not on the pass's list is not looked up:
    /// it leads to where the gate answers that it is not on the list.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when the pass allows no connection at all, or when the
    /// name has addresses but none is allowed; [`Error::NoName`] when it
    /// has none.
    pub async fn resolve(&self, pass: &Pass, name: &str) -> Result<Vec<IpAddr>, Error> {
        let outcome = self.inner.resolve(pass, name).await;
        if let Err(error) = &outcome {
            self.inner.counters.failed(error);
            if let Error::Refused(reason) = error {
                let about = About::reason(*reason);
                pass.tell(Verdict::Denied, name, 0, about);
            }
        }
        outcome
    }

    /// The counters, as they are now.
    pub fn stats(&self) -> Stats {
        self.inner.counters.read(self.inner.seats.taken() as u64)
    }

    /// Takes no more names, ends the connections the gate stands in for, and
    /// waits for both. Other open connections are their holders' to close.
    pub async fn close(&self) {
        self.inner.ending.cancel();
        self.inner.tasks.close();
        // One that cannot be ended holds nobody up.
        let _ = timeout(self.inner.limits.connect, self.inner.tasks.wait()).await;
        self.inner.resolver.close().await;
    }

    fn tell(&self, pass: &Pass, to: &Destination, error: Option<&Error>) {
        let (sandbox, host, port) = (&pass.sandbox, to.host(), to.port());
        let Some(error) = error else {
            self.inner.counters.allowed();
            tracing::info!(sandbox, host, port, outcome = "allowed", "egress");
            return;
        };
        self.inner.counters.failed(error);
        let (outcome, reason) = match error {
            Error::Refused(reason) => ("refused", reason.as_str().to_owned()),
            Error::NoName => ("unreachable", "no such name".to_owned()),
            Error::Unreachable(cause) => ("unreachable", cause.kind().to_string()),
            Error::Timeout(what) => ("timeout", (*what).to_owned()),
        };
        tracing::info!(sandbox, host, port, outcome, reason, "egress");
        if let Error::Refused(reason) = error {
            pass.tell(Verdict::Denied, &host, port, About::reason(*reason));
        }
    }
}

impl Inner {
    async fn dial(
        inner: &Arc<Inner>,
        pass: &Arc<Pass>,
        to: &Destination,
    ) -> Result<Connection, Error> {
        let admitted = inner.admitted(pass, to);
        // What is said may yet name an allowed host; and where it does not,
        // whoever asks is told why instead of being hung up on.
        let told = inner.authority.is_some() || matches!(to, Destination::Address(_));
        let late = admitted == Err(Reason::Unlisted) && told;
        if !late {
            admitted.map_err(Error::Refused)?;
        }
        let seat = inner.seats.take(&pass.sandbox).map_err(Error::Refused)?;
        let server = match late {
            true => inner.may_be(to).map(|()| None)?,
            false => {
                let (addresses, port) = inner.addresses(to).await?;
                Some(inner.connect(&addresses, port).await?)
            }
        };
        match server {
            Some(server) if !pass.looks() => {
                let (counters, bytes) = (Arc::clone(&inner.counters), inner.limits.bytes);
                Ok(Connection::direct(server, counters, seat, bytes))
            }
            server => {
                let case = Case {
                    gate: Arc::clone(inner),
                    pass: Arc::clone(pass),
                    host: to.host(),
                    port: to.port(),
                    listed: !late,
                    gone: inner.ending.child_token(),
                };
                Ok(Connection::held(server, case, seat))
            }
        }
    }

    /// A connection to the host of this name, for who said only now where to.
    pub(crate) async fn reach(&self, name: &str, port: u16) -> Result<TcpStream, Error> {
        let to = Destination::Name(name.to_owned(), port);
        let (addresses, port) = self.addresses(&to).await?;
        self.connect(&addresses, port).await
    }

    /// Whether the pass lets connections to `to` begin.
    fn admitted(&self, pass: &Pass, to: &Destination) -> Result<(), Reason> {
        let admits = |name: &str| pass.egress.admits(name);
        let known = |address| self.names.known(&pass.sandbox, address, admits);
        match &pass.egress {
            Egress::Open => Ok(()),
            Egress::None => Err(Reason::Closed),
            Egress::Allowlist(_) => {
                let listed = admits(&to.host()) || to.address().is_some_and(known);
                listed.then_some(()).ok_or(Reason::Unlisted)
            }
        }
    }

    /// Whether a destination that is on no list can be one at all. Nothing is
    /// looked up for it: a name could carry out what the sandbox knows.
    fn may_be(&self, to: &Destination) -> Result<(), Error> {
        if to.port() == 0 {
            return Err(Error::Refused(Reason::Port));
        }
        match to.address() {
            Some(address) if address != NOWHERE => self.checked(&[address]).map(drop),
            _ => Ok(()),
        }
    }

    async fn addresses(&self, to: &Destination) -> Result<(Vec<IpAddr>, u16), Error> {
        let (found, port) = match to {
            Destination::Address(address) => (vec![address.ip()], address.port()),
            Destination::Name(name, port) => (self.resolver.lookup(name).await?, *port),
        };
        if port == 0 {
            return Err(Error::Refused(Reason::Port));
        }
        Ok((self.checked(&found)?, port))
    }

    async fn connect(&self, addresses: &[IpAddr], port: u16) -> Result<TcpStream, Error> {
        let stream = timeout(self.limits.connect, connect::first(addresses, port))
            .await
            .map_err(|_| Error::Timeout("connecting"))?
            .map_err(Error::Unreachable)?;
        connect::tune(&stream).map_err(Error::Unreachable)?;
        Ok(stream)
    }

    async fn resolve(&self, pass: &Pass, name: &str) -> Result<Vec<IpAddr>, Error> {
        match &pass.egress {
            Egress::None => return Err(Error::Refused(Reason::Closed)),
            egress if !egress.admits(name) => return self.nowhere(pass, name),
            _ => {}
        }
        let found = self.resolver.lookup(name).await?;
        let mut allowed = self.checked(&found)?;
        // A program that is told of an address tries it, and a connection here
        // begins before its route is known; so tell of none that has no route.
        if allowed.iter().any(|one| connect::way(*one) != Way::Nowhere) {
            allowed.retain(|one| connect::way(*one) != Way::Nowhere);
        }
        if matches!(pass.egress, Egress::Allowlist(_)) {
            self.names.remember(&pass.sandbox, name, &allowed);
        }
        Ok(allowed)
    }

    /// The answer for a name that is on no list: an address of ours where a
    /// program can be told so, if we can speak for the name.
    fn nowhere(&self, pass: &Pass, name: &str) -> Result<Vec<IpAddr>, Error> {
        let refused = Error::Refused(Reason::Unlisted);
        if self.authority.is_none() || plain(name).is_none() {
            return Err(refused);
        }
        self.counters.failed(&refused);
        pass.tell(Verdict::Denied, name, 0, About::reason(Reason::Unlisted));
        Ok(vec![NOWHERE])
    }

    /// The addresses that policy allows and that are not the host's own.
    fn checked(&self, found: &[IpAddr]) -> Result<Vec<IpAddr>, Error> {
        addresses::checked(self.policy, found).map_err(Error::Refused)
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
