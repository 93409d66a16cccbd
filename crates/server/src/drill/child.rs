//! A server of the drill: the program itself, run with options of the drill
//! alone. Nothing of the user's settings reaches it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child as Process, Command};

use super::error::DrillError;

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(30);
/// Lines of its log that are shown when it does not.
const TAIL: usize = 15;

/// How a child is started.
#[derive(Debug, Clone)]
pub(super) struct Cradle {
    /// The program.
    pub(super) program: PathBuf,
    /// Its data folder.
    pub(super) data: PathBuf,
    /// Its log, outside of the data folder.
    pub(super) log: PathBuf,
    /// Its options.
    pub(super) env: Vec<(String, String)>,
}

/// A running server.
pub(super) struct Child {
    process: Process,
    /// Where it listens.
    pub(super) url: String,
}

impl Cradle {
    /// Starts a server with these options besides and waits until it listens.
    pub(super) async fn launch(&self, more: &[(&str, String)]) -> Result<Child, DrillError> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(DrillError::at(&self.log))?;
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .current_dir(self.log.parent().unwrap_or(&self.data))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        for name in foreign() {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.envs(more.iter().map(|(name, value)| (name, value)));
        let mut process = command.spawn().map_err(DrillError::at(&self.program))?;
        let heard = tokio::time::timeout(START, heard(&mut process)).await;
        match heard.ok().flatten() {
            Some(url) => Ok(Child { process, url }),
            None => Err(DrillError::Child(self.tail())),
        }
    }

    /// The end of the log.
    fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

/// Variables of the user that must not reach a child: every option, every key.
#[expect(
    clippy::disallowed_methods,
    reason = "to take options away from a child, not to read them"
)]
fn foreign() -> Vec<OsString> {
    let ours = |name: &OsString| {
        let name = name.to_string_lossy();
        let option = name.starts_with("OC_") && name != "OC_SABOTAGE";
        option || name == "ANTHROPIC_API_KEY" || name == "OPENAI_API_KEY" || name == "RUST_LOG"
    };
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(ours)
        .collect()
}

/// Waits for the line that tells where the server listens.
async fn heard(process: &mut Process) -> Option<String> {
    let mut lines = BufReader::new(process.stdout.take()?).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(url) = line.strip_prefix("OpenComputer listens on ") {
            return Some(url.trim().to_owned());
        }
    }
    None
}

impl Child {
    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> Option<ExitStatus> {
        self.process.wait().await.ok()
    }

    /// Sends it a signal; one that is gone needs none.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(id) = self.process.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = kill(Pid::from_raw(id), signal);
        }
    }

    /// Ends it with SIGKILL and buries it.
    pub(super) async fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.ended().await;
    }
}
