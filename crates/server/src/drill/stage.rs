//! One data folder and the server that runs on it now: started armed, killed,
//! started again on the same files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::child::{Child, Cradle};
use super::database::Database;
use super::error::DrillError;
use super::image::Image;
use super::line::Line;
use super::scratch::{Ground, Scratch};

/// Seconds a lease of the drill's servers lasts.
pub(super) const LEASE: u64 = 2;
/// How long the first request may take.
const FIRST: Duration = Duration::from_secs(20);

/// The disk of a stage's data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// The user's.
    Users,
    /// One of its own.
    Whole,
    /// One of its own for all but the sandboxes, whose files are elsewhere.
    Database,
}

/// A server of the drill and what it stands on.
pub(super) struct Stage {
    cradle: Cradle,
    /// `None` only while it is down.
    pub(super) child: Option<Child>,
    url: watch::Sender<String>,
    line: Line,
    agent: Option<String>,
    /// Bytes of the log from before the server that runs.
    logged: usize,
    /// The database, where it is not a file of the data folder.
    database: Option<Database>,
    /// Another node on the same database.
    second: Option<Child>,
    // Last: it goes when the child is gone.
    scratch: Scratch,
}

impl Stage {
    /// A new data folder, and a new database where it is elsewhere; no server
    /// runs yet.
    pub(super) async fn set(ground: &Ground, disk: Disk) -> Result<Self, DrillError> {
        let mut scratch = Scratch::new(ground)?;
        match disk {
            Disk::Users => {}
            Disk::Whole => scratch.own_disk()?,
            Disk::Database => {
                scratch.own_disk()?;
                let hands = scratch.dir().join("hands");
                fs::create_dir(&hands)
                    .and_then(|()| symlink(&hands, scratch.data().join("hands")))
                    .map_err(DrillError::at(&hands))?;
            }
        }
        let key = crate::node::new_key();
        let url = watch::Sender::new(String::new());
        let mut env = options(ground, disk, &key);
        let database = match &ground.database_url {
            Some(address) => Some(Database::make(address).await?),
            None => None,
        };
        env.extend(database.iter().flat_map(Database::options));
        // Shared by all nodes, where there are more than one.
        let blobs = scratch.data().join("blobs").display().to_string();
        env.push(("OC_BLOBS".to_owned(), blobs));
        let cradle = Cradle {
            program: ground.program.clone(),
            data: scratch.data(),
            log: scratch.dir().join("server.log"),
            env,
        };
        Ok(Self {
            line: Line::new(url.subscribe(), &key)?,
            cradle,
            child: None,
            url,
            agent: None,
            logged: 0,
            database,
            second: None,
            scratch,
        })
    }

    /// The scratch folder.
    pub(super) fn dir(&self) -> &Path {
        self.scratch.dir()
    }

    /// The data folder.
    pub(super) fn data(&self) -> &Path {
        &self.cradle.data
    }

    /// Whether the server that runs has logged these words.
    pub(super) fn heard(&self, words: &str) -> bool {
        let log = fs::read_to_string(&self.cradle.log).unwrap_or_default();
        log.get(self.logged..)
            .is_some_and(|log| log.contains(words))
    }

    /// A client of whatever server runs.
    pub(super) fn line(&self) -> Line {
        self.line.clone()
    }

    /// Starts a server with these options besides; one that runs is killed first.
    pub(super) async fn launch(&mut self, more: &[(&str, String)]) -> Result<(), DrillError> {
        for mut child in [self.child.take(), self.second.take()]
            .into_iter()
            .flatten()
        {
            child.kill().await;
        }
        let log = fs::metadata(&self.cradle.log).map_or(0, |log| log.len());
        self.logged = usize::try_from(log).unwrap_or(0);
        let child = self.cradle.launch(more).await?;
        self.url.send_replace(child.url.clone());
        self.child = Some(child);
        Ok(())
    }

    /// The database, where it is not a file of the data folder.
    pub(super) fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// Starts another node on the same database; false if there can be none.
    pub(super) async fn another(&mut self) -> Result<bool, DrillError> {
        if self.database.is_none() {
            return Ok(false);
        }
        let data = self.scratch.second()?;
        let mut cradle = self.cradle.clone();
        cradle.data = data;
        self.second = Some(cradle.launch(&[]).await?);
        Ok(true)
    }

    /// The disk of the data folder.
    pub(super) fn disk(&mut self) -> Result<&mut Image, DrillError> {
        self.scratch.disk()
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
        for mut child in [self.child.take(), self.second.take()]
            .into_iter()
            .flatten()
        {
            child.kill().await;
        }
        if let Some(database) = self.database.take() {
            database.remove().await;
        }
        drop(self.scratch);
    }
}

/// What the servers of a drill are told.
fn options(ground: &Ground, disk: Disk, key: &str) -> Vec<(String, String)> {
    // A small disk has no room for sandboxes that nobody asked for.
    let (warm, small) = match disk {
        Disk::Users => ("2", None),
        Disk::Whole | Disk::Database => ("0", Some(("OC_SANDBOX_DISK_MB", "64".to_owned()))),
    };
    let own = [
        ("OC_BOOTSTRAP_KEY", key.to_owned()),
        ("OC_SANDBOX_DRIVER", ground.sandbox_driver.clone()),
        ("OC_SANDBOX_WARM", warm.to_owned()),
        ("OC_LEASE_SECONDS", LEASE.to_string()),
        ("OC_HEARTBEAT_SECONDS", "1".to_owned()),
        ("OC_ORG_TURNS", "100".to_owned()),
        // The receiver of webhooks is on this machine.
        ("OC_ALLOW_PRIVATE", "1".to_owned()),
        ("OC_DELIVERY_RETRY_MS", "100".to_owned()),
        ("OC_LOG_FORMAT", "text".to_owned()),
        ("OC_LOG", "info".to_owned()),
        ("NO_COLOR", "1".to_owned()),
    ];
    let own = own.into_iter().chain(small);
    let own = own.map(|(name, value)| (name.to_owned(), value));
    ground.options.iter().cloned().chain(own).collect()
}
