//! Whether somebody has a file open for writing: the kernel knows, and tells who
//! asks for a lease.
#![expect(unsafe_code, reason = "leases have no safe interface")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Which signal tells of somebody who waits for a lease to end.
const F_SETSIG: i32 = 10;

/// Whether nobody can write to a file now, not through a mapping either. The
/// descriptor must be for reading only.
pub(super) fn nobody_writes(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let fd = fd.as_raw_fd();
    // SAFETY: no pointers. Whoever opens the file for writing until the lease is
    // given back sends its holder a signal; this one is ignored by default.
    let got = unsafe {
        libc::fcntl(fd, F_SETSIG, libc::SIGURG);
        libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK)
    };
    if got == -1 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            // Somebody writes, or a lease is not to be had: then nobody knows.
            Some(libc::EAGAIN | libc::EACCES | libc::EINVAL) => Ok(false),
            _ => Err(error),
        };
    }
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
    Ok(true)
}
