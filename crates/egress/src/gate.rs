//! The gate itself: takes a wish to connect, decides, connects, counts, and
//! writes one log line for each decision.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connect::{self, Way};
use crate::error::{Error, Reason};
use crate::policy::Policy;
use crate::resolve::Resolver;
use crate::seats::Seats;
use crate::stats::{Counters, Stats};
use crate::stream::Connection;

/// Where a connection is wished to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// An address, as a program inside connected to it.
    Address(SocketAddr),
    /// A name and a port, as a proxy client asks; resolved here.
    Name(String, u16),
}

/// How much and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections one sandbox may have at once, being made or open.
    pub per_sandbox: usize,
    /// Connections of all sandboxes together.
    pub total: usize,
    /// Name lookups at once.
    pub lookups: usize,
    /// How long a name may take.
    pub resolve: Duration,
    /// How long a connection may take, over all addresses of its name.
    pub connect: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            per_sandbox: 256,
            total: 8192,
            lookups: 64,
            resolve: Duration::from_secs(5),
            connect: Duration::from_secs(10),
        }
    }
}

/// The one way out. Cheap to clone; clones share limits and counters.
#[derive(Debug, Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    policy: Policy,
    connect: Duration,
    seats: Arc<Seats>,
    resolver: Resolver,
    counters: Arc<Counters>,
}

impl Gate {
    /// A gate with this policy and these limits.
    pub fn new(policy: Policy, limits: Limits) -> Gate {
        let inner = Inner {
            policy,
            connect: limits.connect,
            seats: Seats::new(limits.per_sandbox, limits.total),
            resolver: Resolver::new(limits.lookups, limits.resolve),
            counters: Arc::default(),
        };
        Gate {
            inner: Arc::new(inner),
        }
    }

    /// Connects a program of `sandbox` to `to`, if policy and limits allow.
    ///
    /// The address is checked here and now, after resolution, and the
    /// connection goes to that very address.
    ///
    /// # Errors
    ///
    /// See [`Error`]; nothing was sent anywhere on [`Error::Refused`].
    pub async fn dial(&self, sandbox: &str, to: &Destination) -> Result<Connection, Error> {
        let outcome = self.inner.dial(sandbox, to).await;
        self.tell(sandbox, to, outcome.as_ref().err());
        outcome
    }

    /// The addresses of `name` that one may connect to, in a family the host
    /// has a route for.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when the name has addresses but none is allowed,
    /// [`Error::NoName`] when it has none.
    pub async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let outcome = self.inner.resolve(name).await;
        if let Err(error) = &outcome {
            self.inner.counters.failed(error);
        }
        outcome
    }

    /// The counters, as they are now.
    pub fn stats(&self) -> Stats {
        self.inner.counters.read(self.inner.seats.taken() as u64)
    }

    /// Takes no more names and waits for the lookups still running. Open
    /// connections are their holders' to close.
    pub async fn close(&self) {
        self.inner.resolver.close().await;
    }

    fn tell(&self, sandbox: &str, to: &Destination, error: Option<&Error>) {
        let (host, port) = to.parts();
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
    }
}

impl Inner {
    async fn dial(&self, sandbox: &str, to: &Destination) -> Result<Connection, Error> {
        let seat = self.seats.take(sandbox).map_err(Error::Refused)?;
        let (addresses, port) = self.addresses(to).await?;
        let stream = self.connect(&addresses, port).await?;
        connect::tune(&stream).map_err(Error::Unreachable)?;
        Ok(Connection::new(stream, Arc::clone(&self.counters), seat))
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
        timeout(self.connect, connect::first(addresses, port))
            .await
            .map_err(|_| Error::Timeout("connecting"))?
            .map_err(Error::Unreachable)
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let found = self.resolver.lookup(name).await?;
        let mut allowed = self.checked(&found)?;
        // A program that is told of an address tries it, and a connection here
        // begins before its route is known; so tell of none that has no route.
        if allowed.iter().any(|one| connect::way(*one) != Way::Nowhere) {
            allowed.retain(|one| connect::way(*one) != Way::Nowhere);
        }
        Ok(allowed)
    }

    /// The addresses that policy allows and that are not the host's own.
    fn checked(&self, found: &[IpAddr]) -> Result<Vec<IpAddr>, Error> {
        self.policy
            .check_all(found)
            .and_then(|allowed| self.without_own(allowed, connect::way))
            .map_err(Error::Refused)
    }

    /// A public address of the host itself leads to what listens there for its
    /// own network only, past any firewall.
    fn without_own(
        &self,
        mut allowed: Vec<IpAddr>,
        way: impl Fn(IpAddr) -> Way,
    ) -> Result<Vec<IpAddr>, Reason> {
        if self.policy.lifts(Reason::Host) || allowed.is_empty() {
            return Ok(allowed);
        }
        allowed.retain(|address| way(*address) != Way::Own);
        if allowed.is_empty() {
            return Err(Reason::Host);
        }
        Ok(allowed)
    }
}

impl Destination {
    fn parts(&self) -> (String, u16) {
        match self {
            Destination::Address(address) => (address.ip().to_string(), address.port()),
            Destination::Name(name, port) => (name.chars().take(253).collect(), *port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_own_public_addresses_are_refused_unless_developing() {
        let own: IpAddr = "8.8.8.8".parse().unwrap();
        let other: IpAddr = "1.1.1.1".parse().unwrap();
        let way = |address| {
            if address == own { Way::Own } else { Way::Out }
        };
        let table = [
            (false, vec![own], Err(Reason::Host)),
            (false, vec![own, other], Ok(vec![other])),
            (false, vec![], Ok(vec![])),
            (true, vec![own], Ok(vec![own])),
        ];
        for (allow_private, given, expected) in table {
            let gate = Gate::new(Policy { allow_private }, Limits::default());
            let got = gate.inner.without_own(given.clone(), way);
            assert_eq!(got, expected, "{given:?}");
        }
    }
}
