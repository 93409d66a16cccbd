//! Whether writes are taken, and the end of all promises.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::{Error, Reason};

/// What became of the writes so far.
pub(crate) struct Health {
    unwell: Mutex<Option<Reason>>,
    fatal: watch::Sender<Option<String>>,
}

/// Counts since the start.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) events: AtomicU64,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            unwell: Mutex::default(),
            fatal: watch::Sender::new(None),
        }
    }
}

impl Health {
    /// Takes note of what a failed write means for those to come.
    pub(crate) fn take(&self, error: &Error) {
        match error {
            Error::Full | Error::Unavailable(_) => self.set(Some(Reason(error.to_string()))),
            Error::Fatal(why) => {
                self.set(Some(Reason(error.to_string())));
                // The first reason is the cause; later ones are its effects.
                self.fatal.send_if_modified(|fatal| {
                    let first = fatal.is_none();
                    fatal.get_or_insert_with(|| why.clone());
                    first
                });
            }
            _ => {}
        }
    }

    /// A write was durable.
    pub(crate) fn well(&self) {
        if self.reason().is_some() && self.fatal.borrow().is_none() {
            self.set(None);
        }
    }

    /// Refuses everything after the end.
    pub(crate) fn alive(&self) -> Result<(), Error> {
        match &*self.fatal.borrow() {
            Some(why) => Err(Error::Fatal(why.clone())),
            None => Ok(()),
        }
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.unwell
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.subscribe()
    }

    fn set(&self, reason: Option<Reason>) {
        *self.unwell.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

impl Counters {
    pub(crate) fn wrote(&self, writes: u64) {
        self.commits.fetch_add(1, Relaxed);
        self.writes.fetch_add(writes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_passes_and_a_failed_sync_does_not() {
        let health = Health::default();
        health.take(&Error::Full);
        assert!(health.reason().is_some() && health.alive().is_ok());
        health.well();
        assert_eq!(health.reason(), None);

        health.take(&Error::Fatal("fsync".to_owned()));
        health.take(&Error::Fatal("and then".to_owned()));
        health.well();
        assert!(health.reason().is_some(), "no write makes up for it");
        assert_eq!(health.fatal().borrow().as_deref(), Some("fsync"));
        assert!(matches!(health.alive(), Err(Error::Fatal(why)) if why == "fsync"));
    }

    #[test]
    fn a_refusal_is_no_illness() {
        let health = Health::default();
        for error in [Error::Stale { head: 1 }, Error::Fenced, Error::NotFound] {
            health.take(&error);
        }
        assert_eq!(health.reason(), None);
    }
}
