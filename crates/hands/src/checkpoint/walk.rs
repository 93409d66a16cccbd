//! The tree of a sandbox's files without their content.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, AtFlags, FileType, RawDir, Stat};

use super::cursor::Cursor;
use super::manifest::{Folder, Kind, Layer, Meta, Place, Thing};
use super::reach::Reach;
use super::seen::Stamp;
use crate::container::RANGE;
use crate::error::Error;

/// Most files and folders of a checkpoint.
const MOST: usize = 2_000_000;
/// Longest value of an attribute that is kept; the kernel allows no longer.
const VALUE: usize = 64 << 10;

/// A layer, and what is known of it on this host only.
#[derive(Debug)]
pub(super) struct Walked {
    /// Its tree. Files have no content yet.
    pub(super) layer: Layer,
    /// Inode of each folder.
    pub(super) inodes: Vec<u64>,
    /// For the things of each folder: inode and time of the last change of any kind.
    pub(super) stamps: Vec<Vec<Stamp>>,
    /// Files whose content is to be read: their folder and their number there.
    pub(super) unread: Vec<(u32, u32)>,
}

/// Walks all layers.
pub(super) fn walk(reach: &Reach) -> Result<Vec<Walked>, Error> {
    let mut left = MOST;
    reach
        .layers
        .iter()
        .map(|(place, fd)| {
            let mut walk = Walk::new(*place, reach.shift);
            walk.run(fd.as_fd(), &mut left)?;
            Ok(walk.done)
        })
        .collect()
}

struct Walk {
    shift: Option<u32>,
    /// Where in the tree a file with several names came first.
    names: HashMap<u64, (u32, u32)>,
    done: Walked,
}

impl Walk {
    fn new(place: Place, shift: Option<u32>) -> Self {
        Self {
            shift,
            names: HashMap::new(),
            done: Walked {
                layer: Layer {
                    place,
                    folders: Vec::new(),
                },
                inodes: Vec::new(),
                stamps: Vec::new(),
                unread: Vec::new(),
            },
        }
    }

    fn run(&mut self, layer: BorrowedFd<'_>, left: &mut usize) -> Result<(), Error> {
        let stat = fs::fstat(layer).map_err(|error| unread(error.into()))?;
        self.folder(0, Vec::new(), &stat);
        if self.done.layer.place == Place::Tmp
            && let Some(mount) = self.done.layer.folders.first_mut()
        {
            // The mount itself is the sandbox's own; only what is in it is kept.
            mount.meta = Meta::default();
        }
        let mut cursor = Cursor::new(layer).map_err(unread)?;
        let mut open = vec![0];
        while let Some(number) = open.pop() {
            let (folders, inodes) = (&self.done.layer.folders, Some(&self.done.inodes[..]));
            let fd = cursor.go(folders, inodes, number).map_err(unread)?;
            let found = list(fd).map_err(unread)?;
            *left = left.checked_sub(found.len()).ok_or_else(|| {
                Error::Refused(format!("more than {MOST} files and folders are not kept"))
            })?;
            let (given, opaque) = attributes(fd).map_err(unread)?;
            if let Some(folder) = self.done.layer.folders.get_mut(number as usize) {
                (folder.meta.attributes, folder.opaque) = (given, opaque);
            }
            let below = self.things(fd, number, found).map_err(unread)?;
            // The first is to be walked first.
            open.extend(below.into_iter().rev());
        }
        Ok(())
    }

