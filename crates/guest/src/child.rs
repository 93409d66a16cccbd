//! Starts children: commands by fork and exec, file operations by fork alone.
//!
//! A child starts in its own cgroup in one step, so nothing it does can come
//! before its membership. Between fork and exec only system calls run, on memory
//! that was made ready before.
#![expect(unsafe_code, reason = "fork, exec and what must happen between them")]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::sys::check;

/// A command, ready to start.
#[derive(Debug)]
pub struct Plan {
    /// Paths to try, in order.
    pub programs: Vec<CString>,
    /// Arguments, the zeroth included.
    pub argv: Vec<CString>,
    /// Variables, `NAME=value`.
    pub env: Vec<CString>,
    /// Where it starts.
    pub cwd: CString,
    /// Its standard input.
    pub stdin: OwnedFd,
    /// Its standard output.
    pub output: OwnedFd,
    /// Its standard error, if that is another.
    pub errors: Option<OwnedFd>,
    /// The cgroup it starts in.
    pub cgroup: Option<OwnedFd>,
    /// Deny it `clone3`, whose flags a filter cannot see.
    pub confine: bool,
}

/// Why a command did not start.
#[derive(Debug)]
pub enum NotStarted {
    /// No process could be made.
    Fork(io::Error),
    /// Its folder cannot be entered.
    Cwd(io::Error),
    /// Its program cannot be run.
    Exec(io::Error),
}

/// Of `clone3`; the C library binding's own constant does not fit its type.
const INTO_CGROUP: u64 = 0x2_0000_0000;

const STAGE_CWD: u8 = 1;
const STAGE_EXEC: u8 = 2;

/// Starts the command; returns once its program runs.
///
/// # Errors
/// [`NotStarted`]; then nothing of it is left.
pub fn spawn(plan: Plan) -> Result<i32, NotStarted> {
    let argv = pointers(&plan.argv);
    let env = pointers(&plan.env);
    let programs = pointers(&plan.programs);
    let (mut report, tell) = io::pipe().map_err(NotStarted::Fork)?;
    let fds = [
        plan.stdin.as_raw_fd(),
        plan.output.as_raw_fd(),
        plan.errors.as_ref().unwrap_or(&plan.output).as_raw_fd(),
        tell.as_raw_fd(),
    ];
    let cgroup = plan.cgroup.as_ref().map(AsRawFd::as_raw_fd);
    let pid = fork_into(cgroup).map_err(NotStarted::Fork)?;
    if pid == 0 {
        // SAFETY: the child; everything it needs is in memory it has its own copy of.
        unsafe { become_command(fds, &plan, &programs, &argv, &env) }
    }
    drop((tell, plan));
    let mut said = [0u8; 5];
    match report.read_exact(&mut said) {
        Err(_) => Ok(pid),
        Ok(()) => {
            let [stage, errno @ ..] = said;
            let error = io::Error::from_raw_os_error(i32::from_le_bytes(errno));
            Err(if stage == STAGE_CWD {
                NotStarted::Cwd(error)
            } else {
                NotStarted::Exec(error)
            })
        }
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// As fork, but the child is born in that cgroup.
fn fork_into(cgroup: Option<RawFd>) -> io::Result<i32> {
    // SAFETY: a plain struct of integers, for which zero means "not used". Without
    // CLONE_VM the child has its own copy of everything, as with fork.
    let pid = unsafe {
        let mut args: libc::clone_args = std::mem::zeroed();
        args.exit_signal = libc::SIGCHLD as u64;
        if let Some(fd) = cgroup {
            args.flags = INTO_CGROUP;
            args.cgroup = fd as u64;
        }
        libc::syscall(
            libc::SYS_clone3,
            &raw const args,
            size_of::<libc::clone_args>(),
        )
    };
    check(pid as i32)
}

/// # Safety
/// Only in a child, which it never leaves. The pointers end with a null.
unsafe fn become_command(
    [stdin, output, errors, tell]: [RawFd; 4],
    plan: &Plan,
    programs: &[*const libc::c_char],
    argv: &[*const libc::c_char],
    env: &[*const libc::c_char],
) -> ! {
    // SAFETY: system calls on valid descriptors and strings, nothing allocates.
    unsafe {
        libc::setsid();
        libc::dup2(stdin, 0);
        libc::dup2(output, 1);
        libc::dup2(errors, 2);
        let tell = keep_only(tell);
        reset_signals();
        if libc::chdir(plan.cwd.as_ptr()) != 0 {
            give_up(tell, STAGE_CWD);
        }
        if plan.confine {
            deny_clone3();
        }
        for &program in programs.iter().take_while(|p| !p.is_null()) {
            libc::execve(program, argv.as_ptr(), env.as_ptr());
            let error = *libc::__errno_location();
            if !matches!(error, libc::ENOENT | libc::ENOTDIR | libc::EACCES) {
                break;
            }
        }
        give_up(tell, STAGE_EXEC)
    }
}

/// Closes every descriptor above 3 and moves `fd` to 3, closed at exec.
///
/// # Safety
/// Only in a child that uses no other descriptor.
unsafe fn keep_only(fd: RawFd) -> RawFd {
    // SAFETY: as the caller promises.
    unsafe {
        if fd == 3 {
            libc::fcntl(3, libc::F_SETFD, libc::FD_CLOEXEC);
        } else {
            libc::dup3(fd, 3, libc::O_CLOEXEC);
        }
        libc::syscall(libc::SYS_close_range, 4u32, libc::c_uint::MAX, 0);
    }
    3
}

/// # Safety
/// Only in a child before exec.
unsafe fn reset_signals() {
    // SAFETY: valid pointers to locals; the default actions need no code of ours.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// # Safety
/// Only in a child before exec, with errno as the failed call left it.
unsafe fn give_up(tell: RawFd, stage: u8) -> ! {
    // SAFETY: a valid buffer and descriptor.
    unsafe {
        let [a, b, c, d] = (*libc::__errno_location()).to_le_bytes();
        let said = [stage, a, b, c, d];
        libc::write(tell, said.as_ptr().cast(), said.len());
        libc::_exit(127)
    }
}

/// `clone3` answers "no such call", so that the C library falls back to `clone`,
/// whose flags the sandbox's filter does check. The guest itself needs `clone3`.
///
/// # Safety
/// Only in a child before exec.
unsafe fn deny_clone3() {
    const NUMBER: u32 = 0;
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let program = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, NUMBER),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_clone3 as u32,
        ),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    // SAFETY: the program is valid for the duration of the call.
    unsafe {
        let filter = libc::sock_fprog {
            len: 4,
            filter: program.as_ptr().cast_mut(),
        };
        let mode = libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER);
        libc::syscall(libc::SYS_seccomp, mode, 0, &raw const filter);
    }
}

