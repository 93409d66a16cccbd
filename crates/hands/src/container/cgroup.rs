//! Cgroups of a sandbox, on hosts with v1, v2 or both.
//!
//! All sandboxes live below one folder per hierarchy. The v2 cgroup, where there
//! is one, is given to the sandbox's root, so that its guest can put each exec
//! into one of its own; it has no limit there that it could lift.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::stale;
use super::sys::{self, Done, trying};
use crate::config::Limits;

/// Below this folder of each hierarchy are ours.
const HOME: &str = "opencomputer";
/// Microseconds a processor quota counts for.
const PERIOD: u64 = 100_000;

/// What a hierarchy is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Control {
    /// v1 memory.
    Memory,
    /// v1 cpu.
    Cpu,
    /// v1 pids.
    Pids,
    /// v1 freezer, where there is no v2, which can stop a sandbox as well.
    Freezer,
    /// v2, with or without controllers.
    Unified,
}

/// One cgroup of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Its hierarchy.
    pub(crate) control: Control,
    /// Its folder.
    pub(crate) path: PathBuf,
}

/// The hierarchies of this host that we may use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Hierarchies {
    homes: Vec<Group>,
    /// Controllers the v2 hierarchy enforces limits with.
    controllers: Vec<String>,
}

impl Hierarchies {
    /// Finds them and makes our folder in each; what is not writable is left out.
    pub(crate) fn open() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut found = Self::default();
        for (control, mount) in hierarchies(&mounts) {
            let below = own_path(&own, control);
            let candidates = [mount.clone(), mount.join(below.trim_start_matches('/'))];
            let home = candidates.iter().find_map(|parent| {
                let home = parent.join(HOME);
                match fs::create_dir(&home) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => None,
                    _ => usable(&home).then_some((parent.clone(), home)),
                }
            });
            let Some((parent, path)) = home else { continue };
            if control == Control::Unified {
                found.controllers = enable(&parent, &path);
            }
            found.homes.push(Group { control, path });
        }
        found
    }

    /// Removes the cgroups of sandboxes that are long gone, of whatever data folder.
    pub(crate) fn sweep(&self, now: SystemTime) {
        let swept: usize = self
            .homes
            .iter()
            .map(|home| stale::sweep(&home.path, now))
            .sum();
        if swept > 0 {
            tracing::info!(swept, "cgroups of sandboxes that had ended were removed");
        }
    }

    /// The cgroups a sandbox of that id will have.
    pub(crate) fn groups(&self, id: &str) -> Vec<Group> {
        let named = |home: &Group| Group {
            control: home.control,
            path: home.path.join(id),
        };
        self.homes.iter().map(named).collect()
    }

    /// What is enforced by what: `memory`, `cpu` or `pids`.
    pub(crate) fn enforces(&self, what: Control) -> Option<&'static str> {
        let (v1, name) = match what {
            Control::Memory => ("cgroup v1 memory", "memory"),
            Control::Cpu => ("cgroup v1 cpu", "cpu"),
            Control::Pids => ("cgroup v1 pids", "pids"),
            Control::Freezer | Control::Unified => return None,
        };
        if self.homes.iter().any(|home| home.control == what) {
            return Some(v1);
        }
        self.controllers
            .iter()
            .any(|c| c == name)
            .then_some("cgroup v2")
    }

    /// `v1`, `v2`, `hybrid` or `none`.
    pub(crate) fn kind(&self) -> &'static str {
        let v1 = self
            .homes
            .iter()
            .any(|home| home.control != Control::Unified);
        let v2 = self
            .homes
            .iter()
            .any(|home| home.control == Control::Unified);
        match (v1, v2) {
            (true, true) => "hybrid",
            (true, false) => "v1",
            (false, true) => "v2",
            (false, false) => "none",
        }
    }
}

fn usable(home: &Path) -> bool {
    File::options()
        .write(true)
        .open(home.join("cgroup.procs"))
        .is_ok()
}

/// Turns on, for our folder's children, the controllers that can be.
fn enable(parent: &Path, home: &Path) -> Vec<String> {
    let wanted = ["memory", "cpu", "pids"];
    for folder in [parent, home] {
        for name in wanted {
            // Each by itself: one that is bound to v1 must not take the others along.
            let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{name}"));
        }
    }
    let on = fs::read_to_string(home.join("cgroup.subtree_control")).unwrap_or_default();
    on.split_whitespace()
        .filter(|name| wanted.contains(name))
        .map(str::to_owned)
        .collect()
}

