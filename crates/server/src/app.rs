//! What the parts of a node share: handed to every request and every run.

use std::sync::Arc;

use brain::{Engines, Model, Models};
use egress::Gate;
use hands::Hands;
use session::Frozen;
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::client_tokens::ClientTokens;
use crate::config::Config;
use crate::delivery::Post;
use crate::deltas::Deltas;
use crate::driver::{Births, Running};
use crate::engines::Graves;
use crate::files::Files;
use crate::gate::Passes;
use crate::metrics::Metrics;
use crate::prompts::Prompts;
use crate::runtimes::Runtimes;
use crate::schedules::Schedules;

/// The shared parts; cheap to clone.
pub type App = Arc<Parts>;

/// One of each part.
pub struct Parts {
    /// What the operator wants.
    pub config: Config,
    /// This node's name in leases.
    pub node: String,
    /// The truth.
    pub store: Store,
    /// The models.
    pub models: Models,
    /// What models are told besides the conversation.
    pub prompts: Prompts,
    /// The sandboxes.
    pub hands: Arc<Hands>,
    /// Other people's engines.
    pub engines: Engines,
    /// Their sandboxes that are to be ended.
    pub graves: Arc<Graves>,
    /// The way out of the sandboxes.
    pub gate: Gate,
    /// What each sandbox may reach and be given.
    pub passes: Arc<Passes>,
    /// Opens single sessions to clients.
    pub client_tokens: ClientTokens,
    /// The way to receivers of webhooks.
    pub post: Post,
    /// The files of the sessions.
    pub files: Files,
    /// Whether this node was alone on its database when it started: then a turn
    /// that it finds open is one of its own past.
    pub alone: bool,
    /// What models are saying right now.
    pub deltas: Deltas,
    /// What is counted.
    pub metrics: Metrics,
    /// The sessions this node runs.
    pub running: Running,
    /// Rings who fires schedules.
    pub schedules: Schedules,
    /// The door for sessions born with this node's lease.
    pub births: Births,
    /// Cancelled when the node should take no more work: runs stop between
    /// two steps.
    pub drain: CancellationToken,
    /// Cancelled a little later: runs stop within a step and hand it over.
    pub halt: CancellationToken,
}

impl Parts {
    /// The runtimes that are installed.
    #[must_use]
    pub fn runtimes(&self) -> Runtimes {
        Runtimes::new(self.config.node.runtimes())
    }

    /// Whether other nodes may share this one's database.
    #[must_use]
    pub fn shares(&self) -> bool {
        self.config.node.database_url.is_some()
    }

    /// Who answers for a session: its runtime's engine, or the model itself.
    #[must_use]
    pub fn model_of(&self, frozen: &Frozen) -> Arc<dyn Model> {
        let engine = self.engines.for_runtime(&frozen.runtime);
        engine.unwrap_or_else(|| self.models.for_model(&frozen.model))
    }
}
