//! The `container` driver: what the launcher makes around a guest.
//!
//! The launcher is this very program, run again with a hidden first argument, so
//! that namespaces are made by a process of one thread. It is given a [`Spec`],
//! builds the sandbox, leaves its first process running on its own and says how
//! that went. It knows nothing of owners or of what will run inside.

pub(crate) mod cgroup;
mod confine;
mod dev;
pub(crate) mod disk;
mod hidden;
pub(crate) mod launcher;
pub mod net;
pub(crate) mod orders;
mod report;
pub(crate) mod root;
mod seccomp;
pub(crate) mod spec;
mod stale;
mod sys;
pub(crate) mod template;
mod trust;
mod userns;

pub use launcher::launcher_main;
pub(crate) use userns::RANGE;

/// Whether this process may do everything on the host.
pub(crate) fn is_root() -> bool {
    sys::uid() == 0
}
