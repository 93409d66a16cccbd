//! What the launcher tells the guest: where its inherited descriptors are and
//! which limits hold.
//!
//! It comes as JSON on a descriptor, never by arguments or environment, which
//! every command in the sandbox could read.

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;

use serde::{Deserialize, Serialize};

use crate::sys;

/// Where the launcher leaves the JSON of [`Boot`].
pub const BOOT_FD: i32 = 3;
/// Where commands start and relative paths begin.
pub const WORKSPACE: &str = "/workspace";

/// Everything the guest is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Boot {
    /// The listening socket for the host's connections.
    pub listen_fd: i32,
    /// A folder no command can reach, for output that does not fit memory.
    pub spool_fd: Option<i32>,
    /// The sandbox's own cgroup (v2), in which each exec gets one below.
    pub cgroup_fd: Option<i32>,
    /// `memory.events` (v2) or `memory.oom_control` (v1).
    pub memory_fd: Option<i32>,
    /// `pids.events`.
    pub pids_fd: Option<i32>,
    /// Bytes of memory the sandbox may use.
    pub memory_bytes: u64,
    /// Processes and threads it may have.
    pub pids: u64,
    /// Bytes it may write, if its disk is its own file system.
    pub disk_bytes: Option<u64>,
    /// The folder that is [`WORKSPACE`] to the host; another path only where
    /// there is no isolation.
    pub workspace: String,
    /// Home of commands.
    pub home: String,
    /// Carry connections and answer names.
    pub network: bool,
    /// The sandbox has a system call filter, to which each command's is added.
    pub confine: bool,
    /// Milliseconds without any host after which the guest ends itself.
    pub alone_ms: Option<u64>,
    /// Variables every command gets.
    pub env: Vec<(String, String)>,
}

impl Boot {
    /// Reads what the launcher left on [`BOOT_FD`] and closes it. All
    /// descriptors named are kept from commands.
    ///
    /// # Errors
    /// If nothing readable is there.
    pub fn take() -> std::io::Result<Self> {
        // SAFETY: the launcher hands this descriptor over; nothing else owns it.
        #[expect(
            unsafe_code,
            reason = "an inherited descriptor is only known by number"
        )]
        let mut file = unsafe { File::from_raw_fd(BOOT_FD) };
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let boot: Self = serde_json::from_str(&text)?;
        sys::close_on_exec_from(BOOT_FD)?;
        Ok(boot)
    }

    /// A path of a request as this program must open it: relative ones start at
    /// the workspace, wherever that is.
    #[must_use]
    pub fn inside(&self, path: &str) -> String {
        if let Some(rest) = path.strip_prefix(WORKSPACE)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return format!("{}{rest}", self.workspace);
        }
        if path.starts_with('/') {
            return path.to_owned();
        }
        format!("{}/{path}", self.workspace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_the_workspace_unless_they_start_elsewhere() {
        let boot = Boot {
            workspace: "/data/w".to_owned(),
            ..Boot::default()
        };
        for (asked, opened) in [
            (".", "/data/w/."),
            ("a/b", "/data/w/a/b"),
            ("/workspace", "/data/w"),
            ("/workspace/x", "/data/w/x"),
            ("/workspaces", "/workspaces"),
            ("/etc/passwd", "/etc/passwd"),
        ] {
            assert_eq!(boot.inside(asked), opened);
        }
    }
}
