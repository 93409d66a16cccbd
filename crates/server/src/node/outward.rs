//! The ways out of the sandboxes, as the hands are given them: each connection
//! and each name goes to the gate with the pass of its sandbox.

use std::io;
use std::sync::{Arc, OnceLock};

use brain::Engines;
use egress::{Authority, Destination, Gate, Roots};
use futures::FutureExt;
use hands::{Dial, Lookup, Resolve, Target, To};
use secrecy::ExposeSecret;
use store::Store;
use tokio_util::task::TaskTracker;

use super::ServeError;
use crate::config::Config;
use crate::delivery::Post;
use crate::engines;
use crate::gate::Passes;

/// What leads out of this installation.
pub(super) struct Outward {
    /// The way out of the sandboxes.
    pub(super) gate: Gate,
    /// The certificates that sandboxes are to trust.
    pub(super) certificates: String,
    /// The way to receivers of webhooks.
    pub(super) post: Post,
}

/// Makes what leads out, under one policy and the same trust.
pub(super) async fn open(config: &Config, store: &Store) -> Result<Outward, ServeError> {
    let failed = |error: &dyn std::fmt::Display| ServeError::Gate(error.to_string());
    let fresh = Authority::fresh().map_err(|error| failed(&error))?;
    // Nodes of one database share the authority of whoever came first.
    let kept = store.install_secret("authority", || fresh.to_bytes().expose_secret().clone());
    let authority = Authority::from_bytes(kept.await?.expose_secret());
    let authority = authority.map_err(|error| failed(&error))?;
    let mut certificates = authority.certificate_pem().to_owned();
    let mut roots = Roots::system();
    if let Some(path) = &config.sandboxes.extra_roots {
        let pem = std::fs::read_to_string(path).map_err(|source| ServeError::Data {
            path: path.clone(),
            source,
        })?;
        roots = roots.and(&pem).map_err(|error| failed(&error))?;
        // What passes untouched is checked by the programs inside.
        certificates = format!("{}\n{pem}", certificates.trim_end());
    }
    let policy = egress::Policy {
        allow_private: config.sandboxes.allow_private,
    };
    let limits = egress::Limits::default();
    let post = Post::new(config, policy, &roots).map_err(ServeError::Gate)?;
    Ok(Outward {
        gate: Gate::new(policy, limits, Some(authority), roots),
        certificates,
        post,
    })
}

/// What every way out needs.
#[derive(Clone)]
pub(super) struct Ways {
    gate: Gate,
    passes: Arc<Passes>,
    /// Made when the sandboxes are, which they need.
    engines: Arc<OnceLock<Engines>>,
    /// Conversations at the door; each ends with its connection.
    doors: TaskTracker,
}

/// Bytes that wait between an engine and the door.
const DEPTH: usize = 64 * 1024;

impl Ways {
    pub(super) fn new(gate: Gate, passes: Arc<Passes>) -> Self {
        Self {
            gate,
            passes,
            engines: Arc::default(),
            doors: TaskTracker::new(),
        }
    }

    /// From here on brain sandboxes have their way to the door.
    pub(super) fn lead_to(&self, engines: &Engines) {
        // There is one server in a process, and one call of this.
        let _ = self.engines.set(engines.clone());
    }

    /// Makes the connections that leave a sandbox.
    pub(super) fn dial(&self) -> Dial {
        let ways = self.clone();
        Arc::new(move |target| {
            let ways = ways.clone();
            async move { ways.connect(target).await }.boxed()
        })
    }

    /// Looks up the names that are asked for in a sandbox.
    pub(super) fn resolve(&self) -> Resolve {
        let ways = self.clone();
        Arc::new(move |lookup| {
            let ways = ways.clone();
            async move { ways.look_up(lookup).await }.boxed()
        })
    }

    async fn connect(&self, target: Target) -> io::Result<Box<dyn hands::Stream>> {
        if let Some(session) = target.owner.as_deref().and_then(engines::session_of) {
            return self.to_the_door(session, &target.to);
        }
        let to = match target.to {
            To::Addr(address) => Destination::Address(address),
            To::Name(name, port) => Destination::Name(name, port),
        };
        let pass = self.pass(&target.sandbox, target.owner.as_deref()).await?;
        let stream = self.gate.dial(&Arc::new(pass), &to).await;
        Ok(Box::new(stream.map_err(refused)?))
    }

    /// The one way out of a brain sandbox.
    fn to_the_door(&self, session: &str, to: &To) -> io::Result<Box<dyn hands::Stream>> {
        let door = matches!(to, To::Addr(address) if *address == brain::DOOR_ADDRESS);
        let engines = self.engines.get().filter(|_| door);
        let Some(engines) = engines.cloned() else {
            tracing::info!(session, ?to, outcome = "refused", "an engine wanted out");
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let (ours, theirs) = tokio::io::duplex(DEPTH);
        let session = session.to_owned();
        self.doors
            .spawn(async move { engines.serve(&session, theirs).await });
        Ok(Box::new(ours))
    }

    async fn look_up(&self, lookup: Lookup) -> io::Result<Vec<std::net::IpAddr>> {
        if lookup
            .owner
            .as_deref()
            .and_then(engines::session_of)
            .is_some()
        {
            return Err(io::ErrorKind::NotFound.into());
        }
        let pass = self.pass(&lookup.sandbox, lookup.owner.as_deref()).await?;
        let found = self.gate.resolve(&pass, &lookup.name).await;
        found.map_err(refused)
    }

    async fn pass(&self, sandbox: &str, owner: Option<&str>) -> io::Result<egress::Pass> {
        self.passes.of(sandbox, owner).await.map_err(|error| {
            tracing::warn!(%error, sandbox, "nothing is let out while the store cannot be read");
            io::Error::from(io::ErrorKind::ConnectionRefused)
        })
    }
}

/// The gate's refusal as the hands know it: kinds of the system's own errors,
/// which the guest turns into what a program inside expects.
fn refused(error: egress::Error) -> io::Error {
    let kind = match &error {
        egress::Error::Refused(_) => io::ErrorKind::ConnectionRefused,
        egress::Error::NoName => io::ErrorKind::NotFound,
        egress::Error::Unreachable(source) => source.kind(),
        egress::Error::Timeout(_) => io::ErrorKind::TimedOut,
    };
    io::Error::new(kind, error)
}
