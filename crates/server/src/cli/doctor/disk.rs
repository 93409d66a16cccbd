//! The data folder: whether it can be written, how long a durable write takes,
//! how much room there is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Check;

/// Durable writes that are timed.
const WRITES: usize = 9;
/// What a durable write should take at most.
const SLOW: Duration = Duration::from_millis(20);
/// Bytes that should be free.
const ROOM: u64 = 1 << 30;

pub(super) fn look(data: &Path) -> Vec<Check> {
    let folder = existing(data);
    let mut checks = match timed(&folder) {
        Ok(median) => vec![
            Check::ok("data folder", place(data, &folder)),
            durable(median),
        ],
        Err(error) => vec![Check::missing(
            "data folder",
            format!("{} cannot be written: {error}", folder.display()),
            "give a folder of yours with --data",
        )],
    };
    checks.extend(room(&folder));
    checks
}

/// The folder, or the nearest one above it that is there.
fn existing(data: &Path) -> PathBuf {
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let found = absolute.ancestors().find(|folder| folder.is_dir());
    found.unwrap_or(Path::new("/")).to_owned()
}

fn place(data: &Path, folder: &Path) -> String {
    if data.is_dir() {
        return format!("{}, writable", data.display());
    }
    let tried = format!("tried in {}", folder.display());
    format!("{}, made at the first start ({tried})", data.display())
}

fn timed(folder: &Path) -> io::Result<Duration> {
    let path = folder.join(format!(".oc-doctor-{}", std::process::id()));
    let mut file = File::create(&path)?;
    let written = (0..WRITES).map(|_| {
        let begin = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        Ok(begin.elapsed())
    });
    let written: io::Result<Vec<Duration>> = written.collect();
    fs::remove_file(&path)?;
    let mut times = written?;
    times.sort();
    Ok(times[WRITES / 2])
}

fn durable(median: Duration) -> Check {
    let found = format!(
        "a durable write takes {:.1} ms",
        median.as_secs_f64() * 1000.0
    );
    if median < SLOW {
        Check::ok("disk", found)
    } else {
        Check::weaker(
            "disk",
            found,
            "every step of a session waits for one: use a faster disk for --data",
        )
    }
}

fn room(folder: &Path) -> Option<Check> {
    let stat = nix::sys::statvfs::statvfs(folder).ok()?;
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    let found = format!("{} MiB free", free >> 20);
    Some(if free >= ROOM {
        Check::ok("room", found)
    } else {
        Check::weaker("room", found, "free some: sandboxes and logs need it")
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_is_tried_above() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("not/yet");
        assert_eq!(existing(&data), folder.path());
        let checks = look(&data);
        assert!(
            checks[0].state == State::Ok && checks[0].found.contains("first start"),
            "{checks:?}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_missing() {
        // Nobody writes to /proc, not even root.
        assert_eq!(look(Path::new("/proc/oc-data"))[0].state, State::Missing);
    }

    #[test]
    fn a_slow_disk_is_weaker() {
        assert_eq!(durable(Duration::from_millis(1)).state, State::Ok);
        assert_eq!(durable(Duration::from_millis(50)).state, State::Weaker);
    }
}
