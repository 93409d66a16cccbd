//! The few system calls the standard library has no name for, one safe function
//! each.
#![expect(
    unsafe_code,
    reason = "system calls the standard library does not wrap"
)]

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The result of a call that returns -1 on failure.
pub(crate) fn check(result: i32) -> io::Result<i32> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Nobody of the same user may trace this process or read its memory and files.
///
/// # Errors
/// Never on Linux.
pub fn forbid_tracing() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }).map(drop)
}

/// Orphans below this process become its children, as if it were the first.
///
/// # Errors
/// Never on Linux.
pub fn adopt_orphans() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// Marks every descriptor from `first` on to be closed at exec.
pub(crate) fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    // SAFETY: only flags change; no descriptor is closed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first as libc::c_uint,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    check(done as i32).map(drop)
}

/// A borrowed view of an inherited descriptor.
pub(crate) fn inherited(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: descriptors from `Boot` are never closed while the guest lives.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Takes over an inherited descriptor.
pub(crate) fn inherited_owned(fd: RawFd) -> OwnedFd {
    // SAFETY: called once per descriptor of `Boot`, by its only user.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Opens a path below `dir`.
pub(crate) fn open_at(dir: BorrowedFd<'_>, path: &CStr, flags: i32) -> io::Result<File> {
    // SAFETY: a valid C string and descriptor; the result is owned at once.
    unsafe {
        let fd = check(libc::openat(
            dir.as_raw_fd(),
            path.as_ptr(),
            flags | libc::O_CLOEXEC,
            0o600,
        ))?;
        Ok(File::from_raw_fd(fd))
    }
}

/// Makes a folder below `dir`.
pub(crate) fn mkdir_at(dir: BorrowedFd<'_>, path: &CStr) -> io::Result<()> {
    // SAFETY: a valid C string and descriptor.
    check(unsafe { libc::mkdirat(dir.as_raw_fd(), path.as_ptr(), 0o755) }).map(drop)
}

/// Removes an empty folder below `dir`.
pub(crate) fn rmdir_at(dir: BorrowedFd<'_>, path: &CStr) -> io::Result<()> {
    // SAFETY: a valid C string and descriptor.
    check(unsafe { libc::unlinkat(dir.as_raw_fd(), path.as_ptr(), libc::AT_REMOVEDIR) }).map(drop)
}

/// A file without a name in memory.
pub(crate) fn memory_file() -> io::Result<File> {
    // SAFETY: a valid C string; the result is owned at once.
    unsafe {
        let fd = check(libc::memfd_create(c"spool".as_ptr(), libc::MFD_CLOEXEC))?;
        Ok(File::from_raw_fd(fd))
    }
}

/// Sends a signal; a process that is gone is no error.
pub(crate) fn signal(pid: i32, signal: i32) {
    // SAFETY: no pointers. The only failure of interest is ESRCH, which is none.
    unsafe { libc::kill(pid, signal) };
}

/// One ended child and how it ended, if there is one.
pub(crate) fn reap_one() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: a valid place for the status.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    (pid > 0).then_some((pid, status))
}

/// Free and total bytes of the file system `fd` is on.
pub(crate) fn disk(fd: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    // SAFETY: zeroed is a valid value of this plain struct, and it is filled.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        check(libc::fstatvfs(fd.as_raw_fd(), &raw mut stat))?;
        Ok((stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
    }
}
