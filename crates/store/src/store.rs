//! The handle everybody holds: opening, readiness, the end.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;

use crate::alone::Lock;
use crate::blobs::Blobs;
use crate::db::{Counters, Db, Health};
use crate::hub::Hub;
use crate::leases::Nodes;
use crate::litter::Marked;
use crate::vault::Ring;
use crate::{Error, Options, Passed, Reason, Wake};

/// Wakes a reader may lie behind.
const WAKES: usize = 1024;

/// The truth. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    lock: Lock,
    blobs: Blobs,
    ring: Arc<Ring>,
    hub: Hub,
    nodes: Nodes,
    marked: Marked,
    wakes: broadcast::Sender<Wake>,
    /// Rung when something came into the outbox here.
    outbox: Notify,
    /// Rung when a session was erased here.
    erased: Notify,
    /// Where this process has its sandboxes.
    place: OnceLock<String>,
    health: Arc<Health>,
    counters: Arc<Counters>,
    /// Tells our own hints from those of other nodes.
    mark: u64,
    passed: Option<Passed>,
    tasks: Mutex<JoinSet<()>>,
}

impl Store {
    /// Opens the database, brings its schema up to date, and starts what the
    /// store runs beside its callers.
    ///
    /// # Errors
    /// If the database cannot be reached, has a newer schema or secrets of
    /// another master key, or if a folder cannot be used.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let (health, counters) = (Arc::new(Health::default()), Arc::new(Counters::default()));
        let lock = Lock::of(&options.database);
        let db = Db::open(options.database, health.clone(), counters.clone()).await?;
        let store = Self {
            inner: Arc::new(Inner {
                db,
                lock,
                blobs: Blobs::open(&options.blobs)?,
                ring: Arc::new(Ring::new(options.master)),
                hub: Hub::default(),
                nodes: Nodes::default(),
                marked: Marked::default(),
                wakes: broadcast::Sender::new(WAKES),
                outbox: Notify::new(),
                erased: Notify::new(),
                place: OnceLock::new(),
                health,
                counters,
                mark: rand::random(),
                passed: options.passed,
                tasks: Mutex::default(),
            }),
        };
        store.check_master().await?;
        store.start_hearing();
        Ok(store)
    }

    /// Whether writes are taken now.
    ///
    /// # Errors
    /// The reason, if not. Asking also tries whether they would be again, so
    /// that a store that nobody writes to recovers by itself.
    pub fn ready(&self) -> Result<(), Reason> {
        match self.inner.health.reason() {
            None => self.inner.blobs.ready(),
            Some(reason) => {
                self.inner.db.probe();
                Err(reason)
            }
        }
    }

    /// Tells once why the process must stop, if it must.
    #[must_use]
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.inner.health.fatal()
    }

    /// Hints of every append here and on other nodes, except those by which a
    /// driver on this node told itself nothing new.
    #[must_use]
    pub fn wakes(&self) -> broadcast::Receiver<Wake> {
        self.inner.wakes.subscribe()
    }

    /// Ends everything the store runs; what was acknowledged is durable anyway.
    pub async fn close(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks());
        tasks.shutdown().await;
        self.inner.db.close().await;
        self.inner.lock.release();
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) fn lock(&self) -> &Lock {
        &self.inner.lock
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.inner.ring
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    pub(crate) fn nodes(&self) -> &Nodes {
        &self.inner.nodes
    }

    pub(crate) fn marked(&self) -> &Marked {
        &self.inner.marked
    }

    /// Rung when a session was erased here: there is something to bury.
    #[must_use]
    pub fn erased(&self) -> &Notify {
        &self.inner.erased
    }

    pub(crate) fn place_cell(&self) -> &OnceLock<String> {
        &self.inner.place
    }

    pub(crate) fn outbox(&self) -> &Notify {
        &self.inner.outbox
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    pub(crate) fn mark(&self) -> u64 {
        self.inner.mark
    }

    /// Tells a drill of a named moment.
    pub(crate) fn passed(&self, moment: &'static str) {
        if let Some(passed) = &self.inner.passed {
            passed(moment);
        }
    }

    pub(crate) fn tasks(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.inner
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a hint on to whoever listens here.
    pub(crate) fn wake(&self, wake: Wake) {
        // Nobody listening is fine: the work is found by looking.
        let _ = self.inner.wakes.send(wake);
    }

    /// Counts events that became durable.
    pub(crate) fn count_events(&self, events: usize) {
        self.inner.counters.events.fetch_add(events as u64, Relaxed);
    }
}
