//! Pieces of checkpoints: bytes in the blob store, sealed with the org's data
//! key under their own name, so that none can stand in for another.
//!
//! All sessions of a family (a session, its forks, their forks) keep their
//! pieces in one folder: a fork names its ancestors' pieces and copies none.

use bytes::Bytes;
use secrecy::ExposeSecret;

use crate::db::values;
use crate::vault::{Place, Seal};
use crate::{Error, Sabotage, Store, leaked};

/// The folder of all pieces.
const PIECES: &str = "pieces";

const ROOT: &str = "SELECT COALESCE((SELECT l.source FROM lineage l WHERE l.session = s.id AND l.from_seq = 1), s.id) \
    FROM sessions s WHERE s.org = $1 AND s.id = $2";

fn place(key: &str) -> Place<'_> {
    Place {
        table: "pieces",
        row: key,
        column: "sealed",
    }
}

/// The folder of a family's pieces; `root` is its oldest session.
pub(crate) fn folder(root: &str) -> String {
    format!("{PIECES}/{root}")
}

/// The oldest session of a family, if this is its folder of pieces.
pub(crate) fn root_of(folder: &str) -> Option<&str> {
    folder.strip_prefix(PIECES)?.strip_prefix('/')
}

impl Store {
    /// Keeps a piece of a session's files, durably; the key to get it back by.
    /// A piece that no checkpoint names within an hour may be swept away.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session; [`Error::Full`],
    /// [`Error::Unavailable`].
    pub async fn piece_put(&self, org: &str, session: &str, piece: Bytes) -> Result<String, Error> {
        let row = self.db().row(ROOT, values![org, session]).await?;
        let folder = folder(&row.ok_or(Error::NotFound)?.text()?);
        let key = format!("{folder}/{:032x}", rand::random::<u128>());
        let sealed = self
            .data_key(org)
            .await?
            .aside(key.clone(), move |seal, key| {
                seal.seal(place(key), &piece).map(Bytes::from)
            });
        let sealed = sealed.await?;
        self.litter(&folder).await?;
        self.blobs().put(&key, sealed).await?;
        if let Some(value) = leaked(Sabotage::LeakCheckpoint) {
            self.blobs()
                .put(&format!("{key}.clear"), value.into())
                .await?;
        }
        Ok(key)
    }

    /// A piece by its key.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is gone, was changed, or belongs to another
    /// org; [`Error::NotFound`] if there is no such org.
    pub async fn piece_get(&self, org: &str, key: &str) -> Result<Bytes, Error> {
        let damaged = |error| match error {
            Error::Corrupt { .. } | Error::Sealed => Error::Damaged(key.to_owned()),
            other => other,
        };
        if root_of(key).is_none() {
            return Err(Error::Damaged(key.to_owned()));
        }
        let seal = self.data_key(org).await?;
        let sealed = self.blobs().get(key).await.map_err(damaged)?;
        let open = seal.aside(key.to_owned(), move |seal, key| {
            let plain = seal.open(place(key), &sealed)?;
            Ok(Bytes::copy_from_slice(plain.expose_secret()))
        });
        open.await.map_err(damaged)
    }
}

impl Seal {
    /// Seals or opens something large without holding up other work.
    pub(crate) async fn aside<T: Send + 'static>(
        self,
        key: String,
        work: impl FnOnce(&Self, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let done = tokio::task::spawn_blocking(move || work(&self, &key)).await;
        done.map_err(|error| Error::Unavailable(error.to_string()))?
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [ROOT].map(str::to_owned).into()
}
