//! Where a connection is wished to go.

use std::net::{IpAddr, SocketAddr};

use crate::host::plain;

/// Where a connection is wished to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// An address, as a program inside connected to it.
    Address(SocketAddr),
    /// A name and a port, as a proxy client asks; resolved here.
    Name(String, u16),
}

impl Destination {
    /// The host as text, for logs and audit.
    pub(crate) fn host(&self) -> String {
        match self {
            Destination::Address(address) => address.ip().to_canonical().to_string(),
            Destination::Name(name, _) => plain(name).unwrap_or_else(|| cut(name)),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Destination::Address(address) => address.port(),
            Destination::Name(_, port) => *port,
        }
    }

    /// The address, where it is one in whatever dress.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Destination::Address(address) => Some(address.ip()),
            Destination::Name(name, _) => name.parse().ok(),
        }
    }
}

fn cut(name: &str) -> String {
    name.chars().take(253).collect()
}
