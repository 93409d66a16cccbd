//! The door for sessions born with this node's lease: they are run without
//! being looked for, and without reading back what was just written.

use std::sync::{Arc, Mutex, PoisonError};

use store::{Birth, Logged, SessionRow};
use tokio::sync::mpsc;

use super::lease;
use crate::app::App;
use crate::clock;

/// Sessions that may wait to be run right after their birth.
const BORN: usize = 1024;

/// A session this node holds the lease of, with the facts known of it.
pub(super) struct Born {
    pub(super) row: SessionRow,
    pub(super) events: Vec<Arc<Logged>>,
    /// The dead node it was taken from, if it was.
    pub(super) from: Option<String>,
}

/// The door.
pub struct Births {
    to: mpsc::Sender<Born>,
    from: Mutex<Option<mpsc::Receiver<Born>>>,
}

/// A place for one session that is about to be born.
pub struct Place(mpsc::OwnedPermit<Born>);

impl Place {
    /// Hands the session over to the driver, with the facts it was born with.
    pub fn take(self, row: SessionRow, events: Vec<Arc<Logged>>) {
        self.0.send(Born {
            row,
            events,
            from: None,
        });
    }
}

impl Default for Births {
    fn default() -> Self {
        let (to, from) = mpsc::channel(BORN);
        Self {
            to,
            from: Mutex::new(Some(from)),
        }
    }
}

impl Births {
    /// A place for a session of that org that is about to be born with this
    /// node's lease; `None` if this node has no room, and the session is to be
    /// born free.
    #[must_use]
    pub fn reserve(&self, app: &App, org: &str) -> Option<(Place, Birth)> {
        if app.running.len() >= app.config.node.max_running || app.drain.is_cancelled() {
            return None;
        }
        let place = Place(self.to.clone().try_reserve_owned().ok()?);
        let until = clock::now().plus(lease::length(&app.config));
        let birth = Birth {
            node: app.node.clone(),
            until,
            most: app.config.turns.at_once(org),
        };
        Some((place, birth))
    }

    /// The other side of the door, once.
    pub(super) fn open(&self) -> Option<mpsc::Receiver<Born>> {
        let mut from = self.from.lock().unwrap_or_else(PoisonError::into_inner);
        from.take()
    }
}
