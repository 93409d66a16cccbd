//! The folders of sandboxes on the host: made, and used again.
//!
//! What a sandbox leaves is emptied and kept for a later one, for some file systems
//! look the longer for the place of a new file the more were removed lately. Its
//! disk is always removed: the kernel may still be writing to it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;

/// Emptied folders kept.
const SPARE: usize = 128;
/// What is emptied and kept with its folder.
const KEPT: [&str; 2] = ["state.json", "guest.log"];
/// What is removed from a folder that is kept. One with anything else is not.
const GONE: [&str; 2] = ["disk.ext4", "guest.sock"];

/// All folders of sandboxes.
#[derive(Debug)]
pub(crate) struct Folders {
    used: PathBuf,
    unused: PathBuf,
    spare: Mutex<Vec<PathBuf>>,
    number: AtomicU64,
}

impl Folders {
    /// Below the folder of the hands, with the spare ones of before.
    ///
    /// # Errors
    /// If it cannot be made or read.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let made = |name: &str| {
            let path = dir.join(name);
            fs::create_dir_all(&path).map_err(Error::io(format!("make {}", path.display())))?;
            Ok::<_, Error>(path)
        };
        let (used, unused) = (made("sandboxes")?, made("spare")?);
        let found = fs::read_dir(&unused).map_err(Error::io("look for spare folders"))?;
        let spare: Vec<PathBuf> = found.flatten().map(|entry| entry.path()).collect();
        let last = spare
            .iter()
            .filter_map(|path| path.file_name()?.to_str()?.parse().ok());
        Ok(Self {
            number: AtomicU64::new(last.max().map_or(0, |last: u64| last + 1)),
            spare: Mutex::new(spare),
            used,
            unused,
        })
    }

    /// That of a sandbox.
    pub(crate) fn of(&self, id: &str) -> PathBuf {
        self.used.join(id)
    }

    /// Ids of which something is left on this host, living or not.
    pub(crate) fn traces(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.used).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut ids: Vec<String> = names.collect();
        ids.sort();
        ids
    }

    /// One for a new sandbox. Files may be in it; there is nothing in them.
    pub(crate) fn make(&self, id: &str) -> io::Result<PathBuf> {
        let place = self.of(id);
        let spare = { self.spare().pop() };
        match spare.map(|spare| fs::rename(spare, &place)) {
            Some(Ok(())) => {}
            // Whatever became of it: a new one does as well.
            Some(Err(_)) | None => fs::create_dir(&place)?,
        }
        Ok(place)
    }

    /// Takes the folder of a sandbox that has ended away.
    pub(crate) fn remove(&self, folder: &Path) -> io::Result<()> {
        if self.spare().len() < SPARE && emptied(folder).is_ok_and(|empty| empty) {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let place = self.unused.join(number.to_string());
            fs::rename(folder, &place)?;
            self.spare().push(place);
            return Ok(());
        }
        remove(folder)
    }

    fn spare(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Empties a folder of what every sandbox has; false if there is more in it.
fn emptied(folder: &Path) -> io::Result<bool> {
    let mut kept = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if KEPT.iter().any(|kept| name == *kept) && entry.file_type()?.is_file() {
            OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(entry.path())?;
            kept += 1;
        } else if !GONE.iter().any(|gone| name == *gone) {
            return Ok(false);
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(kept == KEPT.len())
}

/// Removes a folder with all in it. Where we are not root, a command may have
/// closed folders against us, and an overlay always does.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            fs::remove_dir_all(folder)
        }
        other => other,
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn filled(folders: &Folders, id: &str, more: Option<&str>) -> PathBuf {
        let folder = folders.make(id).unwrap();
        for name in KEPT.iter().chain(&GONE).copied().chain(more) {
            fs::write(folder.join(name), "of the one before").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_is_used_again_and_nothing_of_before_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        let first = filled(&folders, "a", None);
        folders.remove(&first).unwrap();
        assert_eq!(folders.traces(), Vec::<String>::new());
        // The next server finds it too.
        let folders = Folders::open(dir.path()).unwrap();
        let second = folders.make("b").unwrap();
        assert_eq!(folders.traces(), ["b"]);
        let mut left: Vec<_> = fs::read_dir(&second)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    entry.metadata().unwrap().len(),
                )
            })
            .collect();
        left.sort();
        assert_eq!(
            left,
            [("guest.log".to_owned(), 0), ("state.json".to_owned(), 0)]
        );
        folders.remove(&second).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("spare")).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_with_more_in_it_or_less_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        let more = filled(&folders, "a", Some("workspace"));
        folders.remove(&more).unwrap();
        let less = folders.make("b").unwrap();
        folders.remove(&less).unwrap();
        folders
            .remove(&dir.path().join("sandboxes/absent"))
            .unwrap();
        assert_eq!(folders.traces(), Vec::<String>::new());
        assert_eq!(fs::read_dir(dir.path().join("spare")).unwrap().count(), 0);
    }

    #[test]
    fn only_so_many_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        let all: Vec<_> = (0..SPARE + 2)
            .map(|n| filled(&folders, &n.to_string(), None))
            .collect();
        all.iter()
            .for_each(|folder| folders.remove(folder).unwrap());
        let spare = fs::read_dir(dir.path().join("spare")).unwrap();
        assert_eq!(spare.count(), SPARE);
        assert_eq!(folders.traces(), Vec::<String>::new());
    }
}
