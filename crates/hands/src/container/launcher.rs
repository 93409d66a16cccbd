//! The launcher: a process of one thread that makes sandboxes.
//!
//! It takes orders from a socket for as long as that is open. For each it splits off a
//! process, which is given a [`Spec`] and, as its input, the disk. When the guest
//! runs that one writes `state.json` and repeats it as its answer; otherwise it
//! answers why not and leaves nothing running. Because it ends, the sandbox is
//! nobody's child and outlives whoever asked for it. Splitting costs a fraction of
//! what starting a program does.

use std::ffi::OsString;
use std::fs::File;
use std::io::{PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use guest::boot::{BOOT_FD, Boot, WORKSPACE};
use guest::net::LISTENER_PORT;

use super::cgroup::{self, Held};
use super::net::{self, Network};
use super::orders::{self, Order};
use super::report::{First, Report, tell_network};
use super::root::{self, Root};
use super::spec::{LAUNCH, Spec, State, Walls, started_of};
use super::sys::{self, Done, trying};
use super::{confine, dev, trust, userns};

/// Where commands find programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The namespaces the first process of a sandbox can be born in.
const BORN_IN: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;
/// Those it enters later: of cgroups when it is in its own, of mounts when these are made.
const ENTERED: i32 = libc::CLONE_NEWNS | libc::CLONE_NEWCGROUP;

/// Becomes the launcher and never returns, if the arguments say so; otherwise
/// returns at once. Must be the first thing a program does that uses the hands
/// with [`Launcher::Itself`](crate::Launcher::Itself): no thread may run yet.
pub fn launcher_main(args: impl IntoIterator<Item = OsString>) {
    let mut args = args.into_iter().skip(1);
    if args.next().is_none_or(|first| first != LAUNCH) {
        return;
    }
    sys::close_from(3);
    match args.next() {
        None => serve(),
        Some(spec) => conclude(launch(spec.as_bytes())),
    }
}

/// Takes orders from its input until there are no more.
fn serve() -> ! {
    // Where its caller's folder is unmounted it must not be in the way.
    let _ = std::env::set_current_dir("/");
    sys::leave_children_to_the_kernel();
    confine::prepare();
    let orders = std::io::stdin();
    while let Ok(Some(order)) = orders::receive(orders.as_fd()) {
        match sys::fork() {
            Ok(0) => one(order),
            Ok(_) => {}
            // Who hears nothing knows that it failed.
            Err(error) => drop(File::from(order.answer).write_all(error.as_bytes())),
        }
    }
    sys::exit(0)
}

/// One sandbox, in a process of its own.
fn one(order: Order) -> ! {
    let Order { spec, answer, disk } = order;
    let placed = || {
        match disk {
            Some(disk) => sys::place(disk.as_fd(), 0)?,
            None => {
                let nothing = File::open("/dev/null").map_err(trying("/dev/null"))?;
                sys::place(nothing.as_fd(), 0)?;
            }
        }
        sys::place(answer.as_fd(), 1)?;
        sys::place(answer.as_fd(), 2)
    };
    let placed = placed();
    drop(answer);
    conclude(placed.and_then(|()| launch(&spec)))
}

/// Says how it went.
fn conclude(launched: Done<State>) -> ! {
    match launched {
        Ok(state) => {
            let text = serde_json::to_vec(&state).unwrap_or_default();
            let mut out = std::io::stdout();
            let told = out.write_all(&text).and_then(|()| out.flush());
            sys::exit(i32::from(told.is_err()))
        }
        Err(error) => {
            eprint!("{error}");
            sys::exit(1)
        }
    }
}

/// What the guest inherits, opened while the host is still in sight.
struct Inherited {
    listener: OwnedFd,
    guest: OwnedFd,
    log: OwnedFd,
    nothing: OwnedFd,
    held: Held,
}

fn launch(spec: &[u8]) -> Done<State> {
    let spec: Spec = serde_json::from_slice(spec).map_err(trying("read the spec"))?;
    sys::end_after(spec.within_ms);
    std::env::set_current_dir(&spec.folder).map_err(trying("enter the sandbox's folder"))?;
    let open = |path: &Path| {
        File::open(path)
            .map(OwnedFd::from)
            .map_err(trying(path.display()))
    };
    // There may be an empty one.
    let create = |name: &str| File::create(name).map_err(trying(name.to_owned()));
    // Opened now: inside the user namespace this process may no longer make files here.
    let record = create("state.json")?;
    // Relative: a socket's address has no room for the path of a long data folder.
    let listener = UnixListener::bind("guest.sock").map_err(trying("guest.sock"))?;
    let mut inherited = Inherited {
        listener: listener.into(),
        guest: only_path(&spec.guest)?,
        log: create("guest.log")?.into(),
        nothing: open(Path::new("/dev/null"))?,
        held: Held::default(),
    };
    // The guest's move to its own root takes this process along.
    let proc = open(Path::new("/proc"))?;
    let ((pid, network), own_disk) = match &spec.walls {
        None => (free(&spec, inherited)?, false),
        Some(walls) => {
            inherited.held = cgroup::make(&walls.groups, &spec.limits, walls.uid)?;
            match walls.uid {
                Some(uid) => (shifted(&spec, walls, uid, inherited)?, walls.own_disk),
                None => (single(&spec, walls, inherited)?, false),
            }
        }
    };
    let state = State {
        id: spec.id,
        owner: None,
        half: spec.half,
        pid,
        pid_started: started_of(&sys::read_below(proc.as_fd(), &format!("{pid}/stat"))?)
            .ok_or("the guest ended at once")?,
        uid: spec.walls.as_ref().and_then(|walls| walls.uid),
        limits: spec.limits,
        mounts: spec.mounts,
        groups: spec.walls.map(|walls| walls.groups).unwrap_or_default(),
        own_disk,
        network,
        created_ms: spec.created_ms,
    };
    let text = serde_json::to_vec(&state).map_err(trying("state.json"))?;
    (&record).write_all(&text).map_err(trying("state.json"))?;
    Ok(state)
}

/// A descriptor that serves to execute a file, not to read it.
fn only_path(path: &Path) -> Done<OwnedFd> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(path);
    file.map(OwnedFd::from).map_err(trying(path.display()))
}

