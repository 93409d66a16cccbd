//! A database of the drill's own on the user's PostgreSQL, reached by a line
//! that can be cut.

use store::{Beside, Place};

use super::error::DrillError;
use super::proxy::{Proxy, Upstream};

/// A scratch database and the line to it.
pub(super) struct Database {
    beside: Beside,
    line: Proxy,
}

impl Database {
    /// Makes one beside the user's.
    pub(super) async fn make(url: &str) -> Result<Self, DrillError> {
        let failed = |error: store::Error| DrillError::Database(error.to_string());
        let name = format!("oc_drill_{:08x}", rand::random::<u32>());
        let beside = Beside::make(url, &name).await.map_err(failed)?;
        let upstream = match beside.place() {
            Place::Tcp(host, port) => Upstream::Tcp(host, port),
            Place::Unix(path) => Upstream::Unix(path),
        };
        let line = Proxy::open(upstream).await?;
        Ok(Self { beside, line })
    }

    /// What tells a server of it.
    pub(super) fn options(&self) -> Vec<(String, String)> {
        let url = self.beside.url(self.line.address);
        vec![("OC_DATABASE_URL".to_owned(), url)]
    }

    /// The line to it.
    pub(super) fn line(&self) -> &Proxy {
        &self.line
    }

    /// Drops it. One that cannot be dropped now is named by its prefix.
    pub(super) async fn remove(self) {
        if let Err(error) = self.beside.drop().await {
            tracing::warn!(%error, "a scratch database named oc_drill_… is left behind");
        }
    }
}
