//! The output of one command: its head and tail in memory, its beginning kept
//! on disk, all of it counted.
//!
//! Whatever a command prints, this uses at most the two caps. Bytes are bytes:
//! nothing here looks for text.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use crate::exec::Captured;
use crate::sys;

/// Bytes a receipt may carry at most, whatever the exec asks.
const OUTPUT_MAX: usize = 1024 * 1024;

/// Collects what one command writes.
#[derive(Debug)]
pub struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_cap: usize,
    tail_cap: usize,
    total: u64,
    spool: Spool,
}

#[derive(Debug)]
struct Spool {
    dir: Option<BorrowedFd<'static>>,
    file: Option<File>,
    len: u64,
    cap: u64,
    broken: bool,
}

impl Output {
    /// For `cap` bytes in memory and `spool_cap` in a nameless file of `dir`, or
    /// of memory where there is no such folder.
    #[must_use]
    pub fn new(cap: u32, spool_cap: u64, dir: Option<BorrowedFd<'static>>) -> Self {
        let cap = (cap as usize).min(OUTPUT_MAX);
        let spool = Spool {
            dir,
            file: None,
            len: 0,
            cap: spool_cap,
            broken: false,
        };
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            head_cap: cap.div_ceil(2),
            tail_cap: cap / 2,
            total: 0,
            spool,
        }
    }

    /// Takes what was written.
    pub fn push(&mut self, bytes: &[u8]) {
        // The file is made only when memory alone no longer has everything.
        if self.spool.file.is_some() {
            self.spool.append(bytes);
        } else if self.memory_len() + bytes.len() > self.head_cap + self.tail_cap {
            let so_far = self.in_memory();
            self.spool.append(&so_far);
            self.spool.append(bytes);
        }
        self.total += bytes.len() as u64;
        let room = (self.head_cap - self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        let keep = rest.len().min(self.tail_cap);
        let rest = rest.get(rest.len() - keep..).unwrap_or_default();
        let excess = (self.tail.len() + keep).saturating_sub(self.tail_cap);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    fn memory_len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    fn in_memory(&self) -> Vec<u8> {
        let (a, b) = self.tail.as_slices();
        [&self.head, a, b].concat()
    }

    /// Head and tail as they are now.
    #[must_use]
    pub fn captured(&self) -> Captured {
        let omitted = self.total - self.memory_len() as u64;
        if omitted == 0 {
            return Captured {
                head: self.in_memory(),
                tail: Vec::new(),
                omitted,
            };
        }
        let tail = self.tail.iter().copied().collect();
        Captured {
            head: self.head.clone(),
            tail,
            omitted,
        }
    }

    /// Bytes written in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes that can be read back, from the beginning.
    #[must_use]
    pub fn kept(&self) -> u64 {
        if self.spool.file.is_some() {
            self.spool.len
        } else {
            self.memory_len() as u64
        }
    }

    /// Up to `limit` kept bytes from `offset`.
    #[must_use]
    pub fn read_at(&self, offset: u64, limit: u64) -> Vec<u8> {
        let end = self.kept().min(offset.saturating_add(limit));
        if offset >= end {
            return Vec::new();
        }
        let Some(file) = &self.spool.file else {
            let all = self.in_memory();
            return all
                .get(offset as usize..end as usize)
                .unwrap_or_default()
                .to_vec();
        };
        let mut bytes = vec![0; (end - offset) as usize];
        match file.read_exact_at(&mut bytes, offset) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }
}

impl Spool {
    fn append(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        let room = usize::try_from(self.cap - self.len).unwrap_or(usize::MAX);
        let mut bytes = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        if self.file.is_none() {
            self.file = self.make();
        }
        let Some(file) = &self.file else { return };
        // A full disk ends the keeping, never the command.
        while !bytes.is_empty() {
            match file.write_at(bytes, self.len) {
                Ok(written @ 1..) => {
                    self.len += written as u64;
                    bytes = bytes.get(written..).unwrap_or_default();
                }
                _ => {
                    self.broken = true;
                    return;
                }
            }
        }
    }

    fn make(&mut self) -> Option<File> {
        let on_disk = self
            .dir
            .map(|dir| sys::open_at(dir, c".", libc::O_TMPFILE | libc::O_RDWR));
        let made = match on_disk {
            Some(Ok(file)) => Some(file),
            _ => sys::memory_file().ok(),
        };
        self.broken = made.is_none();
        made
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    fn filled(cap: u32, spool: u64, pieces: &[Vec<u8>]) -> Output {
        let mut output = Output::new(cap, spool, None);
        pieces.iter().for_each(|piece| output.push(piece));
        output
    }

    proptest! {
        #[test]
        fn head_tail_and_kept_are_parts_of_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            cap in 0u32..64,
            spool in 0u64..400,
        ) {
            let all = pieces.concat();
            let output = filled(cap, spool, &pieces);
            let Captured { head, tail, omitted } = output.captured();
            prop_assert_eq!(output.total(), all.len() as u64);
            prop_assert_eq!(head.len() as u64 + omitted + tail.len() as u64, output.total());
            prop_assert!(all.starts_with(&head) && all.ends_with(&tail));
            prop_assert!(head.len() + tail.len() <= (cap as usize).max(all.len().min(cap as usize)));
            let kept = output.read_at(0, u64::MAX);
            prop_assert!(all.starts_with(&kept));
            prop_assert_eq!(kept.len() as u64, output.kept());
            let least = if all.len() <= cap as usize { all.len() } else { all.len().min(spool as usize) };
            prop_assert_eq!(kept.len(), least);
        }

        #[test]
        fn any_part_can_be_read_back(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            cap in 0u32..64,
            (offset, limit) in (0u64..500, 0u64..500),
        ) {
            let all = pieces.concat();
            let output = filled(cap, u64::MAX, &pieces);
            let (from, to) = (all.len().min(offset as usize), all.len().min((offset + limit) as usize));
            prop_assert_eq!(output.read_at(offset, limit), &all[from..to]);
        }
    }

    #[test]
    fn a_spool_that_cannot_grow_keeps_its_beginning() {
        let full = File::options()
            .read(true)
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut output = Output::new(4, 100, None);
        output.push(b"abcd");
        output.spool.file = Some(full);
        output.push(b"efgh");
        assert_eq!((output.total(), output.kept()), (8, 0));
        assert_eq!(output.captured().tail, b"gh");
    }
}
