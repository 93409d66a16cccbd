//! The sandboxes of a drill's server, as its data folder names them: to end
//! them as a crash would, to lose them, and to leave none behind.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A sandbox that has a first process.
struct Found {
    folder: PathBuf,
    pid: i32,
    /// Ticks since boot at its start: a number alone may be another's by now.
    began: u64,
}

impl Found {
    fn read(folder: PathBuf) -> Option<Self> {
        let text = fs::read_to_string(folder.join("state.json")).ok()?;
        let state: Value = serde_json::from_str(&text).ok()?;
        Some(Self {
            pid: i32::try_from(state["pid"].as_i64()?).ok()?,
            began: state["pid_started"].as_u64()?,
            folder,
        })
    }

    fn signal(&self, signal: Signal) {
        if began(self.pid) == Some(self.began) {
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }
}

/// Field 22 of a process's `stat`, counted from the end of its name.
fn began(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

fn all(data: &Path) -> Vec<Found> {
    let Ok(folders) = fs::read_dir(data.join("hands/sandboxes")) else {
        return Vec::new();
    };
    let folders = folders.flatten().map(|entry| entry.path());
    folders.filter_map(Found::read).collect()
}

/// The first process of each that lives.
pub(super) fn first(data: &Path) -> Vec<i32> {
    let alive = |found: &Found| began(found.pid) == Some(found.began);
    let all = all(data).into_iter().filter(alive);
    all.map(|found| found.pid).collect()
}

/// Sends a signal to the first process of each; how many there were.
pub(super) fn signal(data: &Path, signal: Signal) -> usize {
    let all = all(data);
    all.iter().for_each(|found| found.signal(signal));
    all.len()
}

/// Ends each with SIGKILL and takes its folder away.
pub(super) fn lose(data: &Path) -> usize {
    let all = all(data);
    for found in &all {
        found.signal(Signal::SIGKILL);
        // What cannot be removed is lost enough without its first process.
        let _ = fs::remove_dir_all(&found.folder);
    }
    all.len()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_sandbox_is_ended_by_what_its_folder_says_and_no_other_process_is() {
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let (right, wrong) = (began(pid).unwrap(), 1);
        for (name, ticks) in [("a", wrong), ("b", right)] {
            let folder = data.path().join("hands/sandboxes").join(name);
            fs::create_dir_all(&folder).unwrap();
            let state = format!(r#"{{"pid":{pid},"pid_started":{ticks}}}"#);
            fs::write(folder.join("state.json"), state).unwrap();
        }
        let wrong_one = Found::read(data.path().join("hands/sandboxes/a")).unwrap();
        wrong_one.signal(Signal::SIGKILL);
        assert!(child.try_wait().unwrap().is_none());
        assert_eq!(lose(data.path()), 2);
        child.wait().unwrap();
        assert!(!data.path().join("hands/sandboxes/b").exists());
    }

    #[test]
    fn a_folder_without_sandboxes_has_none() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(signal(data.path(), Signal::SIGKILL), 0);
    }
}
