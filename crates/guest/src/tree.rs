//! Everything one exec started, however far it ran away.
//!
//! With a cgroup per exec that is exact: nothing leaves it. Without one it is
//! what can be traced by parent, session and the exec's mark in the environment;
//! a process that hides from all three outlives its exec, not its sandbox.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use tokio::time::timeout;

use crate::reap::Reaper;
use crate::sys;

/// How long everything may take to be gone after a kill.
const GONE: Duration = Duration::from_secs(2);

/// The variable that marks an exec's processes.
pub const MARK: &str = "OC_EXEC";

/// The processes of one exec.
#[derive(Debug)]
pub enum Tree {
    /// Those in this cgroup, by its folder and name.
    Cgroup {
        /// The sandbox's own cgroup.
        parent: BorrowedFd<'static>,
        /// Name of the exec's below it.
        name: CString,
        /// Its folder.
        dir: OwnedFd,
    },
    /// Those that descend from this one or carry the mark.
    Traced {
        /// The command itself.
        root: i32,
        /// `OC_EXEC=…`, as in the environment.
        mark: Vec<u8>,
    },
}

impl Tree {
    /// A cgroup of its own below the sandbox's.
    ///
    /// # Errors
    /// If the kernel does not make one.
    pub fn cgroup(parent: BorrowedFd<'static>, number: u64) -> io::Result<Self> {
        let name = CString::new(format!("x{number}"))?;
        sys::mkdir_at(parent, &name)?;
        let dir = sys::open_at(parent, &name, libc::O_RDONLY | libc::O_DIRECTORY)?;
        Ok(Self::Cgroup {
            parent,
            name,
            dir: dir.into(),
        })
    }

    /// The descriptor to be born into.
    #[must_use]
    pub fn birthplace(&self) -> Option<OwnedFd> {
        match self {
            Self::Cgroup { dir, .. } => dir.try_clone().ok(),
            Self::Traced { .. } => None,
        }
    }

    /// Processes that live now.
    #[must_use]
    pub fn members(&self) -> Vec<i32> {
        match self {
            Self::Cgroup { dir, .. } => {
                let mut text = String::new();
                // A cgroup that is gone has no members.
                let _ = sys::open_at(dir.as_fd(), c"cgroup.procs", libc::O_RDONLY)
                    .and_then(|mut file| file.read_to_string(&mut text));
                text.lines().filter_map(|line| line.parse().ok()).collect()
            }
            Self::Traced { root, mark } => traced(*root, mark),
        }
    }

    /// Asks every process to end.
    pub fn terminate(&self) {
        for pid in self.members() {
            sys::signal(pid, libc::SIGTERM);
        }
    }

    /// Ends every process. Those of a cgroup are gone at once and together; of
    /// others, what was born meanwhile is found by calling again.
    pub fn kill(&self) {
        if let Self::Cgroup { dir, .. } = self {
            let killed = sys::open_at(dir.as_fd(), c"cgroup.kill", libc::O_WRONLY)
                .and_then(|mut file| file.write_all(b"1"));
            if killed.is_ok() {
                return;
            }
        }
        for pid in self.members() {
            sys::signal(pid, libc::SIGKILL);
        }
    }

    /// Kills what is left until nothing is.
    pub async fn raze(&self, reaper: &Reaper) {
        let mut reaped = reaper.reaped();
        // What cannot be killed is stuck in the kernel; waiting longer would not help.
        let _ = timeout(GONE, async {
            loop {
                reaped.mark_unchanged();
                self.kill();
                if self.members().is_empty() {
                    return;
                }
                // A child of theirs, not ours, may be the last: look again by itself.
                let _ = timeout(Duration::from_millis(20), reaped.changed()).await;
            }
        })
        .await;
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if let Self::Cgroup { parent, name, .. } = self {
            // Still in use by what the command left behind: it goes with the sandbox.
            let _ = sys::rmdir_at(*parent, name);
        }
    }
}

struct Process {
    pid: i32,
    parent: i32,
    session: i32,
}

fn traced(root: i32, mark: &[u8]) -> Vec<i32> {
    let all: Vec<Process> = processes();
    let own = std::process::id() as i32;
    let mut found: HashSet<i32> = all
        .iter()
        .filter(|p| p.pid == root || p.session == root || marked(p.pid, mark))
        .map(|p| p.pid)
        .collect();
    loop {
        let before = found.len();
        let more: Vec<i32> = all
            .iter()
            .filter(|p| found.contains(&p.parent))
            .map(|p| p.pid)
            .collect();
        found.extend(more);
        if found.len() == before {
            break;
        }
    }
    found.remove(&own);
    found.into_iter().collect()
}

fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

/// Reads `/proc/PID/stat`; zombies do not count.
fn process(pid: i32) -> Option<Process> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything, even parentheses.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    if state == "Z" {
        None
    } else {
        Some(Process {
            pid,
            parent,
            session,
        })
    }
}

fn marked(pid: i32, mark: &[u8]) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(format!("/proc/{pid}/environ")).and_then(|f| {
        // An environment longer than this hides nothing we could not trace anyway.
        f.take(256 * 1024).read_to_end(&mut bytes)
    });
    read.is_ok() && bytes.split(|&b| b == 0).any(|var| var == mark)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn without_a_cgroup_children_and_marked_runaways_are_found_and_others_are_not() {
        let mark = format!("{MARK}=tree-test-{}", std::process::id());
        let (name, value) = mark.split_once('=').unwrap();
        let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
        // The inner one leaves parent and session; only the mark is left of it.
        let mut root = Command::new("sh")
            .args([
                "-c",
                "setsid sh -c 'sleep 600 & echo ready; exec sleep 600' & wait",
            ])
            .env(name, value)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0u8; 6];
        root.stdout.take().unwrap().read_exact(&mut line).unwrap();
        let tree = Tree::Traced {
            root: root.id() as i32,
            mark: mark.clone().into_bytes(),
        };
        assert!(tree.members().len() >= 3, "{:?}", tree.members());
        assert!(!tree.members().contains(&(stranger.id() as i32)));
        tree.kill();
        root.wait().unwrap();
        while !tree.members().is_empty() {
            tree.kill();
        }
        assert_eq!(stranger.try_wait().unwrap(), None);
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
