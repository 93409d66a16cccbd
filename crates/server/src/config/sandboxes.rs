//! The sandboxes: how they are made, how large they are, how their files are kept.

use std::path::PathBuf;

use super::options::options;
use super::{ConfigError, at_least, one_of};

options! {
    /// How sandboxes are made and kept.
    Sandboxes {
        /// Let the gate reach loopback and private addresses (development)
        "OC_ALLOW_PRIVATE" (num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())
            allow_private: bool = false;
        /// File of certificates (PEM) that the gate trusts besides the system's
        "OC_EXTRA_ROOTS" extra_roots: PathBuf;
        /// How sandboxes are made: auto, container, or process (no isolation)
        "OC_SANDBOX_DRIVER" sandbox_driver: String = "auto".to_owned();
        /// Sandboxes kept started and waiting
        "OC_SANDBOX_WARM" sandbox_warm: usize = 2;
        /// Most sandboxes alive at once
        "OC_SANDBOX_MAX" sandbox_max: usize = 200;
        /// Memory of one sandbox, in MiB
        "OC_SANDBOX_MEMORY_MB" sandbox_memory_mb: u64 = 1024;
        /// Processors of one sandbox
        "OC_SANDBOX_CPUS" sandbox_cpus: f32 = 2.0;
        /// Processes and threads of one sandbox
        "OC_SANDBOX_PIDS" sandbox_pids: u64 = 512;
        /// Disk of one sandbox, in MiB
        "OC_SANDBOX_DISK_MB" sandbox_disk_mb: u64 = 4096;
        /// Seconds a sandbox may take to start
        "OC_SANDBOX_START_SECONDS" sandbox_start_seconds: u64 = 30;
        /// Seconds until the sandbox of an idle session hibernates
        "OC_IDLE_TIMEOUT_SECONDS" idle_timeout_seconds: u64 = 60;
        /// Seconds between checkpoints while a turn runs
        "OC_CHECKPOINT_SECONDS" checkpoint_seconds: u64 = 120;
        /// MiB written in a sandbox until the next checkpoint while a turn runs
        "OC_CHECKPOINT_MB" checkpoint_mb: u64 = 64;
        /// Checkpoints kept of each session, besides those that forks need
        "OC_CHECKPOINTS_KEPT" checkpoints_kept: usize = 16;
    }
}

impl Sandboxes {
    /// Tidies what was given.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        at_least("sandbox_memory_mb", 32, self.sandbox_memory_mb)?;
        for (name, value) in [
            ("sandbox_start_seconds", self.sandbox_start_seconds),
            ("idle_timeout_seconds", self.idle_timeout_seconds),
            ("checkpoint_seconds", self.checkpoint_seconds),
            ("checkpoint_mb", self.checkpoint_mb),
            ("checkpoints_kept", self.checkpoints_kept as u64),
        ] {
            at_least(name, 1, value)?;
        }
        let drivers = ["auto", "container", "process"];
        one_of("sandbox_driver", &self.sandbox_driver, &drivers)?;
        Ok(self)
    }
}
