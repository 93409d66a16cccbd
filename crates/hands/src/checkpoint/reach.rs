//! Reaching the layers of a sandbox from the host.
//!
//! A disk of its own is mounted nowhere once the sandbox runs; its guest holds the
//! folder for output open, and beside that folder are the layers. That way leads
//! there after a restart of the server too.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, Mode, OFlags};

use super::cursor::open_at;
use super::manifest::Place;
use crate::container::spec::{State, started};
use crate::error::Error;

/// The layers of one sandbox.
#[derive(Debug)]
pub(super) struct Reach {
    /// Each layer as a folder.
    pub(super) layers: Vec<(Place, OwnedFd)>,
    /// First of the host uids of the sandbox; without it all belongs to one user.
    pub(super) shift: Option<u32>,
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// Inode of the root of an ext4.
const ROOT: u64 = 2;
const EXT4: u64 = 0xEF53;
/// Major number of loop devices.
const LOOP: u32 = 7;

impl Reach {
    /// Finds the layers of a sandbox that runs.
    ///
    /// # Errors
    /// [`Error::Lost`] if it ended, [`Error::Refused`] if they cannot be found.
    pub(super) fn find(folder: &Path, state: &State) -> Result<Self, Error> {
        let refused =
            |error: io::Error| Error::Refused(format!("its files are not in reach: {error}"));
        if state.network.is_none() {
            let path = folder.join("workspace");
            let workspace =
                fs::open(&path, FOLDER, Mode::empty()).map_err(|e| refused(e.into()))?;
            return Ok(Self {
                layers: vec![(Place::Workspace, workspace)],
                shift: None,
            });
        }
        let disk = disk(folder, state).map_err(refused)?;
        if started(state.pid) != Some(state.pid_started) {
            return Err(Error::Lost("it ended".to_owned()));
        }
        let layers = layers(disk.as_fd(), state.uid).map_err(refused)?;
        Ok(Self {
            layers,
            shift: state.uid,
        })
    }
}

/// The layers on a disk.
fn layers(disk: BorrowedFd<'_>, uid: Option<u32>) -> io::Result<Vec<(Place, OwnedFd)>> {
    let places = if uid.is_some() {
        &[Place::Root, Place::Usr][..]
    } else {
        &[Place::Root]
    };
    places
        .iter()
        .map(|place| Ok((*place, open_at(disk, name(*place), FOLDER)?)))
        .collect()
}

/// A layer's folder on the disk, as the launcher names it.
pub(super) fn name(place: Place) -> &'static [u8] {
    match place {
        Place::Root => b"root",
        Place::Usr => b"usr",
        Place::Workspace => b"workspace",
        Place::Tmp => b"tmp",
    }
}

fn disk(folder: &Path, state: &State) -> io::Result<OwnedFd> {
    if !state.own_disk {
        return Ok(fs::open(folder.join("disk"), FOLDER, Mode::empty())?);
    }
    for entry in std::fs::read_dir(format!("/proc/{}/fd", state.pid))? {
        let held = fs::open(entry?.path(), FOLDER, Mode::empty());
        if let Ok(held) = held
            && on_own_disk(held.as_fd())?
        {
            let disk = fs::openat(&held, c"..", FOLDER, Mode::empty())?;
            if fs::fstat(&disk)?.st_ino == ROOT {
                return Ok(disk);
            }
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Nothing a program inside can open is: it sees its disk through an overlay.
fn on_own_disk(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let device = fs::fstat(fd)?.st_dev;
    Ok(fs::major(device) == LOOP && fs::fstatfs(fd)?.f_type as u64 == EXT4)
}

/// Bytes written to a sandbox's own disk so far: what is in use, or, if that is
/// more, what reached the disk, which counts what was written over.
pub(super) fn written(folder: &Path, state: &State) -> io::Result<u64> {
    let disk = disk(folder, state)?;
    let space = fs::fstatvfs(&disk)?;
    let used = (space.f_blocks - space.f_bfree) * space.f_frsize;
    let device = fs::fstat(&disk)?.st_dev;
    let (major, minor) = (fs::major(device), fs::minor(device));
    let counters = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"))?;
    let sectors = counters
        .split_whitespace()
        .nth(6)
        .and_then(|n| n.parse::<u64>().ok());
    Ok(used.max(sectors.unwrap_or(0) * 512))
}
