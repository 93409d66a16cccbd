//! Reading the content of files into packs.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, FileType, OFlags, SeekFrom};
use tokio::sync::mpsc;

use super::cursor::{Cursor, open_at};
use super::lease;
use super::manifest::{Chunk, Kind, Manifest, Part, Print, Thing};
use super::pack::{self, CHUNK, PACK};
use super::reach::Reach;
use super::seen::Stamp;
use super::walk::{Walked, attributes, unread};
use crate::error::Error;

/// A pack that is full, with its number.
pub(super) type Full = (u32, Vec<u8>);

/// Contents known and new.
#[derive(Debug)]
pub(super) struct Contents {
    /// All of them; those of the last checkpoint keep their numbers.
    pub(super) chunks: Vec<Chunk>,
    known: HashMap<Print, u32>,
    raw: Vec<u8>,
    pack: u32,
    full: mpsc::Sender<Full>,
}

impl Contents {
    /// With those of the last checkpoint.
    pub(super) fn new(last: &Manifest, full: mpsc::Sender<Full>) -> Self {
        let numbered = (0u32..).zip(&last.chunks);
        Self {
            chunks: last.chunks.clone(),
            known: numbered.map(|(n, chunk)| (chunk.print, n)).collect(),
            raw: Vec::new(),
            pack: last.packs.len() as u32,
            full,
        }
    }

    /// What is in these packs is as good as unknown.
    pub(super) fn forget(&mut self, tired: &[bool]) {
        let (chunks, known) = (&self.chunks, &mut self.known);
        known.retain(|_, number| {
            let chunk = chunks.get(*number as usize);
            chunk.and_then(|chunk| tired.get(chunk.pack as usize)) != Some(&true)
        });
    }

    /// Reads all files that are to be read.
    pub(super) fn read(&mut self, reach: &Reach, walked: &mut [Walked]) -> Result<(), Error> {
        for ((_, fd), walked) in reach.layers.iter().zip(walked) {
            self.layer(fd.as_fd(), walked).map_err(unread)?;
        }
        Ok(())
    }

    /// Nothing more will be read.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.send().map_err(unread)
    }

    fn layer(&mut self, layer: BorrowedFd<'_>, walked: &mut Walked) -> io::Result<()> {
        let mut cursor = Cursor::new(layer)?;
        for (folder, thing) in std::mem::take(&mut walked.unread) {
            let fd = cursor.go(&walked.layer.folders, Some(&walked.inodes), folder)?;
            let (folder, number) = (folder as usize, thing as usize);
            let things = walked.layer.folders.get_mut(folder).map(|f| &mut f.things);
            let stamps = walked.stamps.get_mut(folder);
            let (Some(thing), Some(stamp)) = (
                things.and_then(|things| things.get_mut(number)),
                stamps.and_then(|stamps| stamps.get_mut(number)),
            ) else {
                continue;
            };
            if !self.file(fd, thing)? {
                *stamp = Stamp::NEVER;
            }
        }
        Ok(())
    }

    /// Reads a file; says whether nobody can write to it now.
    fn file(&mut self, dir: BorrowedFd<'_>, thing: &mut Thing) -> io::Result<bool> {
        let fd = open_at(dir, &thing.name, OFlags::RDONLY)?;
        let stat = fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("a file became something else"));
        }
        thing.meta.attributes = attributes(fd.as_fd())?.0;
        let mut size = stat.st_size as u64;
        let mut parts = Vec::new();
        let sparse = (stat.st_blocks as u64) * 512 < size;
        let (mut at, mut end) = (0, 0);
        while at < size {
            let start = if sparse {
                data(fd.as_fd(), at, size)?
            } else {
                at
            };
            let hole = start - end;
            at = start;
            if at >= size {
                break;
            }
            end = if sparse {
                gap(fd.as_fd(), at, size)?
            } else {
                size
            };
            let mut hole = Some(hole);
            while at < end {
                // Cuts are at fixed places of the file, wherever its holes are.
                let room = CHUNK as u64 - at % CHUNK as u64;
                let want = room.min(end - at) as usize;
                let (chunk, got) = self.chunk(fd.as_fd(), at, want)?;
                if got > 0 {
                    let hole = hole.take().unwrap_or(0);
                    parts.push(Part { hole, chunk });
                }
                at += got as u64;
                if got < want {
                    // Only where nothing can be made to stand still.
                    (size, end) = (at, at);
                }
            }
        }
        thing.kind = Kind::File { size, parts };
        lease::nobody_writes(fd.as_fd())
    }

    /// The chunk there: its number and length.
    fn chunk(&mut self, fd: BorrowedFd<'_>, at: u64, want: usize) -> io::Result<(u32, usize)> {
        if self.raw.len() + want > PACK {
            self.send()?;
        }
        if self.raw.capacity() == 0 {
            self.raw.reserve_exact(PACK);
        }
        let start = self.raw.len();
        self.raw.resize(start + want, 0);
        let place = self.raw.get_mut(start..).unwrap_or_default();
        let mut got = 0;
        while let Some(rest) = place.get_mut(got..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(fd, rest, at + got as u64) {
                Ok(0) => break,
                Ok(read) => got += read,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.raw.truncate(start + got);
        let print = pack::print(self.raw.get(start..).unwrap_or_default());
        if let Some(known) = self.known.get(&print) {
            self.raw.truncate(start);
            return Ok((*known, got));
        }
        if got == 0 {
            return Ok((0, 0));
        }
        let number = self.chunks.len() as u32;
        self.chunks.push(Chunk {
            print,
            pack: self.pack,
            at: start as u32,
            len: got as u32,
        });
        self.known.insert(print, number);
        Ok((number, got))
    }

    fn send(&mut self) -> io::Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let full = (self.pack, std::mem::take(&mut self.raw));
        self.pack += 1;
        let sent = self.full.blocking_send(full);
        sent.map_err(|_| io::Error::other("nobody waits for the checkpoint"))
    }
}

/// Where data begins at or after `at`; `size` if there is only a hole.
fn data(fd: BorrowedFd<'_>, at: u64, size: u64) -> io::Result<u64> {
    match fs::seek(fd, SeekFrom::Data(at)) {
        Err(rustix::io::Errno::NXIO) => Ok(size),
        Err(rustix::io::Errno::INVAL) => Ok(at),
        other => Ok(other?.min(size)),
    }
}

/// Where the data ends that begins at `at`.
fn gap(fd: BorrowedFd<'_>, at: u64, size: u64) -> io::Result<u64> {
    match fs::seek(fd, SeekFrom::Hole(at)) {
        Err(rustix::io::Errno::INVAL) => Ok(size),
        other => Ok(other?.min(size)),
    }
}
