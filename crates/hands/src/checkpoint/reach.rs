//! Reaching the layers of a sandbox from the host.
//!
//! A disk of its own is mounted nowhere once the sandbox runs; its guest holds the
//! folder for output open, and beside that folder are the layers. That way leads
//! there after a restart of the server too.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, Mode, OFlags, ResolveFlags};

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
    /// The sandbox's first process and when it started.
    pub(super) life: Option<(i32, u64)>,
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// Inode of the root of an ext4.
const ROOT: u64 = 2;
const EXT4: u64 = 0xEF53;
const TMPFS: u64 = 0x0102_1994;
/// Major number of loop devices.
const LOOP: u32 = 7;

impl Reach {
    /// Finds the layers of a sandbox that runs.
    ///
    /// # Errors
    /// [`Error::Lost`] if it ended, [`Error::Refused`] if they cannot be found.
    pub(super) fn find(folder: &Path, state: &State) -> Result<Self, Error> {
        let found = layers(folder, state);
        let reach = Self {
            layers: Vec::new(),
            shift: state.uid,
            life: Some((state.pid, state.pid_started)),
        };
        // Looked at afterwards: what was found belongs to this very process.
        reach.alive()?;
        let out_of_reach =
            |error: io::Error| Error::Refused(format!("its files are out of reach: {error}"));
        Ok(Self {
            layers: found.map_err(out_of_reach)?,
            ..reach
        })
    }

    /// The sandbox still lives.
    ///
    /// # Errors
    /// [`Error::Lost`] if not.
    pub(super) fn alive(&self) -> Result<(), Error> {
        match self.life {
            Some((pid, since)) if started(pid) != Some(since) => {
                Err(Error::Lost("it ended".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

fn layers(folder: &Path, state: &State) -> io::Result<Vec<(Place, OwnedFd)>> {
    // A plain process has no network of its own, and no layers.
    if state.network.is_none() {
        let workspace = fs::open(folder.join("workspace"), FOLDER, Mode::empty())?;
        return Ok(vec![(Place::Workspace, workspace)]);
    }
    let disk = disk(folder, state)?;
    let layer = |place| Ok::<_, io::Error>((place, open_at(disk.as_fd(), name(place), FOLDER)?));
    let mut layers = vec![layer(Place::Root)?];
    if state.uid.is_some() {
        layers.push(layer(Place::Usr)?);
        layers.push((Place::Tmp, memory(state.pid)?));
    }
    Ok(layers)
}

/// The `/tmp` of a sandbox, a mount of its own in there.
pub(super) fn memory(pid: i32) -> io::Result<OwnedFd> {
    let root = fs::open(format!("/proc/{pid}/root"), FOLDER, Mode::empty())?;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let tmp = fs::openat2(&root, c"tmp", FOLDER, Mode::empty(), within)?;
    if fs::fstatfs(&tmp)?.f_type as u64 == TMPFS {
        Ok(tmp)
    } else {
        Err(io::Error::other("/tmp is not what it was"))
    }
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
