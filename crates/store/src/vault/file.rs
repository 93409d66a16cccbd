//! The file of the master key, and beside it the key that comes next. A change of
//! keys leads through both, so that whenever it is cut off one of them opens the
//! database: first the next key is written, then the database goes over to it in
//! one transaction, then its file takes the old one's place.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Seal;
use super::master::{MasterKey, sync_folder};
use crate::Error;

/// Where a master key is kept.
#[derive(Debug, Clone)]
pub(crate) struct KeyFile(PathBuf);

impl KeyFile {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where the next key is kept while there is one.
    pub(crate) fn next(&self) -> PathBuf {
        self.beside("next")
    }

    fn beside(&self, word: &str) -> PathBuf {
        let mut name = self.0.clone().into_os_string();
        name.push(".");
        name.push(word);
        name.into()
    }

    /// The keys that are there now; what cannot be read is none. The next one is
    /// read first: it moves to the other's place, so that way none is missed.
    pub(super) fn keys(&self) -> Vec<Seal> {
        let paths = [self.next(), self.0.clone()];
        paths.iter().filter_map(|path| load(path)).collect()
    }

    /// Lets nobody else change the key while the answer lives; `None` if somebody
    /// does right now.
    pub(crate) fn hold(&self) -> Result<Option<File>, Error> {
        let path = self.beside("lock");
        let failed = |source| failed(&path, source);
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The next key: one that waits already, or a fresh one. Never this one again.
    pub(crate) fn make_next(&self, now: &Seal) -> Result<Seal, Error> {
        let path = self.next();
        let next = MasterKey::load_or_create(&path)?.seal();
        if !next.same(now) {
            return Ok(next);
        }
        fs::remove_file(&path).map_err(|source| failed(&path, source))?;
        Ok(MasterKey::load_or_create(&path)?.seal())
    }

    /// The next key's file takes the place of the key's, if that is not so yet.
    pub(crate) fn swap(&self, next: &Seal) -> Result<(), Error> {
        match fs::rename(self.next(), &self.0) {
            Ok(()) => {}
            Err(_) if load(&self.0).is_some_and(|key| key.same(next)) => {}
            Err(source) => return Err(failed(&self.0, source)),
        }
        sync_folder(&self.0).map_err(|source| failed(&self.0, source))
    }

    /// Ends a change of keys that was cut off after the database had gone over to
    /// `now`. Whoever changes the key right now does it without us.
    pub(super) fn settle(&self, now: &Seal) -> Result<(), Error> {
        let is = |path: &Path| load(path).is_some_and(|key| key.same(now));
        if is(&self.0) {
            return Ok(());
        }
        match self.hold()? {
            Some(_held) if is(&self.next()) => self.swap(now),
            _ => Ok(()),
        }
    }
}

fn load(path: &Path) -> Option<Seal> {
    MasterKey::load(path).ok().map(MasterKey::seal)
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn file() -> (tempfile::TempDir, KeyFile, Seal) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = MasterKey::load_or_create(&path).unwrap().seal();
        (folder, KeyFile::at(&path), key)
    }

    #[test]
    fn a_next_key_waits_until_it_takes_the_place() {
        let (_folder, file, first) = file();
        let next = file.make_next(&first).unwrap();
        assert!(!next.same(&first));
        assert!(file.make_next(&first).unwrap().same(&next), "it waits");
        assert_eq!(file.keys().len(), 2);
        file.swap(&next).unwrap();
        assert!(load(&file.0).unwrap().same(&next) && !file.next().exists());
        file.swap(&next).unwrap();
        assert!(file.swap(&first).is_err(), "there is none that waits");
    }

    #[test]
    fn a_next_key_that_is_the_key_is_made_anew() {
        let (_folder, file, first) = file();
        fs::copy(&file.0, file.next()).unwrap();
        assert!(!file.make_next(&first).unwrap().same(&first));
    }

    #[test]
    fn a_cut_change_is_ended_only_by_whoever_is_alone() {
        let (_folder, file, first) = file();
        let next = file.make_next(&first).unwrap();
        file.settle(&first).unwrap();
        assert!(file.next().exists(), "the database has not gone over");
        let held = file.hold().unwrap();
        assert!(held.is_some() && file.hold().unwrap().is_none());
        file.settle(&next).unwrap();
        assert!(file.next().exists(), "somebody is at it");
        drop(held);
        file.settle(&next).unwrap();
        assert!(load(&file.0).unwrap().same(&next));
    }
}
