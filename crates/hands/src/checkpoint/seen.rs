//! What the files of one sandbox were at its last checkpoint, as only its own disk
//! can tell: inodes and the times the kernel alone sets. It lies in the sandbox's
//! folder and goes with it.
//!
//! A file is the same as before if inode, length, time of content and time of
//! any change are. Three kinds are never trusted, and read again: files that
//! changed so shortly before the sandbox went on that a second change could bear
//! the same time; files somebody could write to at the checkpoint, for what is
//! written through a mapping that is dirty already changes no time; and those
//! whose way there failed.

use std::io;
use std::path::Path;

use rustix::fs::Stat;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// How coarse the times of files may be, nanoseconds: a tick of the slowest clock
/// and some.
const TICK: i128 = 20_000_000;

/// A file at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Stamp {
    inode: u64,
    secs: i64,
    nanos: u32,
}

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino,
            secs: stat.st_ctime,
            nanos: stat.st_ctime_nsec as u32,
        }
    }

    /// A file that is not the same whatever it looks like.
    pub(super) const NEVER: Self = Self {
        inode: 0,
        secs: 0,
        nanos: 0,
    };
}

/// The stamps of all things of a checkpoint, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Which checkpoint's.
    pub(super) manifest: String,
    /// Which one that was built upon: should nobody have kept the newer one, the next
    /// is built upon this again. Empty if upon none.
    pub(super) base: String,
    /// By layer, folder and thing.
    pub(super) stamps: Vec<Vec<Vec<Stamp>>>,
    /// No change after this moment bears a time before it: nanoseconds since the epoch.
    since: i128,
}

impl Seen {
    const FILE: &str = "files.seen";

    /// Before anything is looked at.
    pub(super) fn now() -> Self {
        Self::default().until_now()
    }

    /// The same, if nothing could change until now.
    pub(super) fn until_now(self) -> Self {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        Self {
            since: nanos(now.tv_sec, now.tv_nsec as u32),
            ..self
        }
    }

    /// Those of the last checkpoint of this sandbox, if it had one.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let bytes = std::fs::read(folder.join(Self::FILE)).ok()?;
        postcard::from_bytes(&bytes).ok()
    }

    /// The newest checkpoint that this sandbox was filled from or kept as, and that is
    /// one of these.
    pub(super) fn newest_of(&self, kept: &[&str]) -> Option<&str> {
        let mut own = [&*self.manifest, &*self.base].into_iter();
        own.find(|name| kept.contains(name))
    }

    /// Leaves them for the next checkpoint.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let beside = folder.join("files.seen.new");
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        std::fs::write(&beside, bytes)?;
        std::fs::rename(beside, folder.join(Self::FILE))
    }

    /// The stamps of a folder's things.
    pub(super) fn of(&self, layer: usize, folder: usize) -> &[Stamp] {
        let layer = self
            .stamps
            .get(layer)
            .map(Vec::as_slice)
            .unwrap_or_default();
        layer.get(folder).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a file that has this stamp now and had that one then is the same.
    pub(super) fn same(&self, now: Stamp, then: Stamp) -> bool {
        now == then && then != Stamp::NEVER && nanos(now.secs, now.nanos) < self.since - TICK
    }
}

fn nanos(secs: i64, nanos: u32) -> i128 {
    i128::from(secs) * 1_000_000_000 + i128::from(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_sandbox_was_is_built_upon() {
        let seen = Seen {
            manifest: "new".to_owned(),
            base: "old".to_owned(),
            ..Seen::default()
        };
        for (kept, newest) in [
            (&["other", "new", "old"][..], Some("new")),
            (&["other", "old"], Some("old")),
            (&["other"], None),
            (&[], None),
        ] {
            assert_eq!(seen.newest_of(kept), newest, "{kept:?}");
        }
    }

    #[test]
    fn a_file_changed_shortly_before_is_not_trusted() {
        let stamp = |secs| Stamp {
            inode: 7,
            secs,
            nanos: 0,
        };
        let seen = Seen {
            since: nanos(100, 10_000_000),
            ..Seen::default()
        };
        for (now, then, same) in [
            (stamp(99), stamp(99), true),
            (stamp(100), stamp(100), false),
            (stamp(99), stamp(98), false),
            (Stamp::NEVER, Stamp::NEVER, false),
        ] {
            assert_eq!(seen.same(now, then), same, "{now:?} {then:?}");
        }
    }
}
