//! Building the parts of a node, in the order in which they need each other.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use egress::{Destination, Gate};
use futures::FutureExt;
use hands::{Dial, Hands, Resolve, To};
use secrecy::ExposeSecret;
use session::id::Noun;
use store::{Database, MasterKey, Options, Store};

use super::ServeError;
use crate::app::{App, Parts};
use crate::clock;
use crate::config::Config;

/// Builds everything; also returns the first API key, if it was just made.
pub(super) async fn build(config: Config) -> Result<(App, Option<String>), ServeError> {
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
    let first_key = first_key(&store, &config).await?;
    let policy = egress::Policy {
        allow_private: config.sandboxes.allow_private,
    };
    let gate = Gate::new(
        policy,
        egress::Limits::default(),
        None,
        egress::Roots::none(),
    );
    let hands = open_hands(&config, &gate, &store).await?;
    let models = brain::Models::new(brain_config(&config))
        .map_err(|error| ServeError::Models(error.to_string()))?;
    let app = Arc::new(Parts {
        node: clock::fresh(Noun::Node),
        store,
        models,
        prompts: crate::prompts::Prompts::default(),
        hands,
        gate,
        files: crate::files::Files::default(),
        alone,
        deltas: crate::deltas::Deltas::default(),
        metrics: crate::metrics::Metrics::default(),
        running: crate::driver::Running::default(),
        births: crate::driver::Births::default(),
        drain: tokio_util::sync::CancellationToken::new(),
        halt: tokio_util::sync::CancellationToken::new(),
        config,
    });
    Ok((app, first_key))
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

async fn open_hands(config: &Config, gate: &Gate, store: &Store) -> Result<Hands, ServeError> {
    let dialing = gate.clone();
    let dial: Dial = Arc::new(move |target| {
        let gate = dialing.clone();
        async move {
            let to = match target.to {
                To::Addr(address) => Destination::Address(address),
                To::Name(name, port) => Destination::Name(name, port),
            };
            let pass = Arc::new(egress::Pass::open(target.sandbox));
            let stream = gate.dial(&pass, &to).await.map_err(refused)?;
            Ok(Box::new(stream) as Box<dyn hands::Stream>)
        }
        .boxed()
    });
    let resolving = gate.clone();
    let resolve: Resolve = Arc::new(move |lookup| {
        let gate = resolving.clone();
        async move {
            let pass = egress::Pass::open(&lookup.sandbox);
            gate.resolve(&pass, &lookup.name).await.map_err(refused)
        }
        .boxed()
    });
    // Until the store keeps pieces, no checkpoints are made.
    let pieces = crate::files::pieces(store);
    Ok(Hands::open(hands_config(config), dial, resolve, pieces).await?)
}

/// The gate's refusal as the hands know it: kinds of the system's own errors,
/// which the guest turns into what a program inside expects.
fn refused(error: egress::Error) -> io::Error {
    let kind = match &error {
        egress::Error::Refused(_) => io::ErrorKind::ConnectionRefused,
        egress::Error::NoName => io::ErrorKind::NotFound,
        egress::Error::Unreachable(source) => source.kind(),
        egress::Error::Timeout(_) => io::ErrorKind::TimedOut,
    };
    io::Error::new(kind, error)
}

/// How sandboxes are to be made.
pub(crate) fn hands_config(config: &Config) -> hands::HandsConfig {
    let mut hands = hands::HandsConfig::new(absolute(&config.node.data).join("hands"));
    hands.driver = match config.sandboxes.sandbox_driver.as_str() {
        "container" => hands::DriverKind::Container,
        "process" => hands::DriverKind::Process,
        _ => hands::DriverKind::Auto,
    };
    hands.boot_deadline = std::time::Duration::from_secs(config.sandboxes.sandbox_start_seconds);
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
    brain.patience.total = seconds(config.models.model_seconds);
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
