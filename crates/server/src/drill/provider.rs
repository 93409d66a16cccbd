//! The provider of models: the rehearsal model, in this process, behind an
//! address of its own. It keeps the keys it was shown, as real ones do.

use std::net::Ipv4Addr;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::drill::DrillError;

/// It ends when it is dropped.
pub(super) struct Provider {
    /// Where it is.
    pub(super) url: String,
    _task: JoinSet<()>,
}

impl Provider {
    pub(super) async fn open() -> Result<Self, DrillError> {
        let failed = |error| DrillError::Tool(format!("no rehearsal model: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // It serves until it is dropped.
            let _ = axum::serve(listener, brain::rehearse_router()).await;
        });
        Ok(Self { url, _task: task })
    }

    /// All it was asked, headers included.
    pub(super) async fn heard(&self) -> Result<String, DrillError> {
        let failed = |error| DrillError::Tool(format!("the rehearsal model is silent: {error}"));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build();
        let request = client.map_err(failed)?.get(format!("{}/__log", self.url));
        let answer = request.send().await.map_err(failed)?;
        answer.text().await.map_err(failed)
    }
}
