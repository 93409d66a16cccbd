//! The user namespace of a sandbox: its root is nobody in particular outside.

use std::fs::File;
use std::os::fd::OwnedFd;

use super::sys::{self, Done, trying};

/// Uids and gids a sandbox has.
pub(crate) const RANGE: u32 = 65_536;

/// Makes `first..first + RANGE` the uids and gids `0..RANGE` of the new user namespace
/// that process is in, and takes hold of it.
pub(super) fn map(pid: i32, first: u32) -> Done<OwnedFd> {
    let map = format!("0 {first} {RANGE}\n");
    for file in ["uid_map", "gid_map"] {
        let path = format!("/proc/{pid}/{file}");
        std::fs::write(&path, &map).map_err(trying(path))?;
    }
    let path = format!("/proc/{pid}/ns/user");
    File::open(&path).map(OwnedFd::from).map_err(trying(path))
}

/// Enters a new user namespace in which this user is root and there is no other.
pub(super) fn single() -> Done {
    let (uid, gid) = (sys::uid(), sys::gid());
    sys::unshare(libc::CLONE_NEWUSER)?;
    let write = |file: &str, text: String| {
        let path = format!("/proc/self/{file}");
        std::fs::write(&path, text).map_err(trying(path))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("0 {uid} 1\n"))?;
    write("gid_map", format!("0 {gid} 1\n"))
}
