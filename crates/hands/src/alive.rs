//! Whether a process we did not start ourselves still lives.
#![expect(unsafe_code, reason = "a process descriptor has no safe interface")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use tokio::io::unix::AsyncFd;

use crate::container::spec::started;

/// A sandbox's first process: the very one, not another with its number.
#[derive(Debug)]
pub(crate) struct Life {
    fd: AsyncFd<OwnedFd>,
}

impl Life {
    /// Holds on to the process with that number if it started then.
    ///
    /// # Errors
    /// If there is none, or it is another.
    pub(crate) fn of(pid: i32, pid_started: u64) -> io::Result<Self> {
        // SAFETY: no pointers; the result is owned at once.
        let fd = unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, pid, libc::PIDFD_NONBLOCK);
            if fd == -1 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd as i32)
        };
        // Looked at after the descriptor is held: from here on it cannot change.
        if started(pid) != Some(pid_started) {
            return Err(io::ErrorKind::NotFound.into());
        }
        // SAFETY: an `OwnedFd` always gives the same open descriptor and never another.
        Ok(Self {
            fd: unsafe { AsyncFd::register(fd) }?,
        })
    }

    /// Kills it, and with it everything in its namespace.
    pub(crate) fn kill(&self) {
        let none = std::ptr::null::<libc::siginfo_t>();
        let fd = self.fd.get_ref().as_raw_fd();
        // SAFETY: no siginfo is given. It can only fail because the process is gone.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, none, 0) };
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) {
        // The descriptor becomes readable at the end and stays so. An error
        // would mean that the runtime is shutting down.
        let _ = self.fd.readable().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[tokio::test]
    async fn the_end_of_a_process_is_seen_and_a_stranger_is_not_taken_for_it() {
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        let since = started(pid).unwrap();
        assert!(Life::of(pid, since + 1).is_err());
        let life = Life::of(pid, since).unwrap();
        life.kill();
        life.ended().await;
        child.wait().unwrap();
        assert!(Life::of(pid, since).is_err());
    }
}
