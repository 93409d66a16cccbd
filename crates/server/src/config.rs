//! What the operator wants: file, then environment, then flags, each over the
//! one before. Every option stands here once, with its default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// The options as given: each may be absent. The same struct reads flags,
/// environment and the TOML file, so that an option has one name everywhere.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address to listen on
    #[arg(long, env = "OC_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Folder that holds everything the server keeps
    #[arg(long, env = "OC_DATA")]
    pub data: Option<PathBuf>,
    /// postgres://… instead of the embedded SQLite file
    #[arg(long, env = "OC_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Address clients reach the server at, for links it hands out
    #[arg(long, env = "OC_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// First API key to make, as osb_ and 64 hex digits (automation)
    #[arg(long, env = "OC_BOOTSTRAP_KEY", hide_env_values = true)]
    #[serde(skip_serializing)]
    pub bootstrap_key: Option<String>,
    /// Key for anthropic/ models of agents that bring none ("managed")
    #[arg(long, env = "ANTHROPIC_API_KEY", hide_env_values = true)]
    #[serde(skip_serializing)]
    pub anthropic_api_key: Option<String>,
    /// Key for openai/ models of agents that bring none ("managed")
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true)]
    #[serde(skip_serializing)]
    pub openai_api_key: Option<String>,
    /// Where Anthropic's API is
    #[arg(long, env = "OC_ANTHROPIC_BASE_URL")]
    pub anthropic_base_url: Option<String>,
    /// Where OpenAI's API is
    #[arg(long, env = "OC_OPENAI_BASE_URL")]
    pub openai_base_url: Option<String>,
    /// Let the gate reach loopback and private addresses (development)
    #[arg(long, env = "OC_ALLOW_PRIVATE", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())]
    pub allow_private: Option<bool>,
    /// How sandboxes are made: auto, container, or process (no isolation)
    #[arg(long, env = "OC_SANDBOX_DRIVER")]
    pub sandbox_driver: Option<String>,
    /// Sandboxes kept started and waiting
    #[arg(long, env = "OC_SANDBOX_WARM")]
    pub sandbox_warm: Option<usize>,
    /// Most sandboxes alive at once
    #[arg(long, env = "OC_SANDBOX_MAX")]
    pub sandbox_max: Option<usize>,
    /// Memory of one sandbox, in MiB
    #[arg(long, env = "OC_SANDBOX_MEMORY_MB")]
    pub sandbox_memory_mb: Option<u64>,
    /// Processors of one sandbox
    #[arg(long, env = "OC_SANDBOX_CPUS")]
    pub sandbox_cpus: Option<f32>,
    /// Processes and threads of one sandbox
    #[arg(long, env = "OC_SANDBOX_PIDS")]
    pub sandbox_pids: Option<u64>,
    /// Disk of one sandbox, in MiB
    #[arg(long, env = "OC_SANDBOX_DISK_MB")]
    pub sandbox_disk_mb: Option<u64>,
    /// Sessions this node drives at once
    #[arg(long, env = "OC_MAX_RUNNING")]
    pub max_running: Option<usize>,
    /// Longest turn, in seconds
    #[arg(long, env = "OC_TURN_SECONDS")]
    pub turn_seconds: Option<u64>,
    /// Most model calls in one turn
    #[arg(long, env = "OC_TURN_STEPS")]
    pub turn_steps: Option<u32>,
    /// Output tokens asked for in one model call
    #[arg(long, env = "OC_MAX_OUTPUT_TOKENS")]
    pub max_output_tokens: Option<u32>,
    /// Context window to assume for every model, in tokens
    #[arg(long, env = "OC_CONTEXT_WINDOW")]
    pub context_window: Option<u64>,
    /// Seconds a model may take until its first byte
    #[arg(long, env = "OC_MODEL_FIRST_BYTE_SECONDS")]
    pub model_first_byte_seconds: Option<u64>,
    /// Seconds a model may pause between bytes
    #[arg(long, env = "OC_MODEL_GAP_SECONDS")]
    pub model_gap_seconds: Option<u64>,
    /// Times a model call is tried
    #[arg(long, env = "OC_MODEL_ATTEMPTS")]
    pub model_attempts: Option<u32>,
    /// Length of a lease on a session, in seconds
    #[arg(long, env = "OC_LEASE_SECONDS")]
    pub lease_seconds: Option<u64>,
    /// Seconds between heartbeats on a stream
    #[arg(long, env = "OC_HEARTBEAT_SECONDS")]
    pub heartbeat_seconds: Option<u64>,
    /// Logs: json, text, or auto (text on a terminal)
    #[arg(long, env = "OC_LOG_FORMAT")]
    pub log_format: Option<String>,
    /// What is logged, as for RUST_LOG
    #[arg(long, env = "OC_LOG")]
    pub log: Option<String>,
}

