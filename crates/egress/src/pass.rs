//! What one sandbox may do: where it may connect, which secrets may go where,
//! and who is told of each decision.
//!
//! The gate is given a [`Pass`] with every call and keeps none, so a changed
//! policy holds from the next connection on and a rotated secret from the next
//! request on.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::SecretString;

use crate::error::Reason;
use crate::host::HostPattern;

/// Where connections may go, besides what [`Policy`](crate::Policy) says of
/// addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Egress {
    /// Anywhere.
    #[default]
    Open,
    /// Nowhere; names are not resolved either.
    None,
    /// To these hosts only.
    Allowlist(Vec<HostPattern>),
}

impl Egress {
    /// Whether connections to `host` are allowed.
    pub fn admits(&self, host: &str) -> bool {
        match self {
            Egress::Open => true,
            Egress::None => false,
            Egress::Allowlist(hosts) => hosts.iter().any(|pattern| pattern.matches(host)),
        }
    }
}

/// A secret this sandbox may use without having it.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The secret's name, as texts and audit call it.
    pub name: String,
    /// What the sandbox has in its place (`osb_sealed_…`).
    pub token: String,
    /// The hosts it may go to; empty means every host.
    pub hosts: Vec<HostPattern>,
}

impl Grant {
    /// Whether the secret may go to `host`.
    pub fn covers(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

/// The value of the grant of this name, read anew for each request; `None`
/// when it is gone.
pub type Reveal = Arc<dyn Fn(String) -> BoxFuture<'static, Option<SecretString>> + Send + Sync>;

/// Told of each decision; must not block.
pub type Audit = Arc<dyn Fn(Decision) + Send + Sync>;

/// What came of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A connection or a request was refused.
    Denied,
    /// A secret was put in the place of its token.
    Granted,
}

/// One decision, without anything secret. The same decision is told once for
/// each connection, however many requests it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What came of it.
    pub verdict: Verdict,
    /// The host, or the address where no name is known.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The secret it is about, by its name.
    pub secret: Option<String>,
    /// Why it was denied.
    pub reason: Option<&'static str>,
}

/// What the gate must know of a sandbox to decide for it.
#[derive(Clone)]
pub struct Pass {
    /// The sandbox's id: connections are counted under it.
    pub sandbox: String,
    /// Where it may connect.
    pub egress: Egress,
    /// The secrets it may use.
    pub grants: Vec<Grant>,
    /// Gives the value of a grant.
    pub reveal: Reveal,
    /// Hears the decisions.
    pub audit: Audit,
}

impl Pass {
    /// Open, with no secrets and nobody who listens.
    pub fn open(sandbox: impl Into<String>) -> Pass {
        Pass {
            sandbox: sandbox.into(),
            egress: Egress::Open,
            grants: Vec::new(),
            reveal: Arc::new(|_| async { None }.boxed()),
            audit: Arc::new(|_| {}),
        }
    }

    /// Whether what a program says first matters: otherwise its bytes pass
    /// unseen.
    pub(crate) fn looks(&self) -> bool {
        !self.grants.is_empty() || matches!(self.egress, Egress::Allowlist(_))
    }

    pub(crate) fn tell(&self, verdict: Verdict, host: &str, port: u16, about: About<'_>) {
        (self.audit)(Decision {
            verdict,
            host: host.chars().take(253).collect(),
            port,
            secret: about.secret.map(ToOwned::to_owned),
            reason: about.reason.map(Reason::as_str),
        });
    }
}

/// The rest of a [`Decision`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About<'a> {
    pub(crate) secret: Option<&'a str>,
    pub(crate) reason: Option<Reason>,
}

impl About<'_> {
    pub(crate) fn reason(reason: Reason) -> About<'static> {
        About {
            secret: None,
            reason: Some(reason),
        }
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pass")
            .field("sandbox", &self.sandbox)
            .field("egress", &self.egress)
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}
