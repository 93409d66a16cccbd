//! Which system calls exist inside a sandbox.
//!
//! Three filters. The first knows what programs use; anything else, new calls of
//! newer kernels included, answers "no such call", from which programs fall
//! back. The second answers "not permitted" to known calls that are forbidden
//! altogether or with certain arguments. The third keeps the limit of core dumps
//! where it is. The guest adds one more for commands: `clone3`, whose arguments no
//! filter can see, is the guest's alone.

use std::collections::{BTreeMap, BTreeSet};
use std::env::consts::ARCH;
use std::sync::OnceLock;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use super::sys::{Done, trying};

/// The filters, made once for all sandboxes of a launcher.
static PROGRAMS: OnceLock<Done<[BpfProgram; 3]>> = OnceLock::new();

/// Makes the filters, for those who will install them.
pub(super) fn programs() -> &'static Done<[BpfProgram; 3]> {
    PROGRAMS.get_or_init(|| Ok([known()?, forbidden()?, core_limit()]))
}

/// Installs them for this process and all it will start.
pub(super) fn install() -> Done {
    for program in programs().as_ref().map_err(Clone::clone)? {
        seccompiler::apply_filter(program).map_err(trying("system call filter"))?;
    }
    Ok(())
}

const IS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;

fn step(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    let code = code as u16;
    sock_filter { code, jt, jf, k }
}