/// The options as they hold.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// See [`Settings::listen`].
    pub listen: SocketAddr,
    /// See [`Settings::data`].
    pub data: PathBuf,
    /// See [`Settings::database_url`]; the password is never printed.
    #[serde(serialize_with = "redacted")]
    pub database_url: Option<SecretString>,
    /// See [`Settings::public_url`]; no trailing slash.
    pub public_url: Option<String>,
    /// See [`Settings::bootstrap_key`].
    #[serde(serialize_with = "redacted")]
    pub bootstrap_key: Option<SecretString>,
    /// See [`Settings::anthropic_api_key`].
    #[serde(serialize_with = "redacted")]
    pub anthropic_api_key: Option<SecretString>,
    /// See [`Settings::openai_api_key`].
    #[serde(serialize_with = "redacted")]
    pub openai_api_key: Option<SecretString>,
    /// See [`Settings::anthropic_base_url`].
    pub anthropic_base_url: Option<String>,
    /// See [`Settings::openai_base_url`].
    pub openai_base_url: Option<String>,
    /// See [`Settings::allow_private`].
    pub allow_private: bool,
    /// See [`Settings::sandbox_driver`].
    pub sandbox_driver: String,
    /// See [`Settings::sandbox_warm`].
    pub sandbox_warm: usize,
    /// See [`Settings::sandbox_max`].
    pub sandbox_max: usize,
    /// See [`Settings::sandbox_memory_mb`].
    pub sandbox_memory_mb: u64,
    /// See [`Settings::sandbox_cpus`].
    pub sandbox_cpus: f32,
    /// See [`Settings::sandbox_pids`].
    pub sandbox_pids: u64,
    /// See [`Settings::sandbox_disk_mb`].
    pub sandbox_disk_mb: u64,
    /// See [`Settings::max_running`].
    pub max_running: usize,
    /// See [`Settings::turn_seconds`].
    pub turn_seconds: u64,
    /// See [`Settings::turn_steps`].
    pub turn_steps: u32,
    /// See [`Settings::max_output_tokens`]; `None`: the model's own table.
    pub max_output_tokens: Option<u32>,
    /// See [`Settings::context_window`]; `None`: the model's own table.
    pub context_window: Option<u64>,
    /// See [`Settings::model_first_byte_seconds`].
    pub model_first_byte_seconds: u64,
    /// See [`Settings::model_gap_seconds`].
    pub model_gap_seconds: u64,
    /// See [`Settings::model_attempts`].
    pub model_attempts: u32,
    /// See [`Settings::lease_seconds`].
    pub lease_seconds: u64,
    /// See [`Settings::heartbeat_seconds`].
    pub heartbeat_seconds: u64,
    /// See [`Settings::log_format`].
    pub log_format: String,
    /// See [`Settings::log`].
    pub log: String,
}

/// Why the options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the configuration {path} is wrong: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A value is out of its range.
    #[error("`{name}` is {value}: {wants}")]
    Value {
        /// The option.
        name: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        wants: &'static str,
    },
}

impl Settings {
    /// Reads a TOML file of options.
    ///
    /// # Errors
    /// If it cannot be read, or holds an option we do not have.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }
}

/// Lists the fields once, so that none is forgotten where they are joined.
macro_rules! join {
    ($over:expr, $under:expr; $($field:ident),* $(,)?) => {
        Settings { $($field: $over.$field.or($under.$field)),* }
    };
}

impl Settings {
    /// These options where given, the others elsewhere.
    #[must_use]
    pub fn over(self, under: Self) -> Self {
        join!(self, under;
            listen, data, database_url, public_url, bootstrap_key, anthropic_api_key, openai_api_key, anthropic_base_url, openai_base_url,
            allow_private, sandbox_driver, sandbox_warm, sandbox_max, sandbox_memory_mb, sandbox_cpus,
            sandbox_pids, sandbox_disk_mb, max_running, turn_seconds, turn_steps,
            max_output_tokens, context_window, model_first_byte_seconds, model_gap_seconds, model_attempts,
            lease_seconds, heartbeat_seconds, log_format, log)
    }

