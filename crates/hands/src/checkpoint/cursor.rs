//! Going from folder to folder of a layer without ever following a link.
//!
//! One descriptor is open, however deep the tree. Each step is to a name in the
//! folder or to the folder above, and with inodes known from before it is checked
//! that the step led where it should: what is read belongs to a sandbox, whose
//! programs may not stand still.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, Mode, OFlags, ResolveFlags};

use super::manifest::Folder;

/// A place in a layer.
#[derive(Debug)]
pub(super) struct Cursor {
    at: u32,
    fd: OwnedFd,
    device: u64,
}

/// Opens what has that name in a folder, if it is no link and on the same disk.
pub(super) fn open_at(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let within = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_XDEV
        | ResolveFlags::NO_MAGICLINKS;
    Ok(fs::openat2(dir, name, flags, Mode::empty(), within)?)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

impl Cursor {
    /// At the layer itself.
    pub(super) fn new(layer: BorrowedFd<'_>) -> io::Result<Self> {
        let fd = fs::openat(layer, c".", FOLDER | OFlags::CLOEXEC, Mode::empty())?;
        let device = fs::fstat(&fd)?.st_dev;
        Ok(Self { at: 0, fd, device })
    }

    /// Goes to the folder of that number. `inodes` are those of all folders, where
    /// they can have changed meanwhile.
    pub(super) fn go(
        &mut self,
        folders: &[Folder],
        inodes: Option<&[u64]>,
        to: u32,
    ) -> io::Result<BorrowedFd<'_>> {
        let folder = |n: u32| folders.get(n as usize).ok_or(io::ErrorKind::NotFound);
        let (mut from, mut below, mut way) = (self.at, to, Vec::new());
        // A folder has a greater number than the one it is in.
        while from != below {
            if below > from {
                way.push(below);
                below = folder(below)?.parent;
            } else {
                from = folder(from)?.parent;
                let above = fs::openat(&self.fd, c"..", FOLDER | OFlags::CLOEXEC, Mode::empty())?;
                self.step(above, inodes, from)?;
            }
        }
        for next in way.into_iter().rev() {
            let below = open_at(self.fd.as_fd(), &folder(next)?.name, FOLDER)?;
            self.step(below, inodes, next)?;
        }
        Ok(self.fd.as_fd())
    }

    fn step(&mut self, fd: OwnedFd, inodes: Option<&[u64]>, to: u32) -> io::Result<()> {
        if let Some(inodes) = inodes {
            let stat = fs::fstat(&fd)?;
            if stat.st_dev != self.device || inodes.get(to as usize) != Some(&stat.st_ino) {
                return Err(io::Error::other("a folder was moved while it was read"));
            }
        }
        (self.fd, self.at) = (fd, to);
        Ok(())
    }
}
