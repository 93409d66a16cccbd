//! Hands in a folder of their own, taken down with everything in them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hands::{
    Dial, DriverKind, Exec, Hands, HandsConfig, Launcher, Lookup, Pieces, Receipt, Resolve,
    Sandbox, Stream, Target,
};
use serde_json::Value;

use crate::pieces::Kept;

/// Nobody gets out.
pub fn no_dial() -> Dial {
    Arc::new(|_: Target| {
        Box::pin(async { Err::<Box<dyn Stream>, _>(io::ErrorKind::ConnectionRefused.into()) })
    })
}

/// No name is known.
pub fn no_resolve() -> Resolve {
    Arc::new(|_: Lookup| Box::pin(async { Err(io::ErrorKind::NotFound.into()) }))
}

pub fn config(dir: &Path) -> HandsConfig {
    HandsConfig {
        driver: DriverKind::Container,
        launcher: Launcher::Program(env!("CARGO_BIN_EXE_hands-launcher").into()),
        warm: 0,
        ..HandsConfig::new(dir)
    }
}

/// A data folder. Whatever happens to the test, its sandboxes end with it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// What the hands wrote down of the sandbox with that id.
    pub fn state(&self, id: &str) -> Value {
        state(&self.path().join("sandboxes").join(id)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let sandboxes = std::fs::read_dir(self.path().join("sandboxes"));
        for entry in sandboxes.into_iter().flatten().flatten() {
            if let Some(state) = state(&entry.path()) {
                sweep(&state);
            }
        }
    }
}

fn state(folder: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(folder.join("state.json")).ok()?).ok()
}

/// The folders of a sandbox's cgroups.
pub fn groups(state: &Value) -> Vec<PathBuf> {
    let groups = state["groups"].as_array().into_iter().flatten();
    groups
        .filter_map(|group| group["path"].as_str())
        .map(PathBuf::from)
        .collect()
}

/// Processes in its cgroups, as the host counts.
pub fn members(state: &Value) -> Vec<i32> {
    let mut found = Vec::new();
    for group in groups(state) {
        let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Its processes; the guest is one of them.
pub fn pids(state: &Value) -> Vec<i32> {
    let mut found = members(state);
    let first = state["pid"].as_i64().unwrap() as i32;
    // A number alone may be that of another process, or of another namespace.
    let since = |pid: i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        fields.nth(19)?.parse::<u64>().ok()
    };
    if since(first) == state["pid_started"].as_u64() && !found.contains(&first) {
        found.push(first);
    }
    found
}

/// Sends a signal by its name.
pub fn signal(pids: &[i32], name: &str) {
    assert!(pids.iter().all(|&pid| pid > 1), "{pids:?}");
    if pids.is_empty() {
        return;
    }
    let pids = pids.iter().map(i32::to_string);
    Command::new("kill")
        .arg(format!("-{name}"))
        .args(pids)
        .status()
        .unwrap();
}

/// Whether a process is there and more than its remains.
pub fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| !text.contains(") Z "))
}

/// Ends a sandbox from outside, with its cgroups.
fn sweep(state: &Value) {
    let since = Instant::now();
    let groups = groups(state);
    while pids(state).into_iter().any(lives) || groups.iter().any(|group| group.exists()) {
        if since.elapsed() > Duration::from_secs(10) {
            eprintln!("a sandbox stays: {state}");
            return;
        }
        signal(&pids(state), "KILL");
        for group in &groups {
            for below in std::fs::read_dir(group).into_iter().flatten().flatten() {
                // Files of it cannot be removed and need not be.
                let _ = std::fs::remove_dir(below.path());
            }
            // While a process of it is there it stays; then it is tried again.
            let _ = std::fs::remove_dir(group);
        }
    }
}

/// Hands that end their sandboxes when told to, or else with their folder.
pub struct Bench {
    pub hands: Hands,
    pub dir: Folder,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(|config| config).await
    }

    pub async fn with(change: impl FnOnce(HandsConfig) -> HandsConfig) -> Self {
        Self::open(change, Pieces::none()).await
    }

    /// With a place for checkpoints.
    pub async fn keeping(kept: &Kept) -> Self {
        Self::open(|config| config, kept.pieces()).await
    }

    pub async fn open(change: impl FnOnce(HandsConfig) -> HandsConfig, pieces: Pieces) -> Self {
        let dir = Folder::new();
        let config = change(config(dir.path()));
        let hands = Hands::open(config, no_dial(), no_resolve(), pieces)
            .await
            .unwrap();
        Self { hands, dir }
    }

    pub async fn sandbox(&self, owner: &str) -> Arc<dyn Sandbox> {
        self.hands.obtain(owner, None, None).await.unwrap().sandbox
    }

    /// Ends everything and sees that nothing is left on the host.
    pub async fn end(self) {
        self.hands.reap(&Default::default()).await;
        let left: Vec<_> = std::fs::read_dir(self.dir.path().join("sandboxes"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{left:?}");
        self.hands.close().await;
    }
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A name no other exec has.
pub fn fresh() -> String {
    format!("exec-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs a line of shell to its end.
pub async fn run(sandbox: &Arc<dyn Sandbox>, line: &str) -> Receipt {
    let exec = Exec {
        timeout_ms: Some(60_000),
        ..Exec::shell(fresh(), line)
    };
    sandbox.exec(exec, None).await.unwrap()
}

/// What a line of shell prints; it must succeed.
pub async fn says(sandbox: &Arc<dyn Sandbox>, line: &str) -> String {
    let receipt = run(sandbox, line).await;
    let text = text(&receipt);
    assert_eq!(receipt.exit_code, Some(0), "{line}: {text} {receipt:?}");
    text.trim_end().to_owned()
}

pub fn text(receipt: &Receipt) -> String {
    let all = [&receipt.output.head[..], &receipt.output.tail].concat();
    String::from_utf8_lossy(&all).into_owned()
}