/// Runs `job` in a child that has no descriptor of this process, and returns the
/// pipe its bytes come through. The child ends with the job, or at a panic.
///
/// File operations run so: what a path leads to is then what any command sees,
/// never the guest's own descriptors or memory.
///
/// # Errors
/// If no process can be made.
pub fn fork_job(job: impl FnOnce() -> Vec<Vec<u8>>) -> io::Result<(i32, OwnedFd)> {
    let (from, to) = io::pipe()?;
    // SAFETY: this process has one thread, so the child may run ordinary code.
    let pid = check(unsafe { libc::fork() })?;
    if pid > 0 {
        return Ok((pid, from.into()));
    }
    // SAFETY: the child; only `to` is used from here on. The log is the guest's.
    let mut to = unsafe {
        libc::dup2(0, 1);
        libc::dup2(0, 2);
        File::from_raw_fd(keep_only(to.as_raw_fd()))
    };
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        job()
            .iter()
            .all(|part| io::Write::write_all(&mut to, part).is_ok())
    }));
    // SAFETY: ends the child without running the parent's clean-up.
    unsafe { libc::_exit(i32::from(!matches!(done, Ok(true)))) }
}

/// Where to look for `program`: as the shell does, along `path` unless it names a folder.
#[must_use]
pub fn candidates(program: &CStr, path: &str) -> Vec<CString> {
    if program.to_bytes().contains(&b'/') {
        return vec![program.to_owned()];
    }
    let name = program.to_string_lossy();
    path.split(':')
        .filter_map(|dir| CString::new(format!("{dir}/{name}")).ok())
        .collect()
}

/// Makes a process the kernel's choice when memory runs out, before the guest.
pub fn first_to_go(pid: i32) {
    // A process that has ended already has nothing to be killed for.
    let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "500");
}

/// A descriptor that reads as empty.
///
/// # Errors
/// If `/dev/null` is not there.
pub fn nothing() -> io::Result<OwnedFd> {
    File::open("/dev/null").map(Into::into)
}

/// A file in memory with these bytes, read from its start.
///
/// # Errors
/// If memory is short.
pub fn reading(bytes: &[u8]) -> io::Result<OwnedFd> {
    use std::io::{Seek, Write};
    let mut file = crate::sys::memory_file()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}
