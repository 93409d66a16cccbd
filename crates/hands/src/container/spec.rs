//! What the launcher is told, and what it leaves on disk for whoever keeps the
//! sandbox: one JSON each.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cgroup::Group;
use super::net::Network;
use crate::config::{Limits, Mount};

/// The hidden first argument that makes a program the launcher. It takes orders from
/// its input, unless the second is the one [`Spec`] it is for.
pub(crate) const LAUNCH: &str = "--oc-launch-sandbox";

/// Bytes of the smallest page there is.
const PAGE: usize = 4096;

/// One sandbox to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Its id.
    pub(crate) id: String,
    /// Its folder on the host.
    pub(crate) folder: PathBuf,
    /// The guest program.
    pub(crate) guest: PathBuf,
    /// Its limits.
    pub(crate) limits: Limits,
    /// When it was asked for, milliseconds since the Unix epoch.
    pub(crate) created_ms: i64,
    /// Milliseconds it may take to start; then the launcher's process for it ends.
    #[serde(default)]
    pub(crate) within_ms: u64,
    /// Milliseconds without any server after which it ends itself.
    pub(crate) alone_ms: u64,
    /// Files of a checkpoint are still to come once it runs.
    #[serde(default)]
    pub(crate) half: bool,
    /// Folders of the host it sees.
    #[serde(default)]
    pub(crate) mounts: Vec<Mount>,
    /// What to put around it; nothing in development.
    pub(crate) walls: Option<Walls>,
}

/// What is put around a guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Walls {
    /// First of 65,536 host uids, if the launcher runs as root.
    pub(crate) uid: Option<u32>,
    /// Empty folders to mount things on; what is mounted there is not seen outside.
    pub(crate) mounts: PathBuf,
    /// The template's own files.
    pub(crate) template: PathBuf,
    /// Whether the template has an authority of its own that programs must be told of.
    #[serde(default)]
    pub(crate) trust: bool,
    /// Whether the launcher's input is the disk, a mount that is nowhere yet.
    pub(crate) own_disk: bool,
    /// The cgroups to make.
    pub(crate) groups: Vec<Group>,
}

/// A sandbox that was started, as its `state.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Its id.
    pub(crate) id: String,
    /// Whose it is; nobody's while it is warm.
    #[serde(default)]
    pub(crate) owner: Option<String>,
    /// It has an owner's files, not all of them yet, and is not the owner's yet.
    #[serde(default)]
    pub(crate) half: bool,
    /// Its first process, as the host counts.
    pub(crate) pid: i32,
    /// When that process started, in the kernel's ticks: a pid alone may be somebody else's by now.
    pub(crate) pid_started: u64,
    /// First of its host uids.
    pub(crate) uid: Option<u32>,
    /// Its limits.
    pub(crate) limits: Limits,
    /// Folders of the host it sees.
    #[serde(default)]
    pub(crate) mounts: Vec<Mount>,
    /// Its cgroups.
    pub(crate) groups: Vec<Group>,
    /// Whether its disk is a file system of its own, with its own size.
    pub(crate) own_disk: bool,
    /// Its network; `None` where it shares the host's.
    pub(crate) network: Option<Network>,
    /// When it was asked for.
    pub(crate) created_ms: i64,
}

impl State {
    const FILE: &str = "state.json";

    /// Reads it from a sandbox's folder.
    pub(crate) fn read(folder: &Path) -> std::io::Result<Self> {
        let bytes = std::fs::read(folder.join(Self::FILE))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Writes it, whole or not at all: whoever is killed meanwhile leaves the old one
    /// or the new. A crash of the host need not be survived; the sandbox does not.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(self)?;
        let place = folder.join(Self::FILE);
        let file = File::options().write(true).open(&place);
        if let Ok(file) = file
            && let Ok(before) = usize::try_from(file.metadata()?.len())
            && before.max(text.len()) <= PAGE
        {
            // Within one page of the file the kernel copies all or nothing, and no
            // file need be made and another removed, which some disks are slow at.
            text.resize(text.len().max(before), b' ');
            return file.write_all_at(&text, 0);
        }
        let beside = folder.join("state.json.new");
        std::fs::write(&beside, text)?;
        std::fs::rename(beside, place)
    }
}

/// Ticks since boot at which a process started; `None` if there is none, or only
/// its remains.
pub(crate) fn started(pid: i32) -> Option<u64> {
    started_of(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The same from the text of a process's `stat`.
pub(crate) fn started_of(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_by_its_start() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        let own = started(std::process::id() as i32).unwrap();
        assert!(started(pid).unwrap() >= own);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(started(pid), None);
    }

    #[test]
    fn a_state_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(State::read(folder.path()).is_err());
        let state = State {
            id: "sbx_1".to_owned(),
            owner: Some("ses_1".to_owned()),
            half: false,
            pid: 7,
            pid_started: 8,
            uid: Some(100_000),
            limits: Limits::default(),
            mounts: Vec::new(),
            groups: Vec::new(),
            own_disk: true,
            network: None,
            created_ms: 9,
        };
        let owners = [
            Some("ses_1".to_owned()),
            None,
            Some("long".repeat(5000)),
            None,
        ];
        for owner in owners {
            let state = State {
                owner,
                ..state.clone()
            };
            state.write(folder.path()).unwrap();
            assert_eq!(State::read(folder.path()).unwrap(), state);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