    /// The options as they hold, with every default.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub fn hold(self) -> Result<Config, ConfigError> {
        let config = Config {
            listen: self
                .listen
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
            data: self.data.unwrap_or_else(|| PathBuf::from("./data")),
            database_url: secret(self.database_url),
            public_url: self
                .public_url
                .map(|url| url.trim_end_matches('/').to_owned()),
            bootstrap_key: secret(self.bootstrap_key),
            anthropic_api_key: secret(self.anthropic_api_key),
            openai_api_key: secret(self.openai_api_key),
            anthropic_base_url: self.anthropic_base_url,
            openai_base_url: self.openai_base_url,
            allow_private: self.allow_private.unwrap_or(false),
            sandbox_driver: self.sandbox_driver.unwrap_or_else(|| "auto".to_owned()),
            sandbox_warm: self.sandbox_warm.unwrap_or(2),
            sandbox_max: self.sandbox_max.unwrap_or(200),
            sandbox_memory_mb: self.sandbox_memory_mb.unwrap_or(1024),
            sandbox_cpus: self.sandbox_cpus.unwrap_or(2.0),
            sandbox_pids: self.sandbox_pids.unwrap_or(512),
            sandbox_disk_mb: self.sandbox_disk_mb.unwrap_or(4096),
            max_running: self.max_running.unwrap_or(1024),
            turn_seconds: self.turn_seconds.unwrap_or(1800),
            turn_steps: self.turn_steps.unwrap_or(200),
            max_output_tokens: self.max_output_tokens,
            context_window: self.context_window,
            model_first_byte_seconds: self.model_first_byte_seconds.unwrap_or(120),
            model_gap_seconds: self.model_gap_seconds.unwrap_or(60),
            model_attempts: self.model_attempts.unwrap_or(8),
            lease_seconds: self.lease_seconds.unwrap_or(10),
            heartbeat_seconds: self.heartbeat_seconds.unwrap_or(15),
            log_format: self.log_format.unwrap_or_else(|| "auto".to_owned()),
            log: self.log.unwrap_or_else(|| "info".to_owned()),
        };
        config.check()?;
        Ok(config)
    }
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        let at_least_one = [
            ("turn_seconds", self.turn_seconds),
            ("turn_steps", self.turn_steps.into()),
            ("max_running", self.max_running as u64),
            ("model_attempts", self.model_attempts.into()),
            ("heartbeat_seconds", self.heartbeat_seconds),
        ];
        for (name, value) in at_least_one {
            if value == 0 {
                return Err(wrong(name, value, "give 1 or more"));
            }
        }
        if self.lease_seconds < 2 {
            return Err(wrong(
                "lease_seconds",
                self.lease_seconds,
                "give 2 or more: it is renewed at a third of its length",
            ));
        }
        if self.sandbox_memory_mb < 32 {
            return Err(wrong(
                "sandbox_memory_mb",
                self.sandbox_memory_mb,
                "give 32 or more",
            ));
        }
        one_of(
            "sandbox_driver",
            &self.sandbox_driver,
            &["auto", "container", "process"],
            "give auto, container or process",
        )?;
        one_of(
            "log_format",
            &self.log_format,
            &["auto", "json", "text"],
            "give auto, json or text",
        )
    }

    /// The key for models of agents that bring none, if the operator set one.
    #[must_use]
    pub fn managed_key(&self, provider: session::Provider) -> Option<&SecretString> {
        match provider {
            session::Provider::Anthropic => self.anthropic_api_key.as_ref(),
            session::Provider::OpenAi => self.openai_api_key.as_ref(),
            session::Provider::Test => None,
        }
    }

    /// The address for links, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        self.public_url
            .clone()
            .unwrap_or_else(|| format!("http://{}", self.listen))
    }
}

/// An empty variable is an absent one: scripts set `X=` to unset it.
fn secret(text: Option<String>) -> Option<SecretString> {
    text.filter(|text| !text.is_empty()).map(SecretString::from)
}

fn one_of(
    name: &'static str,
    value: &str,
    of: &[&str],
    wants: &'static str,
) -> Result<(), ConfigError> {
    if of.contains(&value) {
        Ok(())
    } else {
        Err(wrong(name, value, wants))
    }
}

fn wrong(name: &'static str, value: impl ToString, wants: &'static str) -> ConfigError {
    ConfigError::Value {
        name,
        value: value.to_string(),
        wants,
    }
}

fn redacted<S: serde::Serializer>(secret: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => to.serialize_str("(set)"),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_a_file_and_a_default_fills_the_rest() {
        let file: Settings = toml::from_str("lease_seconds = 30\nturn_seconds = 60").unwrap();
        let flags = Settings {
            turn_seconds: Some(7),
            ..Settings::default()
        };
        let config = flags.over(file).hold().unwrap();
        assert_eq!(
            (
                config.turn_seconds,
                config.lease_seconds,
                config.heartbeat_seconds
            ),
            (7, 30, 15)
        );
    }

    #[test]
    fn an_unknown_option_in_the_file_is_named() {
        let error = toml::from_str::<Settings>("lissen = \"x\"").unwrap_err();
        assert!(error.to_string().contains("lissen"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_names_the_option_and_what_would_be_right() {
        let table: [(Settings, &str); 4] = [
            (
                Settings {
                    turn_steps: Some(0),
                    ..Settings::default()
                },
                "turn_steps",
            ),
            (
                Settings {
                    lease_seconds: Some(1),
                    ..Settings::default()
                },
                "lease_seconds",
            ),
            (
                Settings {
                    sandbox_memory_mb: Some(1),
                    ..Settings::default()
                },
                "sandbox_memory_mb",
            ),
            (
                Settings {
                    sandbox_driver: Some("vm".into()),
                    ..Settings::default()
                },
                "sandbox_driver",
            ),
        ];
        for (settings, name) in table {
            let error = settings.hold().unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("give"), "{error}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let settings = Settings {
            bootstrap_key: Some("osb_secret".into()),
            database_url: Some("postgres://u:hunter2@h/d".into()),
            ..Settings::default()
        };
        let config = settings.hold().unwrap();
        let shown = format!("{config:?} {}", toml::to_string(&config).unwrap());
        assert!(
            !shown.contains("osb_secret") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
