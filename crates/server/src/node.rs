//! One node: builds the parts, owns every task, and ends them in order.
//!
//! Start: the listener, data folder and master key, store, first key, gate and
//! hands, models; only then is the address written and work taken. Stop:
//! no new work, runs stop between steps or hand over within one, streams close
//! with a retry hint, everything is gone within ten seconds. A `kill -9` at any
//! moment loses nothing that was acknowledged.

mod outward;
mod parts;
mod signals;

pub(crate) use parts::{hands_config, new_key, open_store};

use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::app::App;
use crate::config::Config;
use crate::{delivery, driver, engines, files, gate, http, schedules, sweep};

/// How long a step may go on once the node drains.
const STEP: Duration = Duration::from_secs(5);
/// How long the whole drain may take after that.
const REST: Duration = Duration::from_secs(4);

/// Why a node could not be started, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error("the data folder {path} cannot be used: {source}")]
    Data {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another server runs on the data folder.
    #[error("another server runs on {0}; end it first, or give --data another folder")]
    Taken(PathBuf),
    /// The database or the master key cannot be used.
    #[error("the store cannot be used: {0}")]
    Store(#[from] store::Error),
    /// Sandboxes cannot be made here.
    #[error("sandboxes cannot be made here: {0}. Run `oc doctor` to see why")]
    Hands(#[from] hands::Error),
    /// The gate cannot be set up.
    #[error("the gate cannot be set up: {0}")]
    Gate(String),
    /// The model clients cannot be made.
    #[error("the model clients cannot be made: {0}")]
    Models(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The first key is not of the right form.
    #[error("OC_BOOTSTRAP_KEY must be osb_ and 64 lowercase hex digits")]
    BootstrapKey,
    /// The store said that it can no longer promise anything.
    #[error("stopped, because the store failed: {0}")]
    Fatal(String),
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// If a part cannot be made, or the store fails for good.
pub async fn serve(mut config: Config) -> Result<(), ServeError> {
    let address = config.node.listen;
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    // Links that are handed out name the port we really have.
    config.node.listen = bound;
    let parts::Built {
        app,
        first_key,
        heard,
    } = parts::build(config).await?;
    parts::write_address(&app.config, bound)?;
    announce(bound, first_key.as_deref());

    let mut tasks: JoinSet<()> = JoinSet::new();
    tasks.spawn(driver::drive(app.clone()));
    tasks.spawn(driver::keep(app.clone()));
    tasks.spawn(driver::reap(app.clone()));
    tasks.spawn(driver::tell(app.clone()));
    tasks.spawn(files::keep(app.clone()));
    tasks.spawn(engines::keep(app.clone()));
    tasks.spawn(gate::keep(app.clone(), heard));
    tasks.spawn(delivery::keep(app.clone()));
    tasks.spawn(sweep::keep(app.clone()));
    tasks.spawn(sweep::bury(app.clone()));
    tasks.spawn(schedules::keep(app.clone()));
    tasks.spawn(http::serve(app.clone(), listener));
    let stopped = tokio::select! {
        () = signals::told_to_stop() => Ok(()),
        why = fatal(&app) => Err(ServeError::Fatal(why)),
    };
    drain(&app, tasks).await;
    stopped
}

/// The first key is shown once, on standard output, and never logged.
fn announce(bound: std::net::SocketAddr, first_key: Option<&str>) {
    tracing::info!(address = %bound, "listening");
    if let Some(key) = first_key {
        println!("API key (shown once): {key}");
    }
    println!("OpenComputer listens on http://{bound}");
}

async fn fatal(app: &App) -> String {
    let mut fatal = app.store.fatal();
    loop {
        if let Some(why) = fatal.borrow_and_update().clone() {
            return why;
        }
        if fatal.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn drain(app: &App, mut tasks: JoinSet<()>) {
    tracing::info!("draining");
    app.drain.cancel();
    let done = async { while tasks.join_next().await.is_some() {} };
    tokio::pin!(done);
    if tokio::time::timeout(STEP, &mut done).await.is_err() {
        app.halt.cancel();
        if tokio::time::timeout(REST, &mut done).await.is_err() {
            tracing::warn!("some work did not stop in time; its leases run out by themselves");
        }
    }
    app.store.close().await;
    tracing::info!("stopped");
}