/// The hierarchies in a mountinfo text, with their mount points.
fn hierarchies(mounts: &str) -> Vec<(Control, PathBuf)> {
    let mut found: Vec<(Control, PathBuf)> = Vec::new();
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let Some(point) = left.split(' ').nth(4) else {
            continue;
        };
        let mut right = right.split(' ');
        let (kind, options) = (
            right.next().unwrap_or_default(),
            right.nth(1).unwrap_or_default(),
        );
        let has = |name: &str| options.split(',').any(|option| option == name);
        let controls = match kind {
            "cgroup2" => vec![Control::Unified],
            "cgroup" => [
                ("memory", Control::Memory),
                ("cpu", Control::Cpu),
                ("pids", Control::Pids),
                ("freezer", Control::Freezer),
            ]
            .into_iter()
            .filter_map(|(name, control)| has(name).then_some(control))
            .collect(),
            _ => Vec::new(),
        };
        for control in controls {
            if !found.iter().any(|(known, _)| *known == control) {
                found.push((control, PathBuf::from(point)));
            }
        }
    }
    // Whatever stops a sandbox, one thing is enough.
    if found
        .iter()
        .any(|(control, _)| *control == Control::Unified)
    {
        found.retain(|(control, _)| *control != Control::Freezer);
    }
    found
}

/// The path of this process in a hierarchy, from the text of `/proc/self/cgroup`.
fn own_path(text: &str, control: Control) -> String {
    let name = match control {
        Control::Memory => "memory",
        Control::Cpu => "cpu",
        Control::Pids => "pids",
        Control::Freezer => "freezer",
        Control::Unified => "",
    };
    let path = text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let controllers = parts.nth(1)?;
        controllers
            .split(',')
            .any(|c| c == name)
            .then(|| parts.next().map(str::to_owned))?
    });
    path.unwrap_or_default()
}

/// Descriptors of a sandbox's cgroups that its guest uses.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) own: Option<OwnedFd>,
    pub(super) memory: Option<OwnedFd>,
    pub(super) pids: Option<OwnedFd>,
}

/// Makes the cgroups and sets the limits. The v2 one is given to `owner`.
pub(super) fn make(groups: &[Group], limits: &Limits, owner: Option<u32>) -> Done<Held> {
    let mut held = Held::default();
    for Group { control, path } in groups {
        fs::create_dir(path).map_err(trying(path.display()))?;
        for (file, value, needed) in settings(*control, limits) {
            let place = path.join(file);
            match fs::write(&place, &value) {
                Err(error) if needed && place.exists() => {
                    return Err(format!("{} = {value}: {error}", place.display()));
                }
                _ => {}
            }
        }
        if let (Control::Unified, Some(owner)) = (control, owner) {
            for file in [
                "",
                "cgroup.procs",
                "cgroup.threads",
                "cgroup.subtree_control",
            ] {
                sys::chown(path.join(file), owner)?;
            }
        }
        let open = |file: &str| File::open(path.join(file)).ok().map(OwnedFd::from);
        match control {
            Control::Memory => held.memory = open("memory.oom_control"),
            Control::Pids => held.pids = open("pids.events"),
            Control::Cpu | Control::Freezer => {}
            Control::Unified => {
                held.own = open(".");
                held.memory = held.memory.or_else(|| open("memory.events"));
                held.pids = held.pids.or_else(|| open("pids.events"));
            }
        }
    }
    Ok(held)
}

/// Puts this process, and so all it will start, into those of v1: one thread
/// moving itself, for which, unlike a whole process, the kernel need not stop the
/// world. Into v2 one is born.
pub(super) fn enter(groups: &[Group]) -> Done {
    for Group { control, path } in groups {
        if *control != Control::Unified {
            fs::write(path.join("tasks"), "0").map_err(trying(path.display()))?;
        }
    }
    Ok(())
}

/// Files to write, and whether a limit fails with them.
fn settings(control: Control, limits: &Limits) -> Vec<(&'static str, String, bool)> {
    let memory = limits.memory_bytes.to_string();
    let sockets = (limits.memory_bytes / 4).to_string();
    let quota = (f64::from(limits.cpus) * PERIOD as f64) as u64;
    let pids = limits.pids.to_string();
    match control {
        Control::Memory => vec![
            ("memory.limit_in_bytes", memory.clone(), true),
            // Memory and swap together: no swap beyond the limit. Absent without swap accounting.
            ("memory.memsw.limit_in_bytes", memory, false),
            // Buffers of TCP are counted apart here, and all of the host shares
            // their bound: a few thousand unread connections would use it up.
            ("memory.kmem.tcp.limit_in_bytes", sockets, false),
        ],
        Control::Cpu => vec![
            ("cpu.cfs_period_us", PERIOD.to_string(), true),
            ("cpu.cfs_quota_us", quota.to_string(), true),
        ],
        Control::Pids => vec![("pids.max", pids, true)],
        Control::Freezer => Vec::new(),
        Control::Unified => vec![
            ("memory.max", memory, true),
            ("memory.swap.max", "0".to_owned(), false),
            ("cpu.max", format!("{quota} {PERIOD}"), true),
            ("pids.max", pids, true),
        ],
    }
}

