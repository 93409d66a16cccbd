//! Disks of sandboxes: a few made in advance, the others when they are needed.
//!
//! A disk that no sandbox has taken yet is mounted nowhere and held by a
//! descriptor of this process: if that ends, the disk is gone and only its file
//! is left, which the next one removes.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::container::disk;
use crate::error::Error;

/// Disks kept ready.
const READY: usize = 4;

/// Makes disks below one folder.
#[derive(Debug)]
pub(crate) struct Disks {
    dir: PathBuf,
    usual: u64,
    ready: Mutex<Vec<(PathBuf, OwnedFd)>>,
    number: AtomicU64,
}

impl Disks {
    /// `None`, with a warning, where this machine cannot make any.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub(crate) fn open(dir: &Path, usual: u64) -> Result<Option<Self>, Error> {
        let ready = dir.join("disks");
        if ready.exists() {
            fs::remove_dir_all(&ready).map_err(Error::io("remove the disks of before"))?;
        }
        fs::create_dir(&ready).map_err(Error::io("make the folder of disks"))?;
        let number = AtomicU64::new(0);
        let disks = Self {
            dir: dir.to_owned(),
            usual,
            ready: Mutex::default(),
            number,
        };
        // Once for real: the tool may be there and loop devices not.
        match disks.spare() {
            Ok(spare) => {
                disks.ready().push(spare);
                Ok(Some(disks))
            }
            Err(error) => {
                tracing::warn!(%error, "the disk of sandboxes has no limit of its own");
                Ok(None)
            }
        }
    }

    fn ready(&self) -> MutexGuard<'_, Vec<(PathBuf, OwnedFd)>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spare(&self) -> Result<(PathBuf, OwnedFd), Error> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let image = self.dir.join("disks").join(format!("{number}.ext4"));
        let mount = made(&self.dir, &image, self.usual)?;
        Ok((image, mount))
    }

    /// A disk of that size, its file in `folder`.
    pub(crate) async fn take(&self, folder: &Path, bytes: u64) -> Result<OwnedFd, Error> {
        let place = folder.join("disk.ext4");
        if bytes == self.usual
            && let Some((image, mount)) = { self.ready().pop() }
        {
            fs::rename(image, place).map_err(Error::io("take a disk"))?;
            return Ok(mount);
        }
        let dir = self.dir.clone();
        blocking(move || made(&dir, &place, bytes)).await
    }

    /// Makes disks until enough are ready.
    pub(crate) async fn stock(&self) {
        while self.ready().len() < READY {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let image = self.dir.join("disks").join(format!("{number}.ext4"));
            let (dir, place, usual) = (self.dir.clone(), image.clone(), self.usual);
            match blocking(move || made(&dir, &place, usual)).await {
                Ok(mount) => self.ready().push((image, mount)),
                Err(error) => {
                    tracing::warn!(%error, "no disk in advance");
                    return;
                }
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Launch(error.to_string()))?
}

fn made(dir: &Path, image: &Path, bytes: u64) -> Result<OwnedFd, Error> {
    let blank = disk::blank(dir, bytes).map_err(Error::io("make a blank disk"))?;
    disk::make(&blank, image).map_err(Error::Launch)
}
