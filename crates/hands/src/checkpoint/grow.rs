//! Writing the tree of a checkpoint into empty layers: first all that has no
//! content, then files as their packs come, last what would change by that.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    self, AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags,
};

use super::cursor::{Cursor, open_at};
use super::manifest::{Chunk, Folder, Kind, Layer, Manifest, Meta, Part, Place, Thing};
use super::restore::Spot;
use super::seen::{Seen, Stamp};
use super::walk::OPAQUE;

/// Layers that are being filled.
#[derive(Debug)]
pub(super) struct Grow {
    pub(super) manifest: Arc<Manifest>,
    /// Where they are, by their numbers in the manifest.
    pub(super) layers: Vec<(usize, OwnedFd)>,
    pub(super) shift: Option<u32>,
}

impl Grow {
    /// Each layer with its number.
    pub(super) fn layers(&self) -> impl Iterator<Item = (usize, &Layer, BorrowedFd<'_>)> {
        self.layers.iter().filter_map(|(number, fd)| {
            let layer = self.manifest.layers.get(*number)?;
            Some((*number, layer, fd.as_fd()))
        })
    }

    /// Makes everything that is not the content of a single pack.
    pub(super) fn skeleton(&self) -> io::Result<()> {
        for (_, layer, fd) in self.layers() {
            let mut cursor = Cursor::new(fd)?;
            for (number, folder) in (0u32..).zip(&layer.folders) {
                if number > 0 {
                    let above = cursor.go(&layer.folders, None, folder.parent)?;
                    fs::mkdirat(above, &folder.name[..], Mode::RWXU)?;
                }
                let dir = cursor.go(&layer.folders, None, number)?;
                for thing in &folder.things {
                    self.thing(dir, thing)?;
                }
            }
        }
        Ok(())
    }

    fn thing(&self, dir: BorrowedFd<'_>, thing: &Thing) -> io::Result<()> {
        let name = &thing.name[..];
        match &thing.kind {
            Kind::File { size, parts } if self.only_pack(parts).is_none() => {
                let file = create(dir, name)?;
                fs::ftruncate(&file, *size)?;
                if parts.is_empty() {
                    self.dress(file.as_fd(), &thing.meta)?;
                }
                Ok(())
            }
            Kind::File { .. } | Kind::Same { .. } => Ok(()),
            Kind::Link(target) => {
                fs::symlinkat(&target[..], dir, name)?;
                self.own(dir, thing)
            }
            Kind::Pipe => {
                fs::mknodat(dir, name, FileType::Fifo, Mode::RUSR, 0)?;
                let mode = Mode::from_raw_mode(thing.meta.mode.into());
                self.own(dir, thing)?;
                fs::chmodat(dir, name, mode, AtFlags::empty())?;
                Ok(())
            }
            Kind::Gone => Ok(fs::mknodat(
                dir,
                name,
                FileType::CharacterDevice,
                Mode::empty(),
                0,
            )?),
        }
    }

    /// The pack that has all of a file's content.
    fn only_pack(&self, parts: &[Part]) -> Option<u32> {
        let mut packs = parts
            .iter()
            .filter_map(|part| self.chunk(part))
            .map(|chunk| chunk.pack);
        let first = packs.next()?;
        packs.all(|pack| pack == first).then_some(first)
    }

    fn chunk(&self, part: &Part) -> Option<&Chunk> {
        self.manifest.chunks.get(part.chunk as usize)
    }

    /// Writes what that pack has for these files.
    pub(super) fn write(&self, pack: u32, raw: &[u8], spots: &[Spot]) -> io::Result<()> {
        for (number, layer, fd) in self.layers() {
            let mut cursor = Cursor::new(fd)?;
            for spot in spots.iter().filter(|spot| spot.layer == number) {
                let dir = cursor.go(&layer.folders, None, spot.folder)?;
                let folder = layer.folders.get(spot.folder as usize);
                let thing = folder.and_then(|folder| folder.things.get(spot.thing as usize));
                if let Some(thing) = thing {
                    self.content(dir, thing, pack, raw)?;
                }
            }
        }
        Ok(())
    }

    fn content(&self, dir: BorrowedFd<'_>, thing: &Thing, pack: u32, raw: &[u8]) -> io::Result<()> {
        let Kind::File { size, parts } = &thing.kind else {
            return Ok(());
        };
        let whole = self.only_pack(parts).is_some();
        let file = if whole {
            create(dir, &thing.name)?
        } else {
            open_at(dir, &thing.name, OFlags::WRONLY)?
        };
        let mut at = 0;
        for part in parts {
            let Some(chunk) = self.chunk(part) else {
                continue;
            };
            at += part.hole;
            if chunk.pack == pack {
                let bytes = raw
                    .get(chunk.at as usize..)
                    .and_then(|raw| raw.get(..chunk.len as usize));
                write_all(file.as_fd(), bytes.unwrap_or_default(), at)?;
            }
            at += u64::from(chunk.len);
        }
        if whole {
            if at < *size {
                fs::ftruncate(&file, *size)?;
            }
            self.dress(file.as_fd(), &thing.meta)?;
        }
        Ok(())
    }