/// A guest that is an ordinary process of this host.
fn free(spec: &Spec, inherited: Inherited) -> Done<First> {
    let workspace = spec.folder.join("workspace").display().to_string();
    std::fs::create_dir_all(&workspace).map_err(trying("workspace"))?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the search path is passed on; it is no option"
    )]
    let path = std::env::var("PATH").unwrap_or_else(|_| PATH.to_owned());
    let report = Report::new()?;
    let pid = sys::fork()?;
    if pid > 0 {
        return report.heard(pid);
    }
    report.become_by(|tell| {
        let boot = Boot {
            home: workspace.clone(),
            workspace,
            alone_ms: Some(spec.alone_ms),
            env: variables(&path),
            ..Boot::default()
        };
        tell_network(tell, &None)?;
        become_guest(boot, &inherited)
    })
}

/// A guest with everything around it, made by root. Two processes make it: the
/// launcher mounts, with rights the other gave away by being born in a user
/// namespace of its own; the other is in the right place for the rest.
fn shifted(spec: &Spec, walls: &Walls, uid: u32, inherited: Inherited) -> Done<First> {
    root::enter_mount_points(walls)?;
    root::private_mounts()?;
    let report = Report::new()?;
    let (mut ready, mut go) = std::io::pipe().map_err(trying("pipe"))?;
    let cgroup = inherited.held.own.as_ref().map(AsFd::as_fd);
    let pid = sys::fork_into(BORN_IN, cgroup)?;
    if pid == 0 {
        drop(go);
        report.become_by(|tell| {
            cgroup::enter(&walls.groups)?;
            let walls_stand = ready.read_exact(&mut [0]);
            walls_stand.map_err(trying("wait for the walls"))?;
            let root = root::assembled(spec, walls)?;
            sys::drop_groups()?;
            sys::become_zero()?;
            sys::unshare(ENTERED)?;
            first_process(spec, &root, inherited, tell)
        })
    }
    let namespace = userns::map(pid, uid)?;
    root::shifted(spec, walls, uid, namespace.as_fd())?;
    // One that has ended by now has said why.
    let _ = go.write_all(b".");
    report.heard(pid)
}

