//! A sandbox that stands still, for as long as its files are read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::container::cgroup::{Control, Group};
use crate::error::Error;

/// For every program in a sandbox to stop.
const STOP: Duration = Duration::from_secs(5);

/// The sandbox stands still until this is dropped. Where the host has no way to
/// stop it, it does not.
#[derive(Debug)]
pub(super) struct Frozen {
    group: Option<Group>,
}

impl Frozen {
    /// Stops everything in the sandbox.
    ///
    /// # Errors
    /// [`Error::Deadline`] if something does not stop; then all runs on.
    pub(super) async fn freeze(groups: &[Group]) -> Result<Self, Error> {
        let Some(group) = groups.iter().find(|group| file(group).exists()) else {
            return Ok(Self { group: None });
        };
        let frozen = Self {
            group: Some(group.clone()),
        };
        let (_, stop, _) = words(group.control);
        fs::write(file(group), stop).map_err(Error::io("stop a sandbox"))?;
        let stopped = timeout(STOP, async {
            while !still(group).map_err(Error::io("see a sandbox stop"))? {
                sleep(Duration::from_millis(1)).await;
            }
            Ok::<(), Error>(())
        });
        stopped
            .await
            .map_err(|_| Error::Deadline("the sandbox does not stand still"))??;
        Ok(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            go_on(group);
        }
    }
}

/// Lets a sandbox go on that somebody else stopped and then was no more.
pub(crate) fn thaw(groups: &[Group]) {
    for group in groups.iter().filter(|group| file(group).exists()) {
        go_on(group);
    }
}

fn go_on(group: &Group) {
    let (_, _, go) = words(group.control);
    match fs::write(file(group), go) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::error!(%error, "a stopped sandbox does not go on");
        }
        // It has ended meanwhile.
        _ => {}
    }
}

/// The file that stops, and the words for it.
fn words(control: Control) -> (&'static str, &'static str, &'static str) {
    match control {
        Control::Unified => ("cgroup.freeze", "1", "0"),
        _ => ("freezer.state", "FROZEN", "THAWED"),
    }
}

fn file(group: &Group) -> PathBuf {
    group.path.join(words(group.control).0)
}

fn still(group: &Group) -> io::Result<bool> {
    let read = |path: &Path| fs::read_to_string(path);
    Ok(match group.control {
        Control::Unified => read(&group.path.join("cgroup.events"))?
            .lines()
            .any(|line| line == "frozen 1"),
        _ => read(&file(group))?.trim() == "FROZEN",
    })
}
