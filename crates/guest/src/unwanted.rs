//! When a guest ends by itself, and its sandbox with it: nobody can want it any more.
//!
//! A sandbox outlives its server, so that the next one finds it. It must not outlive
//! its folder on the host, without which no server can find it, nor wait for a
//! server for ever.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// How many hosts are connected; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts(Arc<AtomicUsize>);

/// One connected host, until dropped.
#[derive(Debug)]
pub(crate) struct Connected(Hosts);

impl Hosts {
    pub(crate) fn connected(&self) -> Connected {
        self.0.fetch_add(1, Ordering::Relaxed);
        Connected(self.clone())
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends when this guest's log was removed from its folder, or when no host was
/// connected for `alone`.
pub(crate) async fn unwanted(alone: Option<Duration>, hosts: Hosts) {
    let log = log().ok();
    let mut left = Instant::now();
    loop {
        sleep(alone.unwrap_or(LOOK).min(LOOK)).await;
        if hosts.any() {
            left = Instant::now();
        }
        if log.as_ref().is_some_and(removed) || alone.is_some_and(|alone| left.elapsed() >= alone) {
            return;
        }
    }
}

/// What this program writes to is its log, a file in the sandbox's folder on the host.
fn log() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Whether a file has no name any more. Something else than a file never had one.
fn removed(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.nlink() == 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const ALONE: Duration = Duration::from_secs(60);

    /// Lets time pass that only this test has: its clock is stopped.
    async fn wait(time: Duration) {
        sleep(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_waits_for_a_host_only_so_long_and_a_connected_one_counts() {
        let hosts = Hosts::default();
        let host = hosts.connected();
        let since = Instant::now();
        let leave = async {
            wait(ALONE * 3).await;
            drop(host);
        };
        tokio::join!(leave, unwanted(Some(ALONE), hosts.clone()));
        let waited = since.elapsed();
        assert!(
            waited >= ALONE * 4 - LOOK && waited <= ALONE * 4 + LOOK * 2,
            "{waited:?}"
        );
    }

    #[test]
    fn a_removed_file_is_told_from_one_that_only_moved() {
        let dir = tempfile::tempdir().unwrap();
        let (here, there) = (dir.path().join("here"), dir.path().join("there"));
        let file = File::create(&here).unwrap();
        std::fs::rename(&here, &there).unwrap();
        assert!(!removed(&file));
        std::fs::remove_file(&there).unwrap();
        assert!(removed(&file));
        assert!(!removed(&File::open("/dev/null").unwrap()));
    }
}
