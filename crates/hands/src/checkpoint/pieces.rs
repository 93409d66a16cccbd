//! Where the pieces of checkpoints are kept: two functions given by whoever opens
//! the hands. They seal and store; here a piece is bytes and a name.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::timeout;

use crate::error::Error;

/// For one piece of a few MiB, to or from wherever it is kept.
const PIECE: Duration = Duration::from_secs(60);

/// Keeps a piece of an owner's files and says under which name.
pub type Put = Arc<dyn Fn(String, Bytes) -> BoxFuture<'static, io::Result<String>> + Send + Sync>;
/// Brings an owner's piece of that name back.
pub type Get = Arc<dyn Fn(String, String) -> BoxFuture<'static, io::Result<Bytes>> + Send + Sync>;

/// Keeps pieces and brings them back.
#[derive(Clone)]
pub struct Pieces {
    /// Keeps one; when it answers, the piece is durable.
    pub put: Put,
    /// Brings one back. `NotFound`, `InvalidData` and `UnexpectedEof` mean that it
    /// is damaged for good; any other error that it may be had later.
    pub get: Get,
}

impl Pieces {
    /// Keeps nothing: for hands that make no checkpoints.
    #[must_use]
    pub fn none() -> Self {
        let nowhere = || io::Error::new(io::ErrorKind::Unsupported, "no checkpoints are kept here");
        Self {
            put: Arc::new(move |_, _| Box::pin(async move { Err(nowhere()) })),
            get: Arc::new(move |_, _| Box::pin(async move { Err(nowhere()) })),
        }
    }

    /// Keeps a piece.
    pub(crate) async fn keep(&self, owner: &str, piece: Bytes) -> Result<String, Error> {
        timeout(PIECE, (self.put)(owner.to_owned(), piece))
            .await
            .map_err(|_| Error::Deadline("a piece of a checkpoint was not kept"))?
            .map_err(Error::io("keep a piece of a checkpoint"))
    }

    /// Brings a piece back, unchecked.
    pub(crate) async fn fetch(&self, owner: &str, name: &str) -> Result<Bytes, Error> {
        let got = timeout(PIECE, (self.get)(owner.to_owned(), name.to_owned()))
            .await
            .map_err(|_| Error::Deadline("a piece of a checkpoint was not brought back"))?;
        got.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Error::Damaged(format!("piece {name}: {source}"))
            }
            _ => Error::Io {
                what: format!("bring back piece {name}"),
                source,
            },
        })
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pieces")
    }
}
