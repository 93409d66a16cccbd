//! Cgroups of sandboxes that ended when no server was there to remove them, and
//! whose data folder may be gone as well. Any server of this host removes them.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::cgroup::remove_tree;

/// A younger one may belong to a start that has not got into it yet.
const AGE: Duration = Duration::from_secs(600);

/// Removes those below `home` that are empty and old; says how many.
pub(super) fn sweep(home: &Path, now: SystemTime) -> usize {
    let old = |name: &str| born(name).is_some_and(|born| born + AGE < now);
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(old))
        .filter(|entry| empty(&entry.path()) && remove_tree(&entry.path()))
        .count()
}

/// When a sandbox was asked for, from its id.
fn born(id: &str) -> Option<SystemTime> {
    let (ms, _) = id.strip_prefix("sbx_")?.split_once('_')?;
    let ms = u64::from_str_radix(ms, 16).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_millis(ms))
}

/// Whether no process is in it or below. What cannot be read is not ours to judge.
fn empty(group: &Path) -> bool {
    match fs::read_to_string(group.join("cgroup.events")) {
        Ok(events) => events.lines().any(|line| line == "populated 0"),
        // v1, where a sandbox's cgroup has none below it.
        Err(_) => fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|pids| pids.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn an_id_says_when_its_sandbox_was_asked_for() {
        let second = UNIX_EPOCH + Duration::from_secs(1);
        for (id, when) in [
            ("sbx_3e8_0_faf6", Some(second)),
            ("sbx_x_0_0", None),
            ("other", None),
        ] {
            assert_eq!(born(id), when, "{id}");
        }
    }

    #[test]
    fn a_cgroup_with_a_process_in_it_or_below_is_not_empty() {
        let group = tempfile::tempdir().unwrap();
        assert!(!empty(group.path()), "what cannot be read is left alone");
        for (file, text, want) in [
            ("cgroup.procs", "7\n", false),
            ("cgroup.procs", "", true),
            ("cgroup.events", "populated 1\nfrozen 0\n", false),
            ("cgroup.events", "populated 0\nfrozen 0\n", true),
        ] {
            fs::write(group.path().join(file), text).unwrap();
            assert_eq!(empty(group.path()), want, "{file} {text}");
        }
    }
}