/// Ends every process in the cgroups.
pub(crate) fn kill(groups: &[Group]) {
    for Group { path, .. } in groups {
        if fs::write(path.join("cgroup.kill"), "1").is_ok() {
            return;
        }
    }
    // What stands still by v1 ends only when it goes on.
    crate::checkpoint::thaw(groups);
    for pid in groups.iter().flat_map(|group| members(&group.path)) {
        sys::kill(pid);
    }
}

fn members(path: &Path) -> Vec<i32> {
    let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Removes the cgroups with all below them; true once they are gone. They stay
/// while a process in them lives.
pub(crate) fn remove(groups: &[Group]) -> bool {
    groups.iter().all(|group| remove_tree(&group.path))
}

pub(super) fn remove_tree(path: &Path) -> bool {
    if let Ok(entries) = fs::read_dir(path) {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_tree(&entry.path());
            }
        }
    }
    match fs::remove_dir(path) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Processes that were killed in them for want of memory.
pub(crate) fn oom_kills(groups: &[Group]) -> u64 {
    let count = |group: &Group| {
        let file = match group.control {
            Control::Memory => "memory.oom_control",
            Control::Unified => "memory.events",
            Control::Cpu | Control::Pids | Control::Freezer => return 0,
        };
        let text = fs::read_to_string(group.path.join(file)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    };
    groups.iter().map(count).sum()
}

/// What the cgroups count: bytes of memory, milliseconds of processor, processes.
pub(crate) fn usage(groups: &[Group]) -> (Option<u64>, Option<u64>, Option<u64>) {
    let number = |control: Control, file: &str| {
        let group = groups.iter().find(|group| group.control == control)?;
        fs::read_to_string(group.path.join(file))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let unified = groups
        .iter()
        .find(|group| group.control == Control::Unified);
    let cpu = unified.and_then(|group| {
        let text = fs::read_to_string(group.path.join("cpu.stat")).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "))?;
        line.parse::<u64>().ok().map(|us| us / 1000)
    });
    (
        number(Control::Memory, "memory.usage_in_bytes")
            .or_else(|| number(Control::Unified, "memory.current")),
        cpu,
        number(Control::Pids, "pids.current").or_else(|| number(Control::Unified, "pids.current")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
        36 31 0:33 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
    const PURE: &str = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn hierarchies_are_found_on_old_new_and_mixed_hosts() {
        let at = |path: &str| PathBuf::from(path);
        for (text, want) in [
            (
                HYBRID,
                vec![
                    (Control::Cpu, at("/sys/fs/cgroup/cpu,cpuacct")),
                    (Control::Memory, at("/sys/fs/cgroup/memory")),
                    (Control::Unified, at("/sys/fs/cgroup/unified")),
                ],
            ),
            (PURE, vec![(Control::Unified, at("/sys/fs/cgroup"))]),
            (
                "36 31 0:33 / /freezer rw - cgroup cgroup rw,freezer\n",
                vec![(Control::Freezer, at("/freezer"))],
            ),
            ("", vec![]),
            ("no mountinfo at all", vec![]),
        ] {
            assert_eq!(hierarchies(text), want);
        }
    }

    #[test]
    fn the_own_cgroup_is_read_per_hierarchy() {
        let text = "8:pids:/a\n4:memory:/b/c\n1:cpu,cpuacct:/\n0::/user.slice/x\n";
        for (control, path) in [
            (Control::Pids, "/a"),
            (Control::Memory, "/b/c"),
            (Control::Cpu, "/"),
            (Control::Unified, "/user.slice/x"),
        ] {
            assert_eq!(own_path(text, control), path);
        }
        assert_eq!(own_path("", Control::Cpu), "");
    }

    #[test]
    fn limits_become_the_values_the_kernel_reads() {
        let limits = Limits {
            memory_bytes: 1 << 20,
            cpus: 1.5,
            pids: 7,
            disk_bytes: 0,
        };
        let value = |control, file| {
            let found = settings(control, &limits)
                .into_iter()
                .find(|(name, ..)| *name == file);
            found.map(|(_, value, _)| value)
        };
        for (control, file, want) in [
            (Control::Memory, "memory.limit_in_bytes", "1048576"),
            (Control::Cpu, "cpu.cfs_quota_us", "150000"),
            (Control::Pids, "pids.max", "7"),
            (Control::Unified, "cpu.max", "150000 100000"),
            (Control::Unified, "memory.max", "1048576"),
        ] {
            assert_eq!(value(control, file).as_deref(), Some(want), "{file}");
        }
    }
}
