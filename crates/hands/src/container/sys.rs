//! System calls of the launcher, one function each, with the error saying what
//! was tried. All are for a process of one thread.
#![expect(unsafe_code, reason = "namespaces and mounts have no safe interface")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(super) type Done<T = ()> = Result<T, String>;

/// The result of a call that returns -1 on failure.
pub(super) fn check(result: impl Into<i64>, what: &str) -> Done<i64> {
    match result.into() {
        -1 => Err(format!("{what}: {}", io::Error::last_os_error())),
        value => Ok(value),
    }
}

/// An error with what was tried.
pub(super) fn trying<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}

pub(super) fn c(path: impl AsRef<Path>) -> Done<CString> {
    CString::new(path.as_ref().as_os_str().as_bytes()).map_err(trying("path"))
}

/// Mounts; `data` is what the file system is told.
pub(super) fn mount(
    source: &str,
    target: impl AsRef<Path>,
    kind: &str,
    flags: libc::c_ulong,
    data: &str,
) -> Done {
    let target = target.as_ref();
    let (from, to, kind_c, data) = (c(source)?, c(target)?, c(kind)?, c(data)?);
    // SAFETY: valid strings; the kernel copies them.
    let done = unsafe {
        libc::mount(
            from.as_ptr(),
            to.as_ptr(),
            kind_c.as_ptr(),
            flags,
            data.as_ptr().cast(),
        )
    };
    check(
        done,
        &format!("mount {kind} {source} on {}", target.display()),
    )
    .map(drop)
}

/// Mounts a file or folder a second time, optionally without the right to write.
pub(super) fn bind(
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    flags: libc::c_ulong,
) -> Done {
    let source = source.as_ref().to_string_lossy().into_owned();
    mount(&source, &target, "", libc::MS_BIND | libc::MS_REC, "")?;
    if flags == 0 {
        return Ok(());
    }
    mount(
        "",
        &target,
        "",
        libc::MS_BIND | libc::MS_REMOUNT | flags,
        "",
    )
}

/// A folder as a mount of its own whose owners are shifted into `userns`, read only.
pub(super) fn mount_shifted(
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    userns: BorrowedFd<'_>,
) -> Done {
    let what = source.as_ref().display().to_string();
    let (from, to) = (c(source)?, c(target)?);
    // SAFETY: valid strings and descriptors; a plain struct, passed with its size.
    unsafe {
        let flags = libc::OPEN_TREE_CLONE | libc::O_CLOEXEC as u32;
        let tree = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, from.as_ptr(), flags);
        let tree = OwnedFd::from_raw_fd(check(tree, &format!("open_tree {what}"))? as i32);
        let mut attr: libc::mount_attr = std::mem::zeroed();
        attr.attr_set = libc::MOUNT_ATTR_IDMAP
            | libc::MOUNT_ATTR_RDONLY
            | libc::MOUNT_ATTR_NOSUID
            | libc::MOUNT_ATTR_NODEV;
        attr.userns_fd = userns.as_raw_fd() as u64;
        let size = size_of::<libc::mount_attr>();
        let (fd, empty) = (tree.as_raw_fd(), c"".as_ptr());
        let set = libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            empty,
            libc::AT_EMPTY_PATH,
            &raw const attr,
            size,
        );
        check(set, &format!("idmapped mount of {what}"))?;
        let moved = libc::syscall(
            libc::SYS_move_mount,
            fd,
            empty,
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        );
        check(moved, &format!("attach {what}")).map(drop)
    }
}

