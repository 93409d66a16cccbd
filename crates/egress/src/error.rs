//! Why a connection did not come about, told apart by what the caller does
//! next: reset it, report it unreachable, or report that time ran out.

use std::io;

/// What came of a [`dial`](crate::Gate::dial) or a
/// [`resolve`](crate::Gate::resolve) that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Policy or a limit says no; asking again changes nothing, except for
    /// [`Reason::TooMany`].
    #[error("refused: {}", .0.as_str())]
    Refused(Reason),
    /// The name exists nowhere, or has no address.
    #[error("no such name")]
    NoName,
    /// Nobody answers at the address, or no resolver does.
    #[error("unreachable: {0}")]
    Unreachable(#[source] io::Error),
    /// The name or the connection took longer than its limit.
    #[error("timed out while {0}")]
    Timeout(&'static str),
}

/// Why the gate refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// An address of a cloud's metadata or platform service.
    Metadata,
    /// The host's loopback, or "this network".
    Loopback,
    /// A private, unique-local or site-local network.
    Private,
    /// Carrier-grade NAT, 100.64.0.0/10.
    Shared,
    /// An address that means something on one link only.
    LinkLocal,
    /// One of the host's own addresses, public or not.
    Host,
    /// A multicast group or the broadcast address.
    Multicast,
    /// A range kept for documentation.
    Documentation,
    /// A range kept for benchmarks.
    Benchmarking,
    /// Any other range that no public server has.
    Reserved,
    /// Not a host name.
    Name,
    /// Port 0.
    Port,
    /// The sandbox, or all of them, have too many connections.
    TooMany,
    /// The sandbox may connect nowhere.
    Closed,
    /// The host is not on the sandbox's allowlist.
    Unlisted,
    /// A sealed token that is not this sandbox's, or not for this host.
    Token,
    /// A sealed token in a request that is not encrypted.
    Plain,
    /// A request for another host than its connection is for.
    Mismatch,
    /// The server's certificate does not verify.
    Certificate,
    /// The connection carried all the bytes it may.
    Bytes,
    /// A peer that took too long to say what it wants.
    Slow,
}

impl Reason {
    /// Every reason, in the order of [`Reason::index`].
    pub(crate) const ALL: [Reason; 21] = [
        Reason::Metadata,
        Reason::Loopback,
        Reason::Private,
        Reason::Shared,
        Reason::LinkLocal,
        Reason::Host,
        Reason::Multicast,
        Reason::Documentation,
        Reason::Benchmarking,
        Reason::Reserved,
        Reason::Name,
        Reason::Port,
        Reason::TooMany,
        Reason::Closed,
        Reason::Unlisted,
        Reason::Token,
        Reason::Plain,
        Reason::Mismatch,
        Reason::Certificate,
        Reason::Bytes,
        Reason::Slow,
    ];

    /// The reason's name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Metadata => "metadata",
            Reason::Loopback => "loopback",
            Reason::Private => "private",
            Reason::Shared => "shared",
            Reason::LinkLocal => "link_local",
            Reason::Host => "host",
            Reason::Multicast => "multicast",
            Reason::Documentation => "documentation",
            Reason::Benchmarking => "benchmarking",
            Reason::Reserved => "reserved",
            Reason::Name => "name",
            Reason::Port => "port",
            Reason::TooMany => "too_many",
            Reason::Closed => "closed",
            Reason::Unlisted => "unlisted",
            Reason::Token => "token",
            Reason::Plain => "plain",
            Reason::Mismatch => "mismatch",
            Reason::Certificate => "certificate",
            Reason::Bytes => "bytes",
            Reason::Slow => "slow",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_place_and_a_name_of_its_own() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn an_error_says_what_happened() {
        let refused = Error::Refused(Reason::LinkLocal);
        assert_eq!(refused.to_string(), "refused: link_local");
        let timeout = Error::Timeout("connecting");
        assert_eq!(timeout.to_string(), "timed out while connecting");
    }
}
