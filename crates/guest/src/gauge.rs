//! Which limits were met, read from the kernel's own counters.
//!
//! The launcher opened the counters before the sandbox was closed off; nothing
//! inside can reach them but by these descriptors.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use crate::boot::Boot;
use crate::exec::Exhausted;
use crate::sys;

/// Bytes left under which a disk counts as full: less than one small file.
const FULL: u64 = 64 * 1024;

/// The counters of this sandbox.
#[derive(Debug)]
pub struct Gauge {
    memory: Option<std::fs::File>,
    pids: Option<std::fs::File>,
    disk: Option<OwnedFd>,
    memory_limit: u64,
    pids_limit: u64,
    disk_limit: Option<u64>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    oom_kills: u64,
    refused_forks: u64,
}

impl Gauge {
    /// Takes over the counters named in `boot`. The spool shares the disk.
    #[must_use]
    pub fn new(boot: &Boot) -> Self {
        let own = |fd: i32| sys::inherited_owned(fd);
        let spool = boot.spool_fd.map(sys::inherited);
        Self {
            memory: boot.memory_fd.map(|fd| own(fd).into()),
            pids: boot.pids_fd.map(|fd| own(fd).into()),
            disk: spool.and_then(|fd| fd.try_clone_to_owned().ok()),
            memory_limit: boot.memory_bytes,
            pids_limit: boot.pids,
            disk_limit: boot.disk_bytes,
        }
    }

    /// The counters now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let count = |file: &Option<std::fs::File>, name: &str| {
            file.as_ref()
                .and_then(|file| counter(&text(file), name))
                .unwrap_or(0)
        };
        Reading {
            oom_kills: count(&self.memory, "oom_kill"),
            refused_forks: count(&self.pids, "max"),
        }
    }

    /// What was met since `before`; a full disk counts whoever filled it.
    #[must_use]
    pub fn met_since(&self, before: Reading) -> Vec<Exhausted> {
        let now = self.read();
        let mut met = Vec::new();
        if now.oom_kills > before.oom_kills {
            met.push(Exhausted::Memory {
                limit: self.memory_limit,
            });
        }
        if now.refused_forks > before.refused_forks {
            met.push(Exhausted::Pids {
                limit: self.pids_limit,
            });
        }
        if let Some(limit) = self.disk_limit
            && self.disk_free().is_some_and(|free| free < FULL)
        {
            met.push(Exhausted::Disk { limit });
        }
        met
    }

    fn disk_free(&self) -> Option<u64> {
        sys::disk(self.disk.as_ref()?.as_fd())
            .ok()
            .map(|(free, _)| free)
    }

    /// Bytes written to the sandbox's disk; 0 where it has none of its own.
    #[must_use]
    pub fn disk_used(&self) -> u64 {
        let Some(disk) = self.disk.as_ref().filter(|_| self.disk_limit.is_some()) else {
            return 0;
        };
        sys::disk(disk.as_fd()).map_or(0, |(free, all)| all.saturating_sub(free))
    }
}

fn text(file: &std::fs::File) -> String {
    let mut buf = [0u8; 512];
    let len = file.read_at(&mut buf, 0).unwrap_or(0);
    String::from_utf8_lossy(buf.get(..len).unwrap_or_default()).into_owned()
}

fn counter(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        if key == name {
            value.trim().parse().ok()
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::counter;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let v2 = "low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\noom_group_kill 0\n";
        for (text, name, count) in [
            (v1, "oom_kill", Some(3)),
            (v2, "oom_kill", Some(2)),
            (v2, "max", Some(12)),
            ("max 1\n", "max", Some(1)),
            ("", "max", None),
            (v1, "max", None),
        ] {
            assert_eq!(counter(text, name), count, "{name} in {text:?}");
        }
    }
}