    /// Takes in what is in a folder; says which folders are.
    fn things(
        &mut self,
        dir: BorrowedFd<'_>,
        number: u32,
        names: Vec<Vec<u8>>,
    ) -> io::Result<Vec<u32>> {
        let (mut below, mut things, mut stamps) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            let stat = match fs::statat(dir, &name[..], AtFlags::SYMLINK_NOFOLLOW) {
                // Only where nothing can be made to stand still.
                Err(rustix::io::Errno::NOENT) => continue,
                other => other?,
            };
            let at = (number, things.len() as u32);
            let kind = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    below.push(self.folder(number, name, &stat));
                    continue;
                }
                FileType::CharacterDevice if stat.st_rdev == 0 => Kind::Gone,
                FileType::RegularFile | FileType::Symlink | FileType::Fifo if stat.st_nlink > 1 => {
                    match *self.names.entry(stat.st_ino).or_insert(at) {
                        first if first == at => kind(dir, &name, &stat)?,
                        (folder, thing) => Kind::Same { folder, thing },
                    }
                }
                FileType::RegularFile | FileType::Symlink | FileType::Fifo => {
                    kind(dir, &name, &stat)?
                }
                // A socket is nothing without who listens.
                _ => continue,
            };
            let meta = if matches!(kind, Kind::Gone | Kind::Same { .. }) {
                Meta::default()
            } else {
                self.meta(&stat)
            };
            if matches!(kind, Kind::File { .. }) {
                self.done.unread.push(at);
            }
            stamps.push(Stamp::of(&stat));
            things.push(Thing { name, meta, kind });
        }
        if let Some(folder) = self.done.layer.folders.get_mut(number as usize) {
            folder.things = things;
        }
        if let Some(place) = self.done.stamps.get_mut(number as usize) {
            *place = stamps;
        }
        Ok(below)
    }

    fn folder(&mut self, parent: u32, name: Vec<u8>, stat: &Stat) -> u32 {
        let number = self.done.layer.folders.len() as u32;
        self.done.layer.folders.push(Folder {
            parent,
            name,
            meta: self.meta(stat),
            opaque: false,
            things: Vec::new(),
        });
        self.done.inodes.push(stat.st_ino);
        self.done.stamps.push(Vec::new());
        number
    }

    fn meta(&self, stat: &Stat) -> Meta {
        // What belongs to nobody in the sandbox is shown there as nobody's.
        let inside = |id: u32| match self.shift {
            Some(base) => id
                .checked_sub(base)
                .filter(|id| *id < RANGE)
                .unwrap_or(RANGE - 2),
            None => 0,
        };
        Meta {
            mode: (stat.st_mode & 0o7777) as u16,
            uid: inside(stat.st_uid),
            gid: inside(stat.st_gid),
            secs: stat.st_mtime,
            nanos: stat.st_mtime_nsec as u32,
            attributes: Vec::new(),
        }
    }
}

fn kind(dir: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> io::Result<Kind> {
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => Kind::Link(fs::readlinkat(dir, name, Vec::new())?.into_bytes()),
        FileType::Fifo => Kind::Pipe,
        _ => Kind::File {
            size: stat.st_size as u64,
            parts: Vec::new(),
        },
    })
}

/// Without root, programs inside can close files to this server.
pub(super) fn unread(source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::PermissionDenied {
        return Error::Refused(format!("a file of the sandbox cannot be read: {source}"));
    }
    Error::Io {
        what: "read the files of a sandbox".to_owned(),
        source,
    }
}

/// The names in a folder, in order.
fn list(dir: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut buf = [MaybeUninit::<u8>::uninit(); 32 << 10];
    let mut entries = RawDir::new(dir, &mut buf);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_bytes().to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Names and values of the attributes of a file.
pub(super) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// What the overlay calls a folder that hides the template's.
pub(super) const OPAQUE: [&[u8]; 2] = [b"trusted.overlay.opaque", b"user.overlay.opaque"];

/// What programs gave a file, and whether it is opaque. What else the overlay
/// notes is about one host's template.
pub(super) fn attributes(fd: BorrowedFd<'_>) -> io::Result<(Attributes, bool)> {
    let mut names = Vec::with_capacity(1024);
    match fs::flistxattr(fd, rustix::buffer::spare_capacity(&mut names)) {
        Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => return Ok((Vec::new(), false)),
        Ok(_) => {}
        Err(rustix::io::Errno::RANGE) => {
            names.reserve(VALUE);
            fs::flistxattr(fd, rustix::buffer::spare_capacity(&mut names))?;
        }
        Err(error) => return Err(error.into()),
    }
    let (mut given, mut opaque) = (Vec::new(), false);
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        if OPAQUE.contains(&name) {
            opaque = true;
        } else if name.starts_with(b"user.") && !name.starts_with(b"user.overlay.") {
            let mut value = Vec::with_capacity(VALUE);
            fs::fgetxattr(fd, name, rustix::buffer::spare_capacity(&mut value))?;
            value.shrink_to_fit();
            given.push((name.to_vec(), value));
        }
    }
    given.sort_unstable();
    Ok((given, opaque))
}
