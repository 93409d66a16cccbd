//! The last steps before the guest: limits of the process, no capability, no way
//! to gain any, and the system call filter.
#![expect(
    unsafe_code,
    reason = "capabilities and securebits have no safe interface"
)]

use super::seccomp;
use super::sys::{Done, check};

/// Root inside is an ordinary user: no capability comes from being uid 0, none
/// can be kept, raised or set, and all of that is locked.
const SECUREBITS: libc::c_ulong = 0b1110_1111;
/// Descriptors a command may open.
const OPEN_FILES: u64 = 65_536;

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

/// Does what can be done before there is a sandbox.
pub(super) fn prepare() {
    // What went wrong is told by who installs them.
    let _ = seccomp::programs();
}

/// Drops what a sandbox must not have. Irrevocable.
pub(super) fn confine(file_bytes: u64) -> Done {
    limits(file_bytes)?;
    drop_capabilities()?;
    // SAFETY: no pointers.
    let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    check(done, "no_new_privs")?;
    seccomp::install()
}

fn limits(file_bytes: u64) -> Done {
    let set = |what, soft: u64| {
        // SAFETY: valid pointers to a local. A limit is only ever lowered.
        unsafe {
            let mut now = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            check(libc::getrlimit(what, &raw mut now), "getrlimit")?;
            let value = soft.min(now.rlim_max);
            let wanted = libc::rlimit {
                rlim_cur: value,
                rlim_max: value,
            };
            check(libc::setrlimit(what, &raw const wanted), "setrlimit").map(drop)
        }
    };
    // One, not zero: only then does the kernel leave a piped `core_pattern` alone,
    // whose program would run on the host; and one byte is too little for a file.
    set(libc::RLIMIT_CORE, 1)?;
    set(libc::RLIMIT_NOFILE, OPEN_FILES)?;
    set(libc::RLIMIT_FSIZE, file_bytes)
}

fn drop_capabilities() -> Done {
    const VERSION_3: u32 = 0x2008_0522;
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap_or_default();
    let last: libc::c_ulong = last.trim().parse().unwrap_or(63);
    let header = CapHeader {
        version: VERSION_3,
        pid: 0,
    };
    let none = [0u32; 6];
    // SAFETY: no pointers but to locals of the size the kernel reads.
    unsafe {
        check(
            libc::prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0),
            "securebits",
        )?;
        for cap in 0..=last {
            check(
                libc::prctl(libc::PR_CAPBSET_DROP, cap, 0, 0, 0),
                "drop capability",
            )?;
        }
        let ambient = libc::PR_CAP_AMBIENT_CLEAR_ALL;
        check(
            libc::prctl(libc::PR_CAP_AMBIENT, ambient, 0, 0, 0),
            "ambient capabilities",
        )?;
        let set = libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr());
        check(set, "capset").map(drop)
    }
}
