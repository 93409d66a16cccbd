//! The first process of a container, where that is this very program.
//!
//! Sandboxes are nobody's children, so their remains fall to the first process. It
//! must take them in, or they stay as zombies and their cgroups cannot be removed.
//! The server cannot do that: it would take in children its own code waits for. So
//! the server becomes a child, and what was there first only takes in the dead and
//! passes signals on. It knows nothing else.
#![expect(unsafe_code, reason = "fork and signals of a process of one thread")]

use std::mem::zeroed;
use std::process;

/// Where this is the first process of its namespace, goes on in a child and stays
/// behind as its parent; elsewhere does nothing. The program ends as the child does.
/// Must be called while there is one thread.
pub fn init_main() {
    if process::id() != 1 {
        return;
    }
    // SAFETY: one thread; all pointers are to locals of the right type.
    unsafe {
        let mut all: libc::sigset_t = zeroed();
        let mut before: libc::sigset_t = zeroed();
        libc::sigfillset(&raw mut all);
        // Blocked, not handled: a signal that comes before the wait is kept for it.
        libc::sigprocmask(libc::SIG_BLOCK, &raw const all, &raw mut before);
        match libc::fork() {
            child if child > 0 => stay(child, &all),
            // The server itself; also where no process can be made.
            _ => libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()),
        };
    }
}

fn stay(server: i32, signals: &libc::sigset_t) -> ! {
    loop {
        // SAFETY: zero is a valid value of this plain struct, and it is filled.
        let (signal, sent) = unsafe {
            let mut info: libc::siginfo_t = zeroed();
            let signal = libc::sigwaitinfo(signals, &raw mut info);
            // What a terminal sends, it sends to the server as well.
            (signal, info.si_code != libc::SI_KERNEL)
        };
        match signal {
            libc::SIGCHLD => take_in(server),
            // SAFETY: no pointers. The server lives, or its end is the next signal.
            1.. if sent => unsafe {
                libc::kill(server, signal);
            },
            _ => {}
        }
    }
}

/// Takes in all that have ended; ends with the server.
fn take_in(server: i32) {
    loop {
        let mut status = 0;
        // SAFETY: a valid place for the status.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            return;
        }
        if pid == server {
            process::exit(code(status));
        }
    }
}

/// How a shell would tell of that end.
fn code(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn an_end_is_told_as_a_shell_tells_it() {
        for (line, want) in [("exit 3", 3), ("kill -TERM $$", 143), ("true", 0)] {
            let status = Command::new("sh").args(["-c", line]).status().unwrap();
            assert_eq!(code(status.into_raw()), want, "{line}");
        }
    }

    #[test]
    fn who_is_not_first_goes_on_alone() {
        let pid = process::id();
        init_main();
        assert_eq!(process::id(), pid);
    }
}
