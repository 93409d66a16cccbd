//! Searches files: sparse ones where they hold something, and all the server
//! wrote, by what it is.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use super::needles::{Needles, Tally};
use super::report::Place;

/// Searches a file, its holes left out.
pub(super) fn file(path: &Path, needles: &Needles) -> io::Result<Tally> {
    let file = File::open(path)?;
    let mut all = Tally::default();
    let mut at = 0;
    while let Some((from, to)) = next_data(&file, at)? {
        let found = needles.range(from, to, |into, at| file.read_at(into, at))?;
        all.bytes += found.bytes;
        all.hits += found.hits;
        at = to;
    }
    Ok(all)
}

/// The next part of the file that is no hole. Where a file system does not know,
/// that is all the rest.
fn next_data(file: &File, at: u64) -> io::Result<Option<(u64, u64)>> {
    let length = file.metadata()?.len();
    if at >= length {
        return Ok(None);
    }
    let offset = i64::try_from(at).map_err(io::Error::other)?;
    let from = match lseek(file, offset, Whence::SeekData) {
        Ok(from) if from >= offset => from,
        // Nothing but a hole is left.
        Err(Errno::ENXIO) => return Ok(None),
        _ => return Ok(Some((at, length))),
    };
    let whole = |offset: i64| u64::try_from(offset).map_err(io::Error::other);
    Ok(Some(match lseek(file, from, Whence::SeekHole) {
        Ok(to) if to > from => (whole(from)?, whole(to)?),
        _ => (whole(from)?, length),
    }))
}

/// All regular files below a folder; symbolic links are not followed.
pub(super) fn files(folder: &Path, skip: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                _ if skip(&path) => {}
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found
}

/// Everything in the scratch folder, by what it is.
pub(super) fn folder(dir: &Path, data: &Path, needles: &Needles) -> Vec<Place> {
    let kinds = [
        "disks of sandboxes",
        "checkpoints and blobs",
        "database",
        "log of the server",
        // Core dumps among them.
        "other files of the server",
    ];
    let mut places = kinds.map(Place::new);
    for path in files(dir, &|_| false) {
        let kind = kind(&path, dir, data);
        let name = path
            .strip_prefix(dir)
            .unwrap_or(&path)
            .display()
            .to_string();
        places[kind].try_add(&name, file(&path, needles));
    }
    places.into()
}

fn kind(path: &Path, dir: &Path, data: &Path) -> usize {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match path {
        _ if path.starts_with(data.join("hands")) => 0,
        _ if path.starts_with(data.join("blobs")) => 1,
        _ if path.starts_with(data) && name.contains(".db") => 2,
        _ if path.starts_with(dir) && name == "server.log" => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::super::needles::Canary;
    use super::*;

    #[test]
    fn a_sparse_file_is_searched_where_it_holds_something() {
        let folder = tempfile::tempdir().unwrap();
        let canary = Canary::fresh("key".to_owned());
        let needles = Needles::new(std::slice::from_ref(&canary)).unwrap();
        let path = folder.path().join("disk");
        let disk = File::create(&path).unwrap();
        disk.set_len(1 << 34).unwrap();
        for at in [5_000, 1 << 33] {
            disk.write_all_at(canary.value.as_bytes(), at).unwrap();
        }
        let found = file(&path, &needles).unwrap();
        assert_eq!(found.hits, 2);
        assert!(found.bytes < 1 << 24, "{found:?}");
        std::os::unix::fs::symlink(&path, folder.path().join("link")).unwrap();
        fs::write(folder.path().join("empty"), "").unwrap();
        let places = super::folder(folder.path(), Path::new("/nowhere"), &needles);
        let all: Vec<u64> = places.iter().map(|place| place.hits).collect();
        assert_eq!(all, [0, 0, 0, 0, 2], "a link is not followed");
    }
}