    /// Everything is there: other names, and what writing would have changed.
    pub(super) fn finish(&self) -> io::Result<Seen> {
        for (_, layer, fd) in self.layers() {
            let (mut cursor, mut other) = (Cursor::new(fd)?, Cursor::new(fd)?);
            for (number, folder) in (0u32..).zip(&layer.folders) {
                for thing in &folder.things {
                    let parted = matches!(&thing.kind, Kind::File { parts, .. }
                        if !parts.is_empty() && self.only_pack(parts).is_none());
                    if parted {
                        let dir = cursor.go(&layer.folders, None, number)?;
                        let file = open_at(dir, &thing.name, OFlags::WRONLY)?;
                        self.dress(file.as_fd(), &thing.meta)?;
                    }
                    if let Kind::Same {
                        folder,
                        thing: first,
                    } = &thing.kind
                    {
                        let there = layer.folders.get(*folder as usize);
                        let Some(first) = there.and_then(|f| f.things.get(*first as usize)) else {
                            continue;
                        };
                        let from = other.go(&layer.folders, None, *folder)?;
                        let to = cursor.go(&layer.folders, None, number)?;
                        fs::linkat(from, &first.name[..], to, &thing.name[..], AtFlags::empty())?;
                    }
                }
            }
        }
        let seen = self.seen()?;
        for (_, layer, fd) in self.layers() {
            self.folders(layer, fd)?;
        }
        Ok(seen)
    }

    /// The stamps of all that is there now.
    fn seen(&self) -> io::Result<Seen> {
        let mut seen = Seen::default();
        seen.stamps
            .resize_with(self.manifest.layers.len(), Vec::new);
        for (number, layer, fd) in self.layers() {
            let mut cursor = Cursor::new(fd)?;
            let mut stamps = Vec::with_capacity(layer.folders.len());
            for (number, folder) in (0u32..).zip(&layer.folders) {
                let dir = cursor.go(&layer.folders, None, number)?;
                let stamp = |name: &[u8]| {
                    let stat = fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    Ok::<_, io::Error>(Stamp::of(&stat))
                };
                let names = folder.things.iter().map(|thing| stamp(&thing.name));
                stamps.push(names.collect::<io::Result<Vec<_>>>()?);
            }
            if let Some(place) = seen.stamps.get_mut(number) {
                *place = stamps;
            }
        }
        Ok(seen.until_now())
    }

    /// Folders get their own modes and times, from the innermost on: none is
    /// entered after that.
    fn folders(&self, layer: &Layer, fd: BorrowedFd<'_>) -> io::Result<()> {
        let mut cursor = Cursor::new(fd)?;
        for (number, folder) in layer.folders.iter().enumerate().rev() {
            let dir = cursor.go(&layer.folders, None, number as u32)?;
            let dir = dir.try_clone_to_owned()?;
            cursor.go(&layer.folders, None, folder.parent)?;
            if number == 0 && layer.place == Place::Tmp {
                // The mount itself is the sandbox's own.
                continue;
            }
            self.opaque(dir.as_fd(), folder)?;
            self.dress(dir.as_fd(), &folder.meta)?;
        }
        Ok(())
    }

    fn opaque(&self, dir: BorrowedFd<'_>, folder: &Folder) -> io::Result<()> {
        let [trusted, user] = OPAQUE;
        let name = if self.shift.is_some() { trusted } else { user };
        if folder.opaque {
            fs::fsetxattr(dir, name, b"y", XattrFlags::empty())?;
        }
        Ok(())
    }

    /// Owner first: a change of owner takes special modes away.
    fn dress(&self, fd: BorrowedFd<'_>, meta: &Meta) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner(meta) {
            fs::fchown(fd, Some(uid), Some(gid))?;
        }
        fs::fchmod(fd, Mode::from_raw_mode(meta.mode.into()))?;
        for (name, value) in &meta.attributes {
            fs::fsetxattr(fd, &name[..], value, XattrFlags::empty())?;
        }
        Ok(fs::futimens(fd, &times(meta))?)
    }

    fn own(&self, dir: BorrowedFd<'_>, thing: &Thing) -> io::Result<()> {
        let (name, meta) = (&thing.name[..], &thing.meta);
        if let Some((uid, gid)) = self.owner(meta) {
            fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(fs::utimensat(
            dir,
            name,
            &times(meta),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    fn owner(&self, meta: &Meta) -> Option<(Uid, Gid)> {
        let base = self.shift?;
        Some((
            Uid::from_raw(base + meta.uid),
            Gid::from_raw(base + meta.gid),
        ))
    }
}

fn create(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?)
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(fd, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                at += written as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn times(meta: &Meta) -> Timestamps {
    let changed = Timespec {
        tv_sec: meta.secs,
        tv_nsec: meta.nanos.into(),
    };
    Timestamps {
        last_access: changed,
        last_modification: changed,
    }
}
