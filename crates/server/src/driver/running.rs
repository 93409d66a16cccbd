//! The sessions this node runs: how a run is told something from outside its
//! task, and how it shows that it moves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session::Millis;
use session::fact::Lapse;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// What a running session can be told from outside its task, and what it shows.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) epoch: u64,
    /// Its log grew: look again.
    pub(super) wake: Arc<Notify>,
    /// The number up to which the run knows its log, its own append that is on
    /// the way included: a wake for that much is no news.
    pub(super) known: Arc<AtomicU64>,
    /// Its lease is gone: stop at once and write nothing more.
    pub(super) lost: CancellationToken,
    /// When it last showed that it moves.
    beat: Arc<AtomicI64>,
}

impl Handle {
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            wake: Arc::default(),
            known: Arc::default(),
            lost: CancellationToken::new(),
            beat: Arc::new(AtomicI64::new(clock::now().0)),
        }
    }

    /// The run moves. Said between two steps, and now and then within a long
    /// one whose end is bounded.
    pub(super) fn beat(&self) {
        self.beat.store(clock::now().0, Ordering::Relaxed);
    }
}

/// A run, and what ends its task.
struct Entry {
    handle: Handle,
    task: Option<AbortHandle>,
}

/// The sessions this node runs, by id.
#[derive(Default)]
pub struct Running {
    runs: Mutex<HashMap<String, Entry>>,
    /// Why the run of a session did not go on, until the next one says so.
    lapses: Mutex<HashMap<String, Lapse>>,
    /// Rung when the last run is gone.
    emptied: Notify,
}

impl Running {
    /// How many sessions run here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map().len()
    }

    /// Whether none runs here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether that session runs here.
    #[must_use]
    pub fn holds(&self, session: &str) -> bool {
        self.map().contains_key(session)
    }

    /// The number up to which the run of that session knows its log.
    #[must_use]
    pub fn known(&self, session: &str) -> Option<u64> {
        let map = self.map();
        map.get(session)
            .map(|entry| entry.handle.known.load(Ordering::Relaxed))
    }

    /// Tells a run that its log grew; false if none runs here.
    pub(super) fn wake(&self, session: &str, head: u64) -> bool {
        let map = self.map();
        let Some(Entry { handle, .. }) = map.get(session) else {
            return false;
        };
        if head > handle.known.load(Ordering::Relaxed) {
            handle.wake.notify_one();
        }
        true
    }

    pub(super) fn wake_all(&self) {
        let map = self.map();
        map.values()
            .for_each(|entry| entry.handle.wake.notify_one());
    }

    /// Takes a run in. An older run of the same session has lost its lease to it.
    pub(super) fn enter(&self, session: &str, handle: Handle) {
        let entry = Entry { handle, task: None };
        if let Some(older) = self.map().insert(session.to_owned(), entry) {
            older.handle.lost.cancel();
        }
    }

    /// Notes what ends the task of the run with that epoch.
    pub(super) fn carried_by(&self, session: &str, epoch: u64, task: AbortHandle) {
        if let Some(entry) = self.map().get_mut(session)
            && entry.handle.epoch == epoch
        {
            entry.task = Some(task);
        }
    }

    /// Forgets the run with that epoch.
    pub(super) fn leave(&self, session: &str, epoch: u64) {
        let mut map = self.map();
        if map
            .get(session)
            .is_some_and(|entry| entry.handle.epoch == epoch)
        {
            map.remove(session);
        }
        if map.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Waits until none runs here.
    pub async fn emptied(&self) {
        loop {
            let mut rung = std::pin::pin!(self.emptied.notified());
            // Heard from here on: a run that leaves between the look and the wait rings too.
            rung.as_mut().enable();
            if self.is_empty() {
                return;
            }
            rung.await;
        }
    }

    /// The sessions that run here and their epochs.
    pub(super) fn held(&self) -> Vec<(String, u64)> {
        let map = self.map();
        map.iter()
            .map(|(id, entry)| (id.clone(), entry.handle.epoch))
            .collect()
    }

    /// Tells runs that their lease is gone.
    pub(super) fn lost<'a>(&self, sessions: impl Iterator<Item = &'a String>) {
        let map = self.map();
        for entry in sessions.filter_map(|session| map.get(session)) {
            entry.handle.lost.cancel();
        }
    }

    /// Takes away the runs that have not moved since that moment, and ends
    /// their tasks as far as a task that is stuck can be ended.
    pub(super) fn take_silent(&self, since: Millis) -> Vec<(String, u64)> {
        let mut map = self.map();
        let silent = |entry: &Entry| entry.handle.beat.load(Ordering::Relaxed) < since.0;
        let stuck: Vec<_> = map
            .iter()
            .filter(|(_, entry)| silent(entry))
            .map(|(id, _)| id.clone())
            .collect();
        let taken = stuck.into_iter().filter_map(|id| {
            let entry = map.remove(&id)?;
            entry.handle.lost.cancel();
            entry.task.inspect(AbortHandle::abort);
            Some((id, entry.handle.epoch))
        });
        let taken = taken.collect();
        if map.is_empty() {
            self.emptied.notify_waiters();
        }
        taken
    }

    /// Notes why the run of a session did not go on.
    pub(super) fn lapsed(&self, session: &str, lapse: Lapse) {
        let mut lapses = self.lapses.lock().unwrap_or_else(PoisonError::into_inner);
        lapses.insert(session.to_owned(), lapse);
    }

    /// Why the run before did not go on, if that happened here.
    pub(super) fn lapse(&self, session: &str) -> Option<Lapse> {
        let mut lapses = self.lapses.lock().unwrap_or_else(PoisonError::into_inner);
        lapses.remove(session)
    }

    fn map(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
