//! Bytes too large for the log, in a folder beside the database. A blob's name
//! is drawn when it is put, and nothing is ever put under that name again: so
//! what is swept away as named by nobody cannot come back into use meanwhile.

use std::error::Error as StdError;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path as File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload};
use session::Millis;
use sha2::{Digest, Sha256};

use crate::{Error, Reason};

/// How long one blob may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a refusal for want of room is told of after it was met. Whoever could not
/// keep something tries again before that: so it is told as long as it is so.
const TOLD: Duration = Duration::from_secs(30);

pub(crate) struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// When there was no room last, if none was found since.
    full: Mutex<Option<Instant>>,
}

impl Blobs {
    /// The blobs of that folder, which is made if need be.
    pub(crate) fn open(folder: &File) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::File {
            path: folder.to_owned(),
            source: Arc::new(source),
        };
        let mut make = DirBuilder::new();
        make.recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        let local = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| failed(io::Error::other(error)))?;
        let local = local.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self {
            store: Arc::new(local),
            full: Mutex::default(),
        })
    }

    /// A key for these bytes in a session: their digest, and a drawn number.
    pub(crate) fn key(session: &str, bytes: &[u8]) -> String {
        use std::fmt::Write;
        let mut key = format!("{session}/");
        for byte in Sha256::digest(bytes) {
            let _ = write!(key, "{byte:02x}");
        }
        let _ = write!(key, "-{:08x}", rand::random::<u32>());
        key
    }

    /// Keeps bytes, durably.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        let path = Path::from(key);
        let putting = self.store.put(&path, PutPayload::from_bytes(bytes));
        let put = within(putting).await;
        let full = matches!(put, Err(Error::Full)).then(Instant::now);
        *self.full.lock().unwrap_or_else(PoisonError::into_inner) = full;
        put.map(drop)
    }

    /// Why nothing can be kept, if there was no room a moment ago.
    pub(crate) fn ready(&self) -> Result<(), Reason> {
        let full = *self.full.lock().unwrap_or_else(PoisonError::into_inner);
        match full.filter(|at| at.elapsed() < TOLD) {
            None => Ok(()),
            Some(_) => Err(Reason(
                "the disk of large bodies and checkpoints is full".to_owned(),
            )),
        }
    }

    /// What is in a folder, and since when.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<(String, Millis)>, Error> {
        let prefix = Path::from(folder);
        let listed = self.store.list(Some(&prefix)).try_collect::<Vec<_>>();
        let found = within(listed).await?.into_iter();
        let item = |meta: ObjectMeta| {
            let since = Millis(meta.last_modified.timestamp_millis());
            (meta.location.to_string(), since)
        };
        Ok(found.map(item).collect())
    }

    /// Removes a blob; it may be gone already.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), Error> {
        let path = Path::from(key);
        let deleted = within(async {
            match self.store.delete(&path).await {
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        });
        deleted.await
    }

    /// The bytes of a key.
    pub(crate) async fn get(&self, key: &str) -> Result<Bytes, Error> {
        let path = Path::from(key);
        within(async { self.store.get(&path).await?.bytes().await }).await
    }
}

async fn within<T>(work: impl Future<Output = object_store::Result<T>>) -> Result<T, Error> {
    let out = tokio::time::timeout(DEADLINE, work).await;
    out.map_err(|_| Error::Unavailable("the blob store did not answer in time".to_owned()))?
        .map_err(|error| classify(&error))
}

fn classify(error: &object_store::Error) -> Error {
    if let object_store::Error::NotFound { path, .. } = error {
        return Error::Corrupt {
            what: "large body",
            why: format!("{path} is gone"),
        };
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        let full = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::StorageFull);
        if full {
            return Error::Full;
        }
        cause = error.source();
    }
    Error::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn bytes_are_kept_exactly_until_they_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&folder.path().join("blobs")).unwrap();
        let bytes = Bytes::from(vec![0xffu8; 100_000]);
        let keys = [0; 2].map(|_| Blobs::key("ses_1", &bytes));
        for key in &keys {
            blobs.put(key, bytes.clone()).await.unwrap();
            assert_eq!(blobs.get(key).await.unwrap(), bytes);
        }
        blobs.put("ses_10/x", bytes.clone()).await.unwrap();
        let listed = blobs.list("ses_1").await.unwrap().into_iter();
        let mut listed: Vec<_> = listed.map(|(key, _)| key).collect();
        listed.sort();
        let mut wanted = keys.clone();
        wanted.sort();
        assert_eq!(listed, wanted, "and nothing of another folder");
        for key in keys.iter().chain(&keys) {
            blobs.delete(key).await.unwrap();
            assert!(matches!(blobs.get(key).await, Err(Error::Corrupt { .. })));
        }
        assert_eq!(blobs.list("ses_1").await.unwrap(), []);
        assert_eq!(blobs.list("ses_none").await.unwrap(), []);
        assert!(
            !folder.path().join("blobs/ses_1").exists(),
            "no empty folder stays"
        );
    }

    #[test]
    fn no_two_puts_share_a_key() {
        assert_ne!(Blobs::key("ses_1", b"a"), Blobs::key("ses_1", b"a"));
    }

    #[test]
    fn a_full_disk_is_told_apart() {
        let full = object_store::Error::Generic {
            store: "local",
            source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
        };
        assert!(matches!(classify(&full), Error::Full));
        let other = object_store::Error::Generic {
            store: "local",
            source: "x".into(),
        };
        assert!(matches!(classify(&other), Error::Unavailable(_)));
    }
}