/// A guest with what an ordinary user can put around it.
fn single(spec: &Spec, walls: &Walls, inherited: Inherited) -> Done<First> {
    cgroup::enter(&walls.groups)?;
    userns::single()?;
    root::private_mounts()?;
    let root = root::single(spec, walls)?;
    sys::unshare(BORN_IN & !libc::CLONE_NEWUSER | ENTERED)?;
    let report = Report::new()?;
    match sys::fork()? {
        0 => report.become_by(|tell| first_process(spec, &root, inherited, tell)),
        pid => report.heard(pid),
    }
}

/// In all new namespaces, as their first process.
fn first_process(
    spec: &Spec,
    root: &Root,
    inherited: Inherited,
    tell: &PipeWriter,
) -> Done<std::convert::Infallible> {
    root::enter(root)?;
    sys::set_hostname("sandbox")?;
    let network = net::configure(LISTENER_PORT).map_err(trying("network"))?;
    // Nobody inside may make user namespaces, and with them gain capabilities again.
    std::fs::write("/proc/sys/user/max_user_namespaces", "0")
        .map_err(trying("forbid user namespaces"))?;
    dev::mask()?;
    let told = spec.walls.as_ref().is_some_and(|walls| walls.trust);
    let trusted = told.then(trust::variables).unwrap_or_default();
    let disk_bytes = root.own_disk.then_some(spec.limits.disk_bytes);
    let boot = Boot {
        spool_fd: Some(sys::keep(root.spool.as_fd())?),
        workspace: WORKSPACE.to_owned(),
        home: "/root".to_owned(),
        memory_bytes: spec.limits.memory_bytes,
        pids: spec.limits.pids.into(),
        disk_bytes,
        network: true,
        confine: true,
        alone_ms: Some(spec.alone_ms),
        env: [variables(PATH), proxies(&network), trusted].concat(),
        ..Boot::default()
    };
    tell_network(tell, &Some(network))?;
    confine::confine(spec.limits.disk_bytes)?;
    become_guest(boot, &inherited)
}

/// The last step: descriptors in place, then the guest's own program.
fn become_guest(mut boot: Boot, inherited: &Inherited) -> Done<std::convert::Infallible> {
    let keep = |fd: &Option<OwnedFd>| fd.as_ref().map(|fd| sys::keep(fd.as_fd())).transpose();
    boot.cgroup_fd = keep(&inherited.held.own)?;
    boot.memory_fd = keep(&inherited.held.memory)?;
    boot.pids_fd = keep(&inherited.held.pids)?;
    boot.listen_fd = sys::keep(inherited.listener.as_fd())?;
    sys::place(inherited.nothing.as_fd(), 0)?;
    sys::place(inherited.log.as_fd(), 1)?;
    sys::place(inherited.log.as_fd(), 2)?;
    let text = serde_json::to_vec(&boot).map_err(trying("boot"))?;
    let told = sys::memory_file(&text)?;
    // Nothing inherited has that number: the launcher's first descriptor is its record.
    if told.as_raw_fd() != BOOT_FD {
        sys::place(told.as_fd(), BOOT_FD)?;
    }
    sys::keep(told.as_fd())?;
    Err(sys::execute(inherited.guest.as_fd(), c"guest"))
}

/// Where connections do not come to the guest by themselves, programs must be told.
fn proxies(network: &Network) -> Vec<(String, String)> {
    if network.redirect {
        return Vec::new();
    }
    let guest = format!("http://127.0.0.1:{LISTENER_PORT}");
    ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]
        .map(|name| (name.to_owned(), guest.clone()))
        .to_vec()
}

/// Variables of every command.
fn variables(path: &str) -> Vec<(String, String)> {
    [
        ("PATH", path),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("USER", "root"),
        ("SHELL", "/bin/sh"),
        ("PAGER", "cat"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("PIP_BREAK_SYSTEM_PACKAGES", "1"),
        ("PIP_ROOT_USER_ACTION", "ignore"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}
