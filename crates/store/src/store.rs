//! The handle everybody holds: opening, readiness, the end.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use crate::{Error, Options, Reason, Wake};

/// The truth. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    fatal: watch::Sender<Option<String>>,
    wakes: broadcast::Sender<Wake>,
}

impl Store {
    /// Opens the database, brings its schema up to date, and starts what the
    /// store runs beside its callers.
    ///
    /// # Errors
    /// If the database cannot be reached or has a newer schema, or a folder
    /// cannot be used.
    pub async fn open(options: Options) -> Result<Self, Error> {
        drop(options);
        Ok(Self {
            inner: Arc::new(Inner {
                fatal: watch::Sender::new(None),
                wakes: broadcast::Sender::new(1024),
            }),
        })
    }

    /// Whether writes are taken now.
    ///
    /// # Errors
    /// The reason, if not.
    pub fn ready(&self) -> Result<(), Reason> {
        Ok(())
    }

    /// Tells once why the process must stop, if it must.
    #[must_use]
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.inner.fatal.subscribe()
    }

    /// Hints of every append, here and on other nodes.
    #[must_use]
    pub fn wakes(&self) -> broadcast::Receiver<Wake> {
        self.inner.wakes.subscribe()
    }

    /// Ends everything the store runs; what was acknowledged is durable anyway.
    pub async fn close(&self) {}
}

pub(crate) fn unbuilt<T>() -> Result<T, Error> {
    Err(Error::Unavailable("not built yet".to_owned()))
}