/// Loads a word of what the kernel tells of the call.
fn load(offset: u32) -> sock_filter {
    step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn answer(action: u32) -> sock_filter {
    step(libc::BPF_RET | libc::BPF_K, action, 0, 0)
}

/// Who sets the limit of core dumps is told that it was done: programs that want
/// none end if they cannot say so, and there are none. A lower limit than ours would
/// let a piped `core_pattern` have its way.
fn core_limit() -> BpfProgram {
    const ARGUMENTS: u32 = 16;
    // Of one type here and of another there.
    const CORE: u32 = 4;
    const { assert!(cfg!(target_endian = "little")) };
    let argument = |number: u32| ARGUMENTS + 8 * number;
    vec![
        load(0),
        step(IS, libc::SYS_setrlimit as u32, 7, 0),
        step(IS, libc::SYS_prlimit64 as u32, 0, 8),
        // Only asked, if the new limit is nowhere.
        load(argument(2)),
        step(IS, 0, 0, 2),
        load(argument(2) + 4),
        step(IS, 0, 4, 0),
        load(argument(1)),
        step(libc::BPF_JMP | libc::BPF_JA, 1, 0, 0),
        load(argument(0)),
        step(IS, CORE, 1, 0),
        answer(libc::SECCOMP_RET_ALLOW),
        answer(libc::SECCOMP_RET_ERRNO),
    ]
}

/// By hand, as runs of neighbouring numbers: the kernel tries a new filter on
/// every call there is, and a list of single numbers takes it a millisecond.
fn known() -> Done<BpfProgram> {
    let arch = TargetArch::try_from(ARCH).map_err(trying("system call filter"))?;
    let audit = match arch {
        TargetArch::x86_64 => 0xC000_003E,
        TargetArch::aarch64 => 0xC000_00B7,
        TargetArch::riscv64 => 0xC000_00F3,
    };
    let numbers = ALLOWED
        .iter()
        .chain(OF_ARCH)
        .chain(DENIED)
        .copied()
        .collect();
    let at_least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    let no_such_call = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    // Another architecture's numbers mean other calls.
    let mut program = vec![
        load(4),
        step(IS, audit, 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(0),
    ];
    for (first, last) in runs(&numbers) {
        program.extend([
            step(at_least, last + 1, 3, 0),
            step(at_least, first, 0, 1),
            answer(libc::SECCOMP_RET_ALLOW),
            answer(no_such_call),
        ]);
    }
    program.push(answer(no_such_call));
    Ok(program)
}

/// Runs of neighbours, first and last of each.
fn runs(numbers: &BTreeSet<i64>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers
        .iter()
        .filter_map(|&number| u32::try_from(number).ok())
    {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

/// Address families a program may use; others reach rarely used kernel code.
const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];
/// Execution domains a program may ask for: the usual one, queries, no address randomisation.
const DOMAINS: [u64; 3] = [0, 0xffff_ffff, 0x0004_0000];
/// Flags of `clone` that make namespaces.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// `which` of setpriority(2): one process. Its groups and users hold the guest.
const PRIO_PROCESS: u64 = 0;
/// `which` of ioprio_set(2): one process.
const IOPRIO_WHO_PROCESS: u64 = 1;

fn forbidden() -> Done<BpfProgram> {
    let argument = |index: u8, op: Op, value: u64| {
        SeccompCondition::new(index, Len::Dword, op, value).map_err(trying("filter"))
    };
    let rule = |conditions| SeccompRule::new(conditions).map_err(trying("filter"));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED.iter().map(|&call| (call, Vec::new())).collect();
    let none_of = |index, values: &[u64]| {
        values
            .iter()
            .map(|&value| argument(index, Op::Ne, value))
            .collect::<Done<Vec<_>>>()
    };
    let flags = NAMESPACES.map(|flag| flag as u64);
    let made = flags.map(|flag| rule(vec![argument(0, Op::MaskedEq(flag), flag)?]));
    rules.insert(libc::SYS_clone, made.into_iter().collect::<Done<_>>()?);
    let families = FAMILIES.map(|family| family as u64);
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(call, vec![rule(none_of(0, &families)?)?]);
    }
    rules.insert(libc::SYS_personality, vec![rule(none_of(0, &DOMAINS)?)?]);
    // Limits of others: the guest runs as the same user.
    rules.insert(
        libc::SYS_prlimit64,
        vec![rule(vec![argument(0, Op::Ne, 0)?])?],
    );
    // The guest must get its turn: no command may put it last in the line.
    let slowing = [
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setattr,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setscheduler,
    ];
    for call in slowing {
        rules.insert(call, vec![rule(vec![argument(0, Op::Eq, 1)?])?]);
    }
    for (call, process) in [
        (libc::SYS_setpriority, PRIO_PROCESS),
        (libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS),
    ] {
        let others = rule(vec![argument(0, Op::Ne, process)?])?;
        rules.insert(call, vec![others, rule(vec![argument(1, Op::Eq, 1)?])?]);
    }
    // Typing into somebody's terminal.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX];
    let typed = typing.map(|request| rule(vec![argument(1, Op::Eq, request)?]));
    rules.insert(libc::SYS_ioctl, typed.into_iter().collect::<Done<_>>()?);
    let not_permitted = SeccompAction::Errno(libc::EPERM as u32);
    let arch = TargetArch::try_from(ARCH).map_err(trying("system call filter"))?;
    SeccompFilter::new(rules, SeccompAction::Allow, not_permitted, arch)
        .and_then(BpfProgram::try_from)
        .map_err(trying("system call filter"))
}

/// Calls that exist but are never permitted.
const DENIED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

#[rustfmt::skip]
const ALLOWED: &[i64] = &[
    libc::SYS_accept, libc::SYS_accept4, libc::SYS_adjtimex, libc::SYS_bind, libc::SYS_brk,
    libc::SYS_capget, libc::SYS_capset, libc::SYS_chdir, libc::SYS_clock_getres,
    libc::SYS_clock_gettime, libc::SYS_clock_nanosleep, libc::SYS_clone, libc::SYS_clone3,
    libc::SYS_close, libc::SYS_close_range, libc::SYS_connect, libc::SYS_copy_file_range,
    libc::SYS_dup, libc::SYS_dup3, libc::SYS_epoll_create1, libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2, libc::SYS_eventfd2, libc::SYS_execve,
    libc::SYS_execveat, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_faccessat,
    libc::SYS_faccessat2, libc::SYS_fadvise64, libc::SYS_fallocate, libc::SYS_fchdir,
    libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_fchmodat2, libc::SYS_fchown,
    libc::SYS_fchownat, libc::SYS_fcntl, libc::SYS_fdatasync, libc::SYS_fgetxattr,
    libc::SYS_flistxattr, libc::SYS_flock, libc::SYS_fremovexattr, libc::SYS_fsetxattr,
    libc::SYS_fstat, libc::SYS_fstatfs, libc::SYS_fsync, libc::SYS_ftruncate, libc::SYS_futex,
    libc::SYS_futex_waitv, libc::SYS_get_mempolicy, libc::SYS_get_robust_list, libc::SYS_getcpu,
    libc::SYS_getcwd, libc::SYS_getdents64, libc::SYS_getegid, libc::SYS_geteuid,
    libc::SYS_getgid, libc::SYS_getgroups, libc::SYS_getitimer, libc::SYS_getpeername,
    libc::SYS_getpgid, libc::SYS_getpid, libc::SYS_getppid, libc::SYS_getpriority,
    libc::SYS_getrandom, libc::SYS_getresgid, libc::SYS_getresuid, libc::SYS_getrlimit,
    libc::SYS_getrusage, libc::SYS_getsid, libc::SYS_getsockname, libc::SYS_getsockopt,
    libc::SYS_gettid, libc::SYS_gettimeofday, libc::SYS_getuid, libc::SYS_getxattr,
    libc::SYS_inotify_add_watch, libc::SYS_inotify_init1, libc::SYS_inotify_rm_watch,
    libc::SYS_io_cancel, libc::SYS_io_destroy, libc::SYS_io_getevents,
    libc::SYS_io_setup, libc::SYS_io_submit, libc::SYS_ioctl, libc::SYS_ioprio_get,
    libc::SYS_ioprio_set, libc::SYS_kill, libc::SYS_landlock_add_rule,
    libc::SYS_landlock_create_ruleset, libc::SYS_landlock_restrict_self, libc::SYS_lgetxattr,
    libc::SYS_linkat, libc::SYS_listen, libc::SYS_listxattr, libc::SYS_llistxattr,
    libc::SYS_lremovexattr, libc::SYS_lseek, libc::SYS_lsetxattr, libc::SYS_madvise,
    libc::SYS_mbind, libc::SYS_membarrier, libc::SYS_memfd_create, libc::SYS_mincore,
    libc::SYS_mkdirat, libc::SYS_mknodat, libc::SYS_mlock, libc::SYS_mlock2, libc::SYS_mlockall,
    libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_mq_getsetattr, libc::SYS_mq_notify,
    libc::SYS_mq_open, libc::SYS_mq_timedreceive, libc::SYS_mq_timedsend, libc::SYS_mq_unlink,
    libc::SYS_mremap, libc::SYS_msgctl, libc::SYS_msgget, libc::SYS_msgrcv, libc::SYS_msgsnd,
    libc::SYS_msync, libc::SYS_munlock, libc::SYS_munlockall, libc::SYS_munmap,
    libc::SYS_nanosleep, libc::SYS_newfstatat, libc::SYS_openat, libc::SYS_openat2,
    libc::SYS_personality, libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal,
    libc::SYS_pipe2, libc::SYS_pkey_alloc, libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect, libc::SYS_ppoll, libc::SYS_prctl, libc::SYS_pread64,
    libc::SYS_preadv, libc::SYS_preadv2, libc::SYS_prlimit64, libc::SYS_process_mrelease,
    libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_pselect6,
    libc::SYS_ptrace, libc::SYS_pwrite64, libc::SYS_pwritev, libc::SYS_pwritev2,
    libc::SYS_read, libc::SYS_readahead, libc::SYS_readlinkat, libc::SYS_readv,
    libc::SYS_recvfrom, libc::SYS_recvmmsg, libc::SYS_recvmsg, libc::SYS_remap_file_pages,
    libc::SYS_removexattr, libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_restart_syscall,
    libc::SYS_rseq, libc::SYS_rt_sigaction, libc::SYS_rt_sigpending, libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigqueueinfo, libc::SYS_rt_sigreturn, libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait, libc::SYS_rt_tgsigqueueinfo, libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min, libc::SYS_sched_getaffinity, libc::SYS_sched_getattr,
    libc::SYS_sched_getparam, libc::SYS_sched_getscheduler, libc::SYS_sched_rr_get_interval,
    libc::SYS_sched_setaffinity, libc::SYS_sched_setattr, libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler, libc::SYS_sched_yield, libc::SYS_seccomp, libc::SYS_semctl,
    libc::SYS_semget, libc::SYS_semop, libc::SYS_semtimedop, libc::SYS_sendfile,
    libc::SYS_sendmmsg, libc::SYS_sendmsg, libc::SYS_sendto, libc::SYS_set_mempolicy,
    libc::SYS_set_robust_list, libc::SYS_set_tid_address, libc::SYS_setfsgid,
    libc::SYS_setfsuid, libc::SYS_setgid, libc::SYS_setgroups, libc::SYS_setitimer,
    libc::SYS_setpgid, libc::SYS_setpriority, libc::SYS_setregid, libc::SYS_setresgid,
    libc::SYS_setresuid, libc::SYS_setreuid, libc::SYS_setrlimit, libc::SYS_setsid,
    libc::SYS_setsockopt, libc::SYS_setuid, libc::SYS_setxattr, libc::SYS_shmat,
    libc::SYS_shmctl, libc::SYS_shmdt, libc::SYS_shmget, libc::SYS_shutdown,
    libc::SYS_sigaltstack, libc::SYS_signalfd4, libc::SYS_socket, libc::SYS_socketpair,
    libc::SYS_splice, libc::SYS_statfs, libc::SYS_statx, libc::SYS_symlinkat, libc::SYS_sync,
    libc::SYS_sync_file_range, libc::SYS_syncfs, libc::SYS_sysinfo, libc::SYS_tee,
    libc::SYS_tgkill, libc::SYS_timer_create, libc::SYS_timer_delete,
    libc::SYS_timer_getoverrun, libc::SYS_timer_gettime, libc::SYS_timer_settime,
    libc::SYS_timerfd_create, libc::SYS_timerfd_gettime, libc::SYS_timerfd_settime,
    libc::SYS_times, libc::SYS_tkill, libc::SYS_truncate, libc::SYS_umask, libc::SYS_uname,
    libc::SYS_unlinkat, libc::SYS_utimensat, libc::SYS_vmsplice, libc::SYS_wait4,
    libc::SYS_waitid, libc::SYS_write, libc::SYS_writev,
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OF_ARCH: &[i64] = &[
    libc::SYS_access, libc::SYS_alarm, libc::SYS_arch_prctl, libc::SYS_chmod, libc::SYS_chown,
    libc::SYS_creat, libc::SYS_dup2, libc::SYS_epoll_create, libc::SYS_epoll_wait,
    libc::SYS_eventfd, libc::SYS_fork, libc::SYS_futimesat, libc::SYS_get_thread_area,
    libc::SYS_getdents, libc::SYS_getpgrp, libc::SYS_inotify_init, libc::SYS_lchown,
    libc::SYS_link, libc::SYS_lstat, libc::SYS_mkdir, libc::SYS_mknod, libc::SYS_open,
    libc::SYS_pause, libc::SYS_pipe, libc::SYS_poll, libc::SYS_readlink, libc::SYS_rename,
    libc::SYS_rmdir, libc::SYS_select, libc::SYS_set_thread_area, libc::SYS_signalfd,
    libc::SYS_stat, libc::SYS_symlink, libc::SYS_time, libc::SYS_unlink, libc::SYS_ustat,
    libc::SYS_utime, libc::SYS_utimes, libc::SYS_vfork,
];

#[cfg(not(target_arch = "x86_64"))]
const OF_ARCH: &[i64] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_run() {
        for (numbers, want) in [
            (&[][..], &[][..]),
            (&[5], &[(5, 5)]),
            (&[0, 1, 2, 4, 6, 7], &[(0, 2), (4, 4), (6, 7)]),
        ] {
            assert_eq!(runs(&numbers.iter().copied().collect()), want);
        }
    }

    #[test]
    fn no_call_is_both_allowed_and_denied_and_the_filters_compile() {
        let allowed: BTreeSet<i64> = ALLOWED.iter().chain(OF_ARCH).copied().collect();
        let denied: BTreeSet<i64> = DENIED.iter().copied().collect();
        assert_eq!(
            allowed.len(),
            ALLOWED.len() + OF_ARCH.len(),
            "named once each"
        );
        assert!(allowed.is_disjoint(&denied));
        for program in [known(), forbidden(), Ok(core_limit())] {
            assert!(program.is_ok_and(|program| program.len() < 600));
        }
    }
}
