//! What the parts of a node share: handed to every request and every run.

use std::sync::Arc;

use brain::Models;
use egress::Gate;
use hands::Hands;
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::deltas::Deltas;
use crate::metrics::Metrics;

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
    /// The sandboxes.
    pub hands: Hands,
    /// The way out of the sandboxes.
    pub gate: Arc<Gate>,
    /// What models are saying right now.
    pub deltas: Deltas,
    /// What is counted.
    pub metrics: Metrics,
    /// Cancelled when the node should stop taking work and finish.
    pub drain: CancellationToken,
    /// Wakes the driver: work may be due.
    pub work: tokio::sync::Notify,
}
