//! What this machine can isolate, for people and for `oc doctor`.

use serde::{Deserialize, Serialize};

/// How far apart a sandbox is from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Namespaces, its own range of uids, no capabilities, seccomp.
    Full,
    /// The same with one uid: what escapes is the user who runs the server.
    SingleUser,
    /// None at all.
    None,
}

/// The result of really starting one sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// `container` or `process`.
    pub driver: String,
    /// Whether a sandbox started and ran a command within five seconds; else why not.
    pub works: Result<(), String>,
    /// How far apart sandboxes are from the host.
    pub isolation: Isolation,
    /// Whether the server runs as root.
    pub root: bool,
    /// Whether the template's files keep their owners inside (idmapped mounts).
    pub idmap: bool,
    /// `v1`, `v2`, `hybrid` or `none`.
    pub cgroup: String,
    /// By what the memory limit is enforced; here as below, `None` means by nothing.
    pub memory: Option<String>,
    /// By what the processor limit is.
    pub cpu: Option<String>,
    /// By what the process limit is.
    pub pids: Option<String>,
    /// By what the disk limit is.
    pub disk: Option<String>,
    /// Whether connections are carried to the gate without the program's help.
    pub redirect: bool,
    /// Whether the system call filter is in force.
    pub seccomp: bool,
    /// Milliseconds from nothing to the end of the first command.
    pub first_command_ms: Option<u64>,
    /// What is weaker than it could be, each with how to fix it.
    pub weaker: Vec<String>,
}
