//! The way to the host: the frame connection of the moment, if there is one.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::mux::{Broken, Channel, Mux};
use crate::request::Open;

/// A server that restarts is back within this time; longer, and programs
/// inside had better hear that there is no network.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens streams to whichever host is connected now. The guest's main loop
/// keeps the sending end up to date.
#[derive(Debug, Clone)]
pub struct Host {
    current: watch::Receiver<Option<Mux>>,
}

impl Host {
    /// `current` holds the latest connection; a closed one counts as none.
    #[must_use]
    pub fn new(current: watch::Receiver<Option<Mux>>) -> Host {
        Host { current }
    }

    pub(super) async fn open(&self, open: &Open) -> Result<Channel, Broken> {
        let payload = serde_json::to_vec(open).map_err(|error| Broken::Reset(error.to_string()))?;
        let mut current = self.current.clone();
        let connected = current.wait_for(|mux| mux.as_ref().is_some_and(|mux| !mux.is_closed()));
        let mux = match timeout(PATIENCE, connected).await {
            Ok(Ok(mux)) => mux.clone().ok_or(Broken::Gone)?,
            _ => return Err(Broken::Gone),
        };
        mux.open(payload).await
    }
}
