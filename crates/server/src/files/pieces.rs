//! Where the pieces of checkpoints are kept: sealed, in the blob store.

use std::io;
use std::sync::Arc;

use futures::FutureExt;
use hands::Pieces;
use store::{Error, Store};

use crate::points;

/// The pieces of that store. An owner of a sandbox is a session.
#[must_use]
pub fn pieces(store: &Store) -> Pieces {
    let (keeps, brings) = (store.clone(), store.clone());
    Pieces {
        put: Arc::new(move |session, piece| {
            let store = keeps.clone();
            async move {
                let org = store.org_of(&session).await.map_err(told)?;
                let name = store.piece_put(&org, &session, piece).await.map_err(told)?;
                points::passed("checkpoint.half");
                Ok(name)
            }
            .boxed()
        }),
        get: Arc::new(move |session, name| {
            let store = brings.clone();
            async move {
                let org = store.org_of(&session).await.map_err(told)?;
                store.piece_get(&org, &name).await.map_err(told)
            }
            .boxed()
        }),
    }
}

/// An error of the store as the hands know it: damage is told from absence.
fn told(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound => io::ErrorKind::NotFound,
        Error::Damaged(_) | Error::Corrupt { .. } | Error::Sealed => io::ErrorKind::InvalidData,
        Error::Full => io::ErrorKind::StorageFull,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
