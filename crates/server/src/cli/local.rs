//! The store of this machine, for commands that act on it directly.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use store::Store;

use super::error::CliError;
use super::options;
use crate::config::{Config, Secret, Settings};

/// How long the store may take to open.
const OPEN: Duration = Duration::from_secs(15);

/// Which store.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The server's data folder
    #[arg(long, env = "OC_DATA")]
    data: Option<PathBuf>,
    /// The server's database, if it is not in the data folder
    #[arg(long, env = "OC_DATABASE_URL", hide_env_values = true)]
    database_url: Option<Secret>,
    /// The server's file of options
    #[arg(long, env = "OC_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The options that matter here.
    pub(super) fn hold(self) -> Result<Config, CliError> {
        let mut settings = Settings::default();
        settings.node.data = self.data;
        settings.node.database_url = self.database_url;
        options::hold(settings, self.config.as_deref()).map(|(config, _)| config)
    }

    /// Opens the store; a server may use it at the same time.
    pub(super) async fn store(self, must_exist: bool) -> Result<Store, CliError> {
        let config = self.hold()?;
        if must_exist && !config.node.data.join("master.key").exists() {
            return Err(CliError::Local(format!(
                "no server has run on {} yet: give its folder with --data",
                config.node.data.display()
            )));
        }
        std::fs::create_dir_all(&config.node.data).map_err(|error| {
            CliError::Local(format!(
                "the data folder {} cannot be made: {error}",
                config.node.data.display()
            ))
        })?;
        let opening = tokio::time::timeout(OPEN, crate::node::open_store(&config));
        let opened = opening.await.map_err(|_| {
            CliError::Local(format!("the store did not open in {} s", OPEN.as_secs()))
        })?;
        opened.map_err(|error| CliError::Local(error.to_string()))
    }
}

impl From<store::Error> for CliError {
    fn from(error: store::Error) -> Self {
        Self::Local(format!("the store: {error}"))
    }
}
