//! Large bodies, in a folder beside the database. A blob is named by its
//! session and its own digest: writing it twice is writing it once, and two
//! that race for the same number never overwrite each other.

use std::error::Error as StdError;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path as File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};

use crate::Error;

/// How long one blob may take.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Blobs(Arc<dyn ObjectStore>);

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
        Ok(Self(Arc::new(local.with_fsync(true))))
    }

    /// The key that these bytes have in a session.
    pub(crate) fn key(session: &str, bytes: &[u8]) -> String {
        use std::fmt::Write;
        let mut key = format!("{session}/");
        for byte in Sha256::digest(bytes) {
            let _ = write!(key, "{byte:02x}");
        }
        key
    }

    /// Keeps bytes, durably.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        let path = Path::from(key);
        let putting = self.0.put(&path, PutPayload::from_bytes(bytes));
        within(putting).await.map(drop)
    }

    /// The bytes of a key.
    pub(crate) async fn get(&self, key: &str) -> Result<Bytes, Error> {
        let path = Path::from(key);
        within(async { self.0.get(&path).await?.bytes().await }).await
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
    async fn bytes_are_kept_exactly_and_twice_is_once() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&folder.path().join("blobs")).unwrap();
        let bytes = Bytes::from(vec![0xffu8; 100_000]);
        let key = Blobs::key("ses_1", &bytes);
        for _ in 0..2 {
            blobs.put(&key, bytes.clone()).await.unwrap();
        }
        assert_eq!(blobs.get(&key).await.unwrap(), bytes);
        assert!(matches!(
            blobs.get("ses_1/none").await,
            Err(Error::Corrupt { .. })
        ));
    }

    #[test]
    fn other_bytes_and_other_sessions_have_other_keys() {
        let key = Blobs::key("ses_1", b"a");
        assert_ne!(key, Blobs::key("ses_1", b"b"));
        assert_ne!(key, Blobs::key("ses_2", b"a"));
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
