//! Unpacks a package: the files that are kept, and nothing else. A name inside
//! the package never becomes a path here: it is only compared with what is
//! wanted, so that no package can write elsewhere.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

use super::Error;
use super::error::at;

/// Most bytes of a package once unpacked, what is not kept included.
const BYTES: u64 = 2 << 30;
/// Most entries of a package.
const ENTRIES: usize = 100_000;

/// Unpacks what is kept into a folder.
///
/// # Errors
/// If the package cannot be read, is too large, or lacks a file.
pub(super) fn unpack(
    package: impl Read,
    keep: &[(&str, &str)],
    folder: &Path,
) -> Result<(), Error> {
    let mut archive = Archive::new(GzDecoder::new(package).take(BYTES));
    let mut missing: Vec<_> = keep.to_vec();
    let entries = archive.entries().map_err(broken)?;
    for (n, entry) in entries.enumerate() {
        let mut entry = entry.map_err(broken)?;
        if n == ENTRIES {
            return Err(Error::Package(format!(
                "it has more than {ENTRIES} entries"
            )));
        }
        let name = entry.path_bytes();
        let found = missing
            .iter()
            .position(|(inside, _)| inside.as_bytes() == &*name);
        drop(name);
        let Some(found) = found else { continue };
        let (inside, here) = missing.swap_remove(found);
        if entry.header().entry_type() != EntryType::Regular {
            return Err(Error::Package(format!("{inside} is no file")));
        }
        let runs = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
        write(&mut entry, runs, &folder.join(here))?;
    }
    match missing.first() {
        None => Ok(()),
        Some((inside, _)) => Err(Error::Package(format!("it has no {inside}"))),
    }
}

fn write(from: &mut impl Read, runs: bool, path: &Path) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let mode = if runs { 0o755 } else { 0o644 };
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(at(path))?;
    io::copy(from, &mut file).map_err(|error| match error.kind() {
        // The disk's own words, where it is the disk.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => at(path)(error),
        _ => broken(error),
    })?;
    file.sync_all().map_err(at(path))
}

fn broken(error: io::Error) -> Error {
    Error::Package(format!("it cannot be unpacked ({error})"))
}

#[cfg(test)]
mod tests;
