//! Names to addresses, by the host's own resolver.
//!
//! The C library's lookup cannot be interrupted, so it runs on a blocking
//! thread that the tracker owns, holds a permit until it really ends (a dead
//! name server cannot pile up threads), and is waited for only so long.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dns_lookup::{LookupError, LookupErrorKind, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::error::{Error, Reason};
use crate::host::is_host_name;

/// Asks for a name, and blocks meanwhile.
pub(crate) type Lookup = fn(&str) -> Result<Vec<IpAddr>, LookupError>;

#[derive(Debug)]
pub(crate) struct Resolver {
    lookup: Lookup,
    lookups: TaskTracker,
    permits: Arc<Semaphore>,
    deadline: Duration,
}

impl Resolver {
    pub(crate) fn new(at_once: usize, deadline: Duration) -> Resolver {
        Resolver {
            lookup: |name| lookup_host(name).map(Iterator::collect),
            lookups: TaskTracker::new(),
            permits: Arc::new(Semaphore::new(at_once)),
            deadline,
        }
    }

    /// The same with another source of addresses.
    #[cfg(test)]
    pub(crate) fn asking(mut self, lookup: Lookup) -> Resolver {
        self.lookup = lookup;
        self
    }

    /// Every address of `name`, unchecked, best first.
    pub(crate) async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        if !is_host_name(name) {
            return Err(Error::Refused(Reason::Name));
        }
        timeout(self.deadline, self.ask(name.to_owned()))
            .await
            .map_err(|_| Error::Timeout("resolving"))?
    }

    async fn ask(&self, name: String) -> Result<Vec<IpAddr>, Error> {
        let broken = |error| Error::Unreachable(io::Error::other(error));
        let permits = Arc::clone(&self.permits);
        let permit = permits
            .acquire_owned()
            .await
            .map_err(|closed| Error::Unreachable(io::Error::other(closed)))?;
        let lookup = self.lookup;
        let lookup = self.lookups.spawn_blocking(move || {
            let found = lookup(&name);
            drop(permit);
            found
        });
        lookup.await.map_err(broken)?.map_err(told)
    }

    /// Waits for the lookups still running.
    pub(crate) async fn close(&self) {
        self.permits.close();
        self.lookups.close();
        self.lookups.wait().await;
    }
}

/// What the C library's error means to the asker.
fn told(error: LookupError) -> Error {
    match error.kind() {
        LookupErrorKind::NoName | LookupErrorKind::NoData => Error::NoName,
        _ => Error::Unreachable(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_hosts_own_names_and_literal_addresses_resolve() {
        let resolver = Resolver::new(1, Duration::from_secs(5));
        let found = resolver.lookup("localhost").await.unwrap();
        assert!(found.iter().all(|address| address.is_loopback()) && !found.is_empty());
        for literal in ["192.0.2.7", "2001:db8::7"] {
            let found = resolver.lookup(literal).await.unwrap();
            assert_eq!(found, [literal.parse::<IpAddr>().unwrap()]);
        }
        resolver.close().await;
    }

    #[tokio::test]
    async fn a_bad_name_is_refused_and_never_asked_for() {
        let resolver = Resolver::new(1, Duration::from_secs(5));
        let error = resolver.lookup("no such name").await.unwrap_err();
        assert!(matches!(error, Error::Refused(Reason::Name)), "{error}");
    }

    #[tokio::test]
    async fn a_lookup_that_gets_no_turn_times_out() {
        let resolver = Resolver::new(0, Duration::from_millis(1));
        let error = resolver.lookup("localhost").await.unwrap_err();
        assert!(matches!(error, Error::Timeout("resolving")), "{error}");
    }
}
