//! Which addresses may be connected to. Pure: an address in, a verdict out.

use std::net::IpAddr;

use crate::address::special;
use crate::error::Reason;

/// Open to public addresses, closed to everything else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// For development (`OC_ALLOW_PRIVATE=1`): also lets connections through
    /// to loopback, private and shared networks, the host's own addresses, and
    /// the ranges for documentation and benchmarks. Metadata, link-local,
    /// multicast and reserved addresses stay refused: no development needs
    /// them, and a laptop's cloud twin would hand out its keys.
    pub allow_private: bool,
}

impl Policy {
    /// The address to connect to, in its plainest form.
    ///
    /// # Errors
    ///
    /// The reason why this address is out of bounds.
    pub fn check(self, address: IpAddr) -> Result<IpAddr, Reason> {
        match special(address) {
            Some(reason) if !self.lifts(reason) => Err(reason),
            _ => Ok(address.to_canonical()),
        }
    }

    /// The addresses one may connect to, in the order given.
    ///
    /// # Errors
    ///
    /// When none is left: the reason of the first that was refused.
    pub(crate) fn check_all(self, addresses: &[IpAddr]) -> Result<Vec<IpAddr>, Reason> {
        let mut allowed = Vec::with_capacity(addresses.len());
        let mut refused = None;
        for address in addresses {
            match self.check(*address) {
                Ok(address) if !allowed.contains(&address) => allowed.push(address),
                Ok(_) => {}
                Err(reason) => refused = refused.or(Some(reason)),
            }
        }
        match refused {
            Some(reason) if allowed.is_empty() => Err(reason),
            _ => Ok(allowed),
        }
    }

    /// Whether the development switch sets this reason aside.
    pub(crate) fn lifts(self, reason: Reason) -> bool {
        let private = matches!(
            reason,
            Reason::Loopback
                | Reason::Private
                | Reason::Shared
                | Reason::Host
                | Reason::Documentation
                | Reason::Benchmarking
        );
        self.allow_private && private
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all(policy: Policy, addresses: &[&str]) -> Result<Vec<String>, Reason> {
        let addresses: Vec<_> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let allowed = policy.check_all(&addresses)?;
        Ok(allowed.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn development_opens_private_networks_and_nothing_else() {
        let open = Policy {
            allow_private: true,
        };
        let table = [
            ("127.0.0.1", Ok(()), Err(Reason::Loopback)),
            ("::1", Ok(()), Err(Reason::Loopback)),
            ("10.0.0.1", Ok(()), Err(Reason::Private)),
            ("fd12::1", Ok(()), Err(Reason::Private)),
            ("100.64.0.1", Ok(()), Err(Reason::Shared)),
            ("192.0.2.1", Ok(()), Err(Reason::Documentation)),
            (
                "169.254.1.1",
                Err(Reason::LinkLocal),
                Err(Reason::LinkLocal),
            ),
            (
                "169.254.169.254",
                Err(Reason::Metadata),
                Err(Reason::Metadata),
            ),
            (
                "100.100.100.200",
                Err(Reason::Metadata),
                Err(Reason::Metadata),
            ),
            (
                "fd00:ec2::254",
                Err(Reason::Metadata),
                Err(Reason::Metadata),
            ),
            ("224.0.0.1", Err(Reason::Multicast), Err(Reason::Multicast)),
            ("240.0.0.1", Err(Reason::Reserved), Err(Reason::Reserved)),
            ("1.1.1.1", Ok(()), Ok(())),
        ];
        for (address, in_development, by_default) in table {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(open.check(address).map(|_| ()), in_development, "{address}");
            let closed = Policy::default().check(address).map(|_| ());
            assert_eq!(closed, by_default, "{address}");
        }
    }

    #[test]
    fn of_several_addresses_only_the_checked_ones_are_left() {
        let closed = Policy::default();
        type Row = (
            &'static [&'static str],
            Result<&'static [&'static str], Reason>,
        );
        let table: [Row; 5] = [
            (&["1.1.1.1", "10.0.0.1"], Ok(&["1.1.1.1"])),
            (&["127.0.0.1", "8.8.8.8"], Ok(&["8.8.8.8"])),
            (&["::ffff:8.8.8.8", "8.8.8.8"], Ok(&["8.8.8.8"])),
            (&["10.0.0.1", "169.254.169.254"], Err(Reason::Private)),
            (&[], Ok(&[])),
        ];
        for (given, expected) in table {
            let expected = expected.map(|list| list.iter().map(ToString::to_string).collect());
            assert_eq!(all(closed, given), expected, "{given:?}");
        }
    }
}
