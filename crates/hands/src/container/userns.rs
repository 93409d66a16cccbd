//! The user namespace of a sandbox: its root is nobody in particular outside.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use super::sys::{self, Done, trying};

/// Uids and gids a sandbox has.
pub(crate) const RANGE: u32 = 65_536;

/// A new user namespace in which `first..first + RANGE` are `0..RANGE`. It lives
/// as long as the descriptor or a process in it.
pub(super) fn mapped(first: u32) -> Done<OwnedFd> {
    let (mut from_child, to_us) = std::io::pipe().map_err(trying("pipe"))?;
    let (from_us, to_child) = std::io::pipe().map_err(trying("pipe"))?;
    let pid = sys::fork()?;
    if pid == 0 {
        drop((from_child, to_child));
        let said = match sys::unshare(libc::CLONE_NEWUSER) {
            Ok(()) => vec![b'.'],
            Err(error) => error.into_bytes(),
        };
        // If the parent is gone, so is the reason to be here.
        let _ = (&to_us).write_all(&said);
        drop(to_us);
        let _ = (&from_us).read(&mut [0u8; 1]);
        sys::exit(0)
    }
    drop((to_us, from_us));
    let made = (|| {
        let mut said = String::new();
        from_child
            .read_to_string(&mut said)
            .map_err(trying("user namespace"))?;
        if said != "." {
            return Err(said);
        }
        let map = format!("0 {first} {RANGE}\n");
        for file in ["uid_map", "gid_map"] {
            let path = format!("/proc/{pid}/{file}");
            std::fs::write(&path, &map).map_err(trying(path))?;
        }
        let path = format!("/proc/{pid}/ns/user");
        File::open(&path).map(OwnedFd::from).map_err(trying(path))
    })();
    drop(to_child);
    sys::wait(pid);
    made
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
