//! The sessions that somebody on this node follows, each with one bounded ring
//! that all its followers share. A session nobody follows costs nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::Logged;

/// Appends a follower may lie behind before it goes back to the store.
const RING: usize = 64;

/// What followers are told.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// New events, in full: those of one append, so that whoever follows is
    /// woken once.
    Events(Arc<[Arc<Logged>]>),
    /// Something may have come that is not told in full: look in the store.
    Look,
}

struct Followed {
    ring: broadcast::Sender<Told>,
    /// Newest number told in full.
    told: u64,
}

/// The followed sessions.
#[derive(Default)]
pub(crate) struct Hub(Mutex<HashMap<String, Followed>>);

impl Hub {
    /// A place among the followers of a session.
    pub(crate) fn join(&self, session: &str) -> broadcast::Receiver<Told> {
        let mut map = self.map();
        let followed = map.entry(session.to_owned()).or_insert_with(|| Followed {
            ring: broadcast::Sender::new(RING),
            told: 0,
        });
        followed.ring.subscribe()
    }

    /// Frees what nobody follows any more; called after a follower is gone.
    pub(crate) fn leave(&self, session: &str) {
        let mut map = self.map();
        if map
            .get(session)
            .is_some_and(|followed| followed.ring.receiver_count() == 0)
        {
            map.remove(session);
        }
    }

    /// Tells the followers of a session its new events.
    pub(crate) fn tell(&self, session: &str, events: &[Arc<Logged>]) {
        let mut map = self.map();
        let Some(followed) = map.get_mut(session) else {
            return;
        };
        let told = events.partition_point(|event| event.event.seq <= followed.told);
        let Some(last) = events[told..].last() else {
            return;
        };
        followed.told = last.event.seq;
        // Followers may all be leaving just now.
        let _ = followed.ring.send(Told::Events(events[told..].into()));
    }

    /// Where another node's events are to be read from to tell them here, once
    /// for all followers; `None` if nobody follows or all was told.
    pub(crate) fn behind(&self, session: &str, head: u64) -> Option<u64> {
        let map = self.map();
        let told = map.get(session)?.told;
        (told < head).then(|| told.max(head.saturating_sub(RING as u64)))
    }

    /// Lets the followers of a session go: it was erased.
    pub(crate) fn close(&self, session: &str) {
        self.map().remove(session);
    }

    /// Sends the followers of a session to the store.
    pub(crate) fn look(&self, session: &str) {
        if let Some(followed) = self.map().get(session) {
            let _ = followed.ring.send(Told::Look);
        }
    }

    /// Sends all followers to the store.
    pub(crate) fn look_all(&self) {
        for followed in self.map().values() {
            let _ = followed.ring.send(Told::Look);
        }
    }

    /// How many sessions are followed.
    pub(crate) fn len(&self) -> usize {
        self.map().len()
    }

    fn map(&self) -> MutexGuard<'_, HashMap<String, Followed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
