//! The master key as a running store holds it. When it opens something no longer,
//! the key was changed: then the files are read anew, and the store goes on with
//! the one that opens.

use std::sync::{Arc, PoisonError, RwLock};

use secrecy::SecretBox;

use super::{KeyFile, MasterKey, Place, Seal};
use crate::Error;

/// The master key now, and where another one would be found.
pub(crate) struct Ring {
    now: RwLock<Arc<Seal>>,
    file: Option<KeyFile>,
}

impl Ring {
    pub(crate) fn new(master: MasterKey) -> Self {
        let file = master.file();
        Self {
            now: RwLock::new(Arc::new(master.seal())),
            file,
        }
    }

    /// The key as it was last seen to open something.
    pub(crate) fn now(&self) -> Arc<Seal> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&now)
    }

    /// Goes on with another key.
    pub(crate) fn set(&self, key: Arc<Seal>) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// Its file, if it has one.
    pub(crate) fn file(&self) -> Option<&KeyFile> {
        self.file.as_ref()
    }

    /// Opens what is under the master key itself.
    pub(crate) fn open(
        &self,
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<SecretBox<Vec<u8>>, Error> {
        self.with(|key| key.open(place, sealed))
    }

    /// Unwraps a key that the master key wraps.
    pub(crate) fn unwrap(&self, place: Place<'_>, wrapped: &[u8]) -> Result<Seal, Error> {
        self.with(|key| key.unwrap(place, wrapped))
    }

    /// Ends a change of keys that was cut off; the key now must have opened
    /// something of this database.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        match &self.file {
            Some(file) => file.settle(&self.now()),
            None => Ok(()),
        }
    }

    fn with<T>(&self, open: impl Fn(&Seal) -> Result<T, Error>) -> Result<T, Error> {
        let found = open(&self.now());
        let (Err(Error::Sealed), Some(file)) = (&found, &self.file) else {
            return found;
        };
        for key in file.keys() {
            if let Ok(found) = open(&key) {
                tracing::info!("the master key was changed; going on with the new one");
                self.set(Arc::new(key));
                return Ok(found);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HERE: Place<'_> = Place {
        table: "orgs",
        row: "org_1",
        column: "data_key",
    };

    #[test]
    fn a_changed_key_is_found_where_it_waits_and_where_it_belongs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let ring = || Ring::new(MasterKey::load_or_create(&path).unwrap());
        let (first, second) = (ring(), ring());
        let file = first.file().unwrap().clone();
        let next = Arc::new(file.make_next(&first.now()).unwrap());
        let wrapped = next.wrap(HERE, &Seal::fresh()).unwrap();
        first.unwrap(HERE, &wrapped).unwrap();
        assert!(first.now().same(&next));
        file.swap(&next).unwrap();
        second.unwrap(HERE, &wrapped).unwrap();
        assert!(second.now().same(&next));
    }

    #[test]
    fn what_no_key_opens_stays_shut_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let ring = Ring::new(MasterKey::load_or_create(&path).unwrap());
        let before = ring.now();
        ring.file().unwrap().make_next(&before).unwrap();
        let foreign = Seal::fresh().wrap(HERE, &Seal::fresh()).unwrap();
        assert!(matches!(ring.unwrap(HERE, &foreign), Err(Error::Sealed)));
        assert!(ring.now().same(&before));
    }
}