/// A file system mounted nowhere: without devices and setuid programs.
pub(super) fn detached(kind: &str, options: &[(&str, &str)], flags: &[&str]) -> Done<OwnedFd> {
    const SET_FLAG: u32 = 0;
    const SET_STRING: u32 = 1;
    const CREATE: u32 = 6;
    let none = std::ptr::null::<libc::c_char>();
    let kind_c = c(kind)?;
    // SAFETY: valid strings and descriptors; results are owned at once.
    unsafe {
        let fs = libc::syscall(libc::SYS_fsopen, kind_c.as_ptr(), 1);
        let fs = OwnedFd::from_raw_fd(check(fs, &format!("fsopen {kind}"))? as i32);
        let set = |command: u32, key: *const libc::c_char, value: *const libc::c_char| {
            libc::syscall(libc::SYS_fsconfig, fs.as_raw_fd(), command, key, value, 0)
        };
        for (key, value) in options {
            let (name, value) = (c(key)?, c(value)?);
            check(
                set(SET_STRING, name.as_ptr(), value.as_ptr()),
                &format!("{kind} {key}"),
            )?;
        }
        for key in flags {
            check(
                set(SET_FLAG, c(key)?.as_ptr(), none),
                &format!("{kind} {key}"),
            )?;
        }
        check(set(CREATE, none, none), &format!("make {kind}"))?;
        let attributes =
            libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOATIME;
        let mount = libc::syscall(libc::SYS_fsmount, fs.as_raw_fd(), 1, attributes);
        Ok(OwnedFd::from_raw_fd(
            check(mount, &format!("fsmount {kind}"))? as i32,
        ))
    }
}

/// Puts a mount that is nowhere on a folder.
pub(super) fn attach(mount: BorrowedFd<'_>, target: impl AsRef<Path>) -> Done {
    let to = c(target)?;
    // SAFETY: valid strings and a valid descriptor.
    let moved = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    check(moved, "attach a mount").map(drop)
}

/// Makes `root` this process's root and lets go of the old one.
pub(super) fn pivot(root: &Path) -> Done {
    std::env::set_current_dir(root).map_err(trying("enter the new root"))?;
    // SAFETY: valid strings. "." twice stacks the old root on the new one.
    unsafe {
        let here = c".".as_ptr();
        check(
            libc::syscall(libc::SYS_pivot_root, here, here),
            "pivot_root",
        )?;
        check(libc::umount2(here, libc::MNT_DETACH), "detach the old root")?;
    }
    std::env::set_current_dir("/").map_err(trying("enter /"))
}

pub(super) fn unshare(flags: i32) -> Done {
    // SAFETY: no pointers.
    check(unsafe { libc::unshare(flags) }, "unshare").map(drop)
}

/// Splits the process: 0 in the child.
pub(super) fn fork() -> Done<i32> {
    // SAFETY: one thread, so the child may run ordinary code.
    check(unsafe { libc::fork() }, "fork").map(|pid| pid as i32)
}

/// The same, but the child is born in these new namespaces and in that cgroup of v2.
pub(super) fn fork_into(namespaces: i32, cgroup: Option<BorrowedFd<'_>>) -> Done<i32> {
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: a plain struct of integers; without CLONE_VM this is a fork, and
    // with one thread the child may run ordinary code.
    let pid = unsafe {
        let mut args: libc::clone_args = std::mem::zeroed();
        args.exit_signal = libc::SIGCHLD as u64;
        args.flags = namespaces as u64;
        if let Some(cgroup) = cgroup {
            args.flags |= INTO_CGROUP;
            args.cgroup = cgroup.as_raw_fd() as u64;
        }
        libc::syscall(
            libc::SYS_clone3,
            &raw const args,
            size_of::<libc::clone_args>(),
        )
    };
    check(pid, "clone3").map(|pid| pid as i32)
}

