//! Building the parts of a node, in the order in which they need each other.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use brain::{EngineConfig, Engines};
use hands::Hands;
use secrecy::ExposeSecret;
use session::id::Noun;
use store::{Database, MasterKey, Options, Store};
use tokio::sync::mpsc;

use super::{ServeError, outward};
use crate::app::{App, Parts};
use crate::client_tokens::ClientTokens;
use crate::clock;
use crate::config::Config;
use crate::engines::{self, Graves, Yard};
use crate::gate::{Heard, Passes, Tokens};
use crate::runtimes::Runtimes;

/// Decisions of the gate that wait to be written down.
const HEARD: usize = 4096;

/// What was built.
pub(super) struct Built {
    /// The parts.
    pub(super) app: App,
    /// The first API key, if it was just made.
    pub(super) first_key: Option<String>,
    /// What the gate decides.
    pub(super) heard: mpsc::Receiver<Heard>,
}

/// Builds everything.
pub(super) async fn build(config: Config) -> Result<Built, ServeError> {
    let data = config.node.data.clone();
    fs::create_dir_all(&data).map_err(|source| ServeError::Data {
        path: data.clone(),
        source,
    })?;
    let store = open_store(&config).await?;
    // Alone on its file, this node need not wait for the leases of a dead one.
    // A second server there would not hear what the first appends.
    let alone = store.alone().await?;
    if !alone && config.node.database_url.is_none() {
        return Err(ServeError::Taken(data));
    }
    store.settle_at(place(&data)?);
    let first_key = first_key(&store, &config).await?;
    let outward = outward::open(&config, &store).await?;
    let gate = outward.gate;
    let tokens = Tokens::open(&store).await?;
    let client_tokens = ClientTokens::open(&store).await?;
    let (tell, heard) = mpsc::channel(HEARD);
    let passes = Arc::new(Passes::new(store.clone(), tokens, tell));
    let ways = outward::Ways::new(gate.clone(), Arc::clone(&passes));
    let pieces = crate::files::pieces(&store);
    let mut wanted = hands_config(&config);
    wanted.trust = Some(outward.certificates);
    let hands = Arc::new(Hands::open(wanted, ways.dial(), ways.resolve(), pieces).await?);
    engines::end_all(&hands).await;
    let models = brain::Models::new(brain_config(&config))
        .map_err(|error| ServeError::Models(error.to_string()))?;
    let graves = Arc::new(Graves::default());
    let yard = Yard {
        hands: Arc::clone(&hands),
        graves: Arc::clone(&graves),
        runtimes: Runtimes::new(config.node.runtimes()),
        limits: engine_limits(&config),
    };
    let engines = Engines::new(models.clone(), engines::spawn(yard), engine_config(&config));
    ways.lead_to(&engines);
    let app = Arc::new(Parts {
        node: clock::fresh(Noun::Node),
        store,
        models,
        prompts: crate::prompts::Prompts::default(),
        hands,
        engines,
        graves,
        gate,
        passes,
        client_tokens,
        post: outward.post,
        files: crate::files::Files::default(),
        alone,
        deltas: crate::deltas::Deltas::default(),
        metrics: crate::metrics::Metrics::default(),
        running: crate::driver::Running::default(),
        births: crate::driver::Births::default(),
        schedules: crate::schedules::Schedules::default(),
        drain: tokio_util::sync::CancellationToken::new(),
        halt: tokio_util::sync::CancellationToken::new(),
        config,
    });
    Ok(Built {
        app,
        first_key,
        heard,
    })
}

/// The name of this data folder, with the sandboxes in it: the same after a
/// restart, and another's on every other node.
fn place(data: &Path) -> Result<String, ServeError> {
    let path = data.join("place");
    if let Ok(name) = fs::read_to_string(&path) {
        return Ok(name);
    }
    let name = clock::fresh(Noun::Node);
    fs::write(&path, &name).map_err(|source| ServeError::Data { path, source })?;
    Ok(name)
}

/// The store of this configuration; also for commands that run beside a server.
pub(crate) async fn open_store(config: &Config) -> Result<Store, ServeError> {
    let master = MasterKey::load_or_create(&config.node.data.join("master.key"))?;
    let database = match &config.node.database_url {
        Some(url) => Database::Postgres(url.expose_secret().to_owned()),
        None => Database::Sqlite(config.node.data.join("oc.db")),
    };
    Ok(Store::open(Options {
        database,
        blobs: config.node.blobs(),
        master,
        passed: Some(std::sync::Arc::new(crate::points::passed)),
    })
    .await?)
}

