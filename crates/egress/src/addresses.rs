//! Addresses one may connect to, for callers that connect by themselves (webhooks).
//! The same rules as the gate's: judged after resolution, the host's own left out.

use std::net::IpAddr;

use crate::connect::{self, Way};
use crate::error::{Error, Reason};
use crate::limits::Limits;
use crate::policy::Policy;
use crate::resolve::Resolver;

/// Finds and judges addresses.
#[derive(Debug)]
pub struct Addresses {
    policy: Policy,
    resolver: Resolver,
}

impl Addresses {
    /// By this policy, with the lookups that these limits allow.
    pub fn new(policy: Policy, limits: Limits) -> Addresses {
        Addresses {
            policy,
            resolver: Resolver::new(limits.lookups, limits.resolve),
        }
    }

    /// The addresses of `host`, a name or an address, that one may connect to right
    /// now, best first.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when it has addresses but none is allowed;
    /// [`Error::NoName`] when it has none.
    pub async fn of(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        let found = self.resolver.lookup(host).await?;
        checked(self.policy, &found).map_err(Error::Refused)
    }

    /// Whether `host` is an address that nobody may connect to; what a name leads to
    /// is known only when connecting.
    ///
    /// # Errors
    ///
    /// The reason.
    pub fn may_be(&self, host: &str) -> Result<(), Reason> {
        match host.parse::<IpAddr>() {
            Ok(address) => checked(self.policy, &[address]).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// Takes no more names, and waits for the lookups that still run.
    pub async fn close(&self) {
        self.resolver.close().await;
    }
}

/// The addresses that policy allows and that are not the host's own.
pub(crate) fn checked(policy: Policy, found: &[IpAddr]) -> Result<Vec<IpAddr>, Reason> {
    let allowed = policy.check_all(found)?;
    without_own(policy, allowed, connect::way)
}

/// A public address of the host itself leads to what listens there for its own
/// network only, past any firewall.
pub(crate) fn without_own(
    policy: Policy,
    mut allowed: Vec<IpAddr>,
    way: impl Fn(IpAddr) -> Way,
) -> Result<Vec<IpAddr>, Reason> {
    if policy.lifts(Reason::Host) || allowed.is_empty() {
        return Ok(allowed);
    }
    allowed.retain(|address| way(*address) != Way::Own);
    if allowed.is_empty() {
        return Err(Reason::Host);
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn addresses(allow_private: bool) -> Addresses {
        Addresses::new(Policy { allow_private }, Limits::default())
    }

    #[tokio::test]
    async fn what_leads_to_this_host_is_refused_by_name_and_by_number() {
        let (closed, open) = (addresses(false), addresses(true));
        for host in [
            "127.0.0.1",
            "::1",
            "localhost",
            "10.0.0.1",
            "169.254.169.254",
        ] {
            let refused = closed.of(host).await;
            assert!(matches!(refused, Err(Error::Refused(_))), "{host}");
        }
        assert!(!open.of("localhost").await.unwrap().is_empty());
        let metadata = open.of("169.254.169.254").await;
        assert!(matches!(metadata, Err(Error::Refused(Reason::Metadata))));
    }

    #[test]
    fn only_an_address_is_judged_without_looking() {
        let closed = addresses(false);
        assert!(closed.may_be("127.0.0.1").is_err());
        assert!(closed.may_be("::ffff:10.0.0.1").is_err());
        assert!(closed.may_be("localhost").is_ok());
        assert!(closed.may_be("8.8.8.8").is_ok());
    }
}
