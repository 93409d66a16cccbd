//! One connection that is looked at: who asked, for what, and what follows
//! from what the program says first.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::ear::{Heard, Hello};
use crate::error::{Error, Reason};
use crate::gate::Inner;
use crate::pass::{About, Egress, Pass, Verdict};

/// A connection and the pass it is made under.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) gate: Arc<Inner>,
    pub(crate) pass: Arc<Pass>,
    /// The host as asked for: a name or an address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The way there is allowed whatever is said; otherwise only what names
    /// an allowed host goes on, to where that name leads.
    pub(crate) listed: bool,
    /// Said when the connection is gone: ends all that was begun for it.
    pub(crate) gone: CancellationToken,
}

/// How a connection goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Untouched.
    Pass,
    /// Untouched, to the host of this name.
    Late(String),
    /// As the stand-in of this host.
    Stand(String, Hello),
    /// As its stand-in that only says why it is not reached.
    Refuse(String, Hello),
    /// As a reader of requests that are not encrypted.
    Web { two: bool },
    /// Not at all.
    Deny(Reason),
}

impl Case {
    /// How a connection that begins like this goes on.
    pub(crate) fn course(&self, heard: Heard) -> Course {
        match heard {
            Heard::Tls(hello) => self.encrypted(hello),
            Heard::Http { two } => Course::Web { two },
            // Who hides its name could be talking to anybody behind an address.
            Heard::Broken if self.strict() => Course::Deny(Reason::Unlisted),
            Heard::Broken | Heard::Other | Heard::More if self.listed => Course::Pass,
            Heard::Broken | Heard::Other | Heard::More => Course::Deny(Reason::Unlisted),
        }
    }

    fn encrypted(&self, hello: Hello) -> Course {
        let said = hello.name.as_deref();
        let allowed = said.map_or(self.listed, |name| self.pass.egress.admits(name));
        let name = said.unwrap_or(&self.host).to_owned();
        let speaks = self.gate.authority.is_some() && hello.is_web();
        if !allowed {
            return match speaks {
                true => Course::Refuse(name, hello),
                false => Course::Deny(Reason::Unlisted),
            };
        }
        let granted = self.pass.grants.iter().any(|grant| grant.covers(&name));
        if granted && speaks {
            return Course::Stand(name, hello);
        }
        if self.listed {
            Course::Pass
        } else {
            Course::Late(name)
        }
    }

    pub(crate) fn strict(&self) -> bool {
        self.pass.egress != Egress::Open
    }

    /// Tells of a refusal, in all the places that hear of one.
    pub(crate) fn denied(&self, host: &str, secret: Option<&str>, reason: Reason) {
        let sandbox = &self.pass.sandbox;
        let why = reason.as_str();
        tracing::info!(
            sandbox,
            host,
            port = self.port,
            secret,
            outcome = "refused",
            reason = why,
            "egress"
        );
        self.gate.counters.failed(&Error::Refused(reason));
        let about = About {
            secret,
            reason: Some(reason),
        };
        self.pass.tell(Verdict::Denied, host, self.port, about);
    }

    /// Tells of a connection that was made only after something was said.
    pub(crate) fn allowed(&self, host: &str) {
        let sandbox = &self.pass.sandbox;
        self.gate.counters.allowed();
        tracing::info!(
            sandbox,
            host,
            port = self.port,
            outcome = "allowed",
            "egress"
        );
    }

    /// Tells that a secret was used.
    pub(crate) fn granted(&self, host: &str, secret: &str) {
        self.gate.counters.granted();
        let sandbox = &self.pass.sandbox;
        tracing::info!(
            sandbox,
            host,
            port = self.port,
            secret,
            outcome = "granted",
            "egress"
        );
        let about = About {
            secret: Some(secret),
            reason: None,
        };
        self.pass.tell(Verdict::Granted, host, self.port, about);
    }
}

impl Hello {
    /// Whether HTTP may follow: it is offered, or nothing is.
    fn is_web(&self) -> bool {
        let web = |one: &Vec<u8>| one == b"h2" || one == b"http/1.1";
        self.protocols.is_empty() || self.protocols.iter().any(web)
    }
}