/// Children of this process need not be waited for.
pub(super) fn leave_children_to_the_kernel() {
    // SAFETY: no handler of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// They must be again, as every program expects.
pub(super) fn heed_children() {
    // SAFETY: no handler of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Ends this process, not those it splits off, unless it has ended by itself before:
/// nobody else may know which one it is.
pub(super) fn end_after(ms: u64) {
    if ms > 0 {
        let seconds = u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX);
        // SAFETY: no pointers.
        unsafe { libc::alarm(seconds) };
    }
}

pub(super) fn exit(code: i32) -> ! {
    // SAFETY: ends the process without running anything of the parent's.
    unsafe { libc::_exit(code) }
}

pub(super) fn leave_session() {
    // SAFETY: no pointers; fails only for a leader, who has a session of its own.
    unsafe { libc::setsid() };
}

/// Takes user and group 0 of the user namespace just entered, and no other group.
pub(super) fn become_zero() -> Done {
    // SAFETY: no pointers.
    unsafe {
        check(libc::setresgid(0, 0, 0), "setresgid")?;
        check(libc::setresuid(0, 0, 0), "setresuid").map(drop)
    }
}

pub(super) fn drop_groups() -> Done {
    // SAFETY: an empty list needs no memory.
    check(unsafe { libc::setgroups(0, std::ptr::null()) }, "setgroups").map(drop)
}

pub(super) fn set_hostname(name: &str) -> Done {
    // SAFETY: a valid buffer with its length.
    check(
        unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) },
        "sethostname",
    )
    .map(drop)
}

pub(super) fn uid() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() }
}

pub(super) fn gid() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::getegid() }
}

pub(super) fn close_from(first: i32) {
    // SAFETY: called before any descriptor above is in use here.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

pub(super) fn chown(path: impl AsRef<Path>, owner: u32) -> Done {
    let path = path.as_ref();
    std::os::unix::fs::lchown(path, Some(owner), Some(owner))
        .map_err(trying(format!("chown {}", path.display())))
}

/// What an overlay takes for the absence of a file.
pub(super) fn whiteout(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a valid string.
    match unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether it is one.
pub(super) fn is_whiteout(path: &Path) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    path.symlink_metadata()
        .is_ok_and(|meta| meta.file_type().is_char_device() && meta.rdev() == 0)
}

/// A nameless file in memory with these bytes, at its start.
pub(super) fn memory_file(bytes: &[u8]) -> Done<OwnedFd> {
    use std::io::{Seek, Write};
    // SAFETY: a valid string; the result is owned at once.
    let fd = unsafe {
        let fd = libc::memfd_create(c"boot".as_ptr(), libc::MFD_CLOEXEC);
        OwnedFd::from_raw_fd(check(fd, "memfd_create")? as i32)
    };
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)
        .and_then(|()| file.rewind())
        .map_err(trying("memory file"))?;
    Ok(file.into())
}

/// Makes `fd` the descriptor `at`, kept across exec.
pub(super) fn place(fd: BorrowedFd<'_>, at: i32) -> Done {
    // SAFETY: valid descriptors; nothing else of this process uses `at`.
    unsafe {
        if fd.as_raw_fd() == at {
            check(libc::fcntl(at, libc::F_SETFD, 0), "keep descriptor").map(drop)
        } else {
            check(libc::dup2(fd.as_raw_fd(), at), "dup2").map(drop)
        }
    }
}

/// Keeps `fd` across exec where it is.
pub(super) fn keep(fd: BorrowedFd<'_>) -> Done<i32> {
    place(fd, fd.as_raw_fd())?;
    Ok(fd.as_raw_fd())
}

/// Becomes the program that `fd` is open on, with no environment. Returns why not.
pub(super) fn execute(fd: BorrowedFd<'_>, name: &CStr) -> String {
    let argv = [name.as_ptr(), std::ptr::null()];
    let env = [std::ptr::null::<libc::c_char>()];
    // SAFETY: both arrays end with a null.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            env.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    format!("start the guest: {}", io::Error::last_os_error())
}

/// Ends a process; one that is gone is no error.
pub(super) fn kill(pid: i32) {
    // SAFETY: no pointers.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// The text of a file below a folder that may no longer have a path.
pub(super) fn read_below(folder: BorrowedFd<'_>, path: &str) -> Done<String> {
    use std::io::Read;
    let name = c(path)?;
    // SAFETY: a valid string and descriptor; the result is owned at once.
    let mut file = unsafe {
        let fd = libc::openat(
            folder.as_raw_fd(),
            name.as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        );
        std::fs::File::from_raw_fd(check(fd, path)? as i32)
    };
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(trying(path))?;
    Ok(text)
}
