//! `/dev`, `/proc` and `/tmp` of a sandbox: what programs expect, and nothing
//! that tells of the host.

use std::fs::File;
use std::path::Path;

use super::sys::{self, Done, trying};

const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Files of `/proc` that show or change the host.
const MASKED_FILES: [&str; 7] = [
    "kcore",
    "keys",
    "key-users",
    "timer_list",
    "sysrq-trigger",
    "latency_stats",
    "kpagecount",
];
/// Folders of `/proc` that do.
const MASKED_FOLDERS: [&str; 4] = ["acpi", "scsi", "asound", "driver"];
/// Folders of `/proc` that may be read.
const READ_ONLY: [&str; 4] = ["sys", "irq", "bus", "fs"];

const PLAIN: libc::c_ulong = libc::MS_NOSUID | libc::MS_NODEV;

/// A `/dev` of the six harmless devices, taken from the host's.
pub(super) fn devices(root: &Path) -> Done {
    let dev = root.join("dev");
    sys::mount(
        "tmpfs",
        &dev,
        "tmpfs",
        libc::MS_NOSUID | libc::MS_NOEXEC,
        "size=64k,mode=755",
    )?;
    for node in NODES {
        let place = dev.join(node);
        File::create(&place).map_err(trying(place.display()))?;
        sys::bind(Path::new("/dev").join(node), &place, 0)?;
    }
    for (name, target) in LINKS {
        std::os::unix::fs::symlink(target, dev.join(name)).map_err(trying(name))?;
    }
    for folder in ["pts", "shm"] {
        std::fs::create_dir(dev.join(folder)).map_err(trying(folder))?;
    }
    Ok(())
}

/// Memory folders: their content counts as the sandbox's memory. Filled to the
/// brim, both together leave a quarter of it for programs.
pub(super) fn memory_folders(root: &Path, memory: u64) -> Done {
    let (half, quarter) = (memory / 2, memory / 4);
    let data = |size: u64| format!("mode=1777,size={size}");
    sys::mount("tmpfs", root.join("tmp"), "tmpfs", PLAIN, &data(half))?;
    sys::mount(
        "tmpfs",
        root.join("dev/shm"),
        "tmpfs",
        PLAIN,
        &data(quarter),
    )
}

/// What can only be mounted by the first process of the new namespaces, while
/// the host's own `/proc` is still in sight: the kernel asks for that.
pub(super) fn inside(root: &Path) -> Done {
    let noexec = PLAIN | libc::MS_NOEXEC;
    sys::mount("proc", root.join("proc"), "proc", noexec, "")?;
    let terminals = libc::MS_NOSUID | libc::MS_NOEXEC;
    sys::mount(
        "devpts",
        root.join("dev/pts"),
        "devpts",
        terminals,
        "newinstance,ptmxmode=0666,mode=620",
    )
}

/// Covers what `/proc` should not show. After this nothing of it can be uncovered:
/// nobody inside may unmount.
pub(super) fn mask() -> Done {
    let proc = Path::new("/proc");
    for file in MASKED_FILES
        .iter()
        .map(|name| proc.join(name))
        .filter(|path| path.exists())
    {
        sys::bind("/dev/null", &file, 0)?;
    }
    for folder in MASKED_FOLDERS
        .iter()
        .map(|name| proc.join(name))
        .filter(|path| path.exists())
    {
        let flags = libc::MS_RDONLY | PLAIN | libc::MS_NOEXEC;
        sys::mount(
            "tmpfs",
            &folder,
            "tmpfs",
            flags,
            "size=0,nr_inodes=1,mode=555",
        )?;
    }
    for folder in READ_ONLY
        .iter()
        .map(|name| proc.join(name))
        .filter(|path| path.exists())
    {
        sys::bind(&folder, &folder, libc::MS_RDONLY | PLAIN | libc::MS_NOEXEC)?;
    }
    Ok(())
}
