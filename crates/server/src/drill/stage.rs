//! One data folder and the server that runs on it now: started armed, killed,
//! started again on the same files.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::child::{Child, Cradle};
use super::error::DrillError;
use super::line::Line;
use super::scratch::{Ground, Scratch};

/// Seconds a lease of the drill's servers lasts.
pub(super) const LEASE: u64 = 2;
/// How long the first request may take.
const FIRST: Duration = Duration::from_secs(20);

/// A server of the drill and what it stands on.
pub(super) struct Stage {
    cradle: Cradle,
    /// `None` only while it is down.
    pub(super) child: Option<Child>,
    url: watch::Sender<String>,
    line: Line,
    agent: Option<String>,
    // Last: it goes when the child is gone.
    scratch: Scratch,
}

impl Stage {
    /// A new data folder; no server runs yet.
    pub(super) fn set(ground: &Ground) -> Result<Self, DrillError> {
        let scratch = Scratch::new(ground)?;
        let key = crate::node::new_key();
        let url = watch::Sender::new(String::new());
        let cradle = Cradle {
            program: ground.program.clone(),
            data: scratch.data(),
            log: scratch.dir().join("server.log"),
            env: options(ground, &key),
        };
        Ok(Self {
            line: Line::new(url.subscribe(), &key)?,
            cradle,
            child: None,
            url,
            agent: None,
            scratch,
        })
    }

    /// The data folder.
    pub(super) fn data(&self) -> &Path {
        &self.cradle.data
    }

    /// A client of whatever server runs.
    pub(super) fn line(&self) -> Line {
        self.line.clone()
    }

    /// Starts a server with these options besides; one that runs is killed first.
    pub(super) async fn launch(&mut self, more: &[(&str, String)]) -> Result<(), DrillError> {
        if let Some(mut child) = self.child.take() {
            child.kill().await;
        }
        let child = self.cradle.launch(more).await?;
        self.url.send_replace(child.url.clone());
        self.child = Some(child);
        Ok(())
    }

    /// The agent of all sessions, made when it is first asked for.
    pub(super) async fn agent(&mut self) -> Result<String, DrillError> {
        if let Some(agent) = &self.agent {
            return Ok(agent.clone());
        }
        let body = json!({ "name": "drill", "model": "test/script", "prompt": "Play the script." });
        let until = Instant::now() + FIRST;
        let made = self
            .line
            .ask(Method::POST, "/v3/agents", Some(body), None, until)
            .await;
        let id = made.and_then(|made| made.value["id"].as_str().map(str::to_owned));
        let id = id.ok_or_else(|| DrillError::Child("no agent could be made".to_owned()))?;
        self.agent = Some(id.clone());
        Ok(id)
    }

    /// Ends everything of it.
    pub(super) async fn clear(mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await;
        }
        drop(self.scratch);
    }
}

/// What the servers of a drill are told.
fn options(ground: &Ground, key: &str) -> Vec<(String, String)> {
    let own = [
        ("OC_BOOTSTRAP_KEY", key.to_owned()),
        ("OC_SANDBOX_DRIVER", ground.sandbox_driver.clone()),
        ("OC_SANDBOX_WARM", "2".to_owned()),
        ("OC_LEASE_SECONDS", LEASE.to_string()),
        ("OC_HEARTBEAT_SECONDS", "1".to_owned()),
        ("OC_ORG_TURNS", "100".to_owned()),
        ("OC_LOG_FORMAT", "text".to_owned()),
        ("OC_LOG", "info".to_owned()),
        ("NO_COLOR", "1".to_owned()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    ground.options.iter().cloned().chain(own).collect()
}