async fn first_key(store: &Store, config: &Config) -> Result<Option<String>, ServeError> {
    let wanted = config
        .node
        .bootstrap_key
        .as_ref()
        .map(|key| key.expose_secret().to_owned());
    if wanted.as_deref().is_some_and(|key| !is_key(key)) {
        return Err(ServeError::BootstrapKey);
    }
    let given = wanted.is_some();
    let key = wanted.unwrap_or_else(new_key);
    let made = store.bootstrap(&key, given, clock::now()).await?;
    Ok((made && !given).then_some(key))
}

/// A new API key: `osb_` and 32 random bytes as hex.
pub(crate) fn new_key() -> String {
    use std::fmt::Write;
    let random: [u8; 32] = rand::random();
    random.iter().fold(String::from("osb_"), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    })
}

fn is_key(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.strip_prefix("osb_")
        .is_some_and(|rest| rest.len() == 64 && rest.bytes().all(hex))
}

/// How sandboxes are to be made.
pub(crate) fn hands_config(config: &Config) -> hands::HandsConfig {
    let mut hands = hands::HandsConfig::new(absolute(&config.node.data).join("hands"));
    hands.driver = match config.sandboxes.sandbox_driver.as_str() {
        "container" => hands::DriverKind::Container,
        "process" => hands::DriverKind::Process,
        _ => hands::DriverKind::Auto,
    };
    hands.warm = config.sandboxes.sandbox_warm;
    hands.max_sandboxes = config.sandboxes.sandbox_max;
    hands.boot_deadline = Duration::from_secs(config.sandboxes.sandbox_start_seconds);
    hands.limits = hands::Limits {
        memory_bytes: config.sandboxes.sandbox_memory_mb << 20,
        cpus: config.sandboxes.sandbox_cpus,
        pids: u32::try_from(config.sandboxes.sandbox_pids).unwrap_or(u32::MAX),
        disk_bytes: config.sandboxes.sandbox_disk_mb << 20,
    };
    hands
}

/// What a brain sandbox may use.
fn engine_limits(config: &Config) -> hands::Limits {
    hands::Limits {
        memory_bytes: config.models.engine_memory_mb << 20,
        cpus: 2.0,
        pids: 256,
        disk_bytes: 512 << 20,
    }
}

fn engine_config(config: &Config) -> EngineConfig {
    let seconds = Duration::from_secs;
    EngineConfig {
        idle: seconds(config.models.engine_idle_seconds),
        start: seconds(config.models.engine_start_seconds),
        most: usize::try_from(config.models.engines).unwrap_or(usize::MAX),
    }
}

/// The launcher changes its folder: paths it is given must not depend on ours.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn brain_config(config: &Config) -> brain::BrainConfig {
    let seconds = std::time::Duration::from_secs;
    let mut brain = brain::BrainConfig::default();
    if let Some(url) = &config.models.anthropic_base_url {
        brain.anthropic_base_url.clone_from(url);
    }
    if let Some(url) = &config.models.openai_base_url {
        brain.openai_base_url.clone_from(url);
    }
    brain.allow_http = config.sandboxes.allow_private;
    brain.patience.first_byte = seconds(config.models.model_first_byte_seconds);
    brain.patience.gap = seconds(config.models.model_gap_seconds);
    brain.patience.total = seconds(config.models.model_seconds);
    brain.patience.attempts = config.models.model_attempts;
    let prices = config.models.prices.iter();
    brain.prices = prices
        .map(|(name, price)| (name.clone(), (*price).into()))
        .collect();
    brain
}

/// Scripts find a server that chose its own port by this file.
pub(super) fn write_address(config: &Config, bound: SocketAddr) -> Result<(), ServeError> {
    let path = config.node.data.join("address");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644);
    let written = options
        .open(&path)
        .and_then(|mut file| writeln!(file, "{bound}"));
    written.map_err(|source| ServeError::Data { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_osb_and_64_hex_digits() {
        assert!(is_key(&new_key()));
        assert_ne!(new_key(), new_key());
        for bad in [
            "",
            "osb_",
            "osb_12",
            &format!("osb_{}", "G".repeat(64)),
            &format!("osb_{}", "A".repeat(64)),
        ] {
            assert!(!is_key(bad), "{bad}");
        }
    }
}
