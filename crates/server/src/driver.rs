//! The driver: takes leases on sessions that have something due, and runs each
//! in a task of its own until it is at rest.
//!
//! There is one way in. Starting a session, resuming one after a crash, taking
//! one over from a dead node and waking an idle one are all: take the lease,
//! fold the facts, ask for the duty, do it. A wake only shortens the wait; a
//! sweep finds the work anyway.

mod act;
mod commit;
mod compact;
mod failure;
mod lease;
mod run;
mod think;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use store::{Birth, Logged, Quota, SessionRow};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::clock;

/// Longest wait until due work is looked for without a wake.
const SWEEP: Duration = Duration::from_secs(1);
/// Sessions that may wait to be run right after their birth.
const BORN: usize = 1024;

/// What a running session can be told from outside its task.
#[derive(Clone)]
struct Handle {
    epoch: u64,
    /// Its log grew: look again.
    wake: Arc<Notify>,
    /// The number up to which the run knows its log, its own append that is on
    /// the way included: a wake for that much is no news.
    known: Arc<AtomicU64>,
    /// Its lease is gone: stop at once and write nothing more.
    lost: CancellationToken,
}

/// The sessions this node runs, by id.
#[derive(Default)]
pub struct Running(Mutex<HashMap<String, Handle>>);

/// The door for sessions born with this node's lease: they are run without
/// being looked for, and without reading back what was just written.
pub struct Births {
    to: mpsc::Sender<Born>,
    from: Mutex<Option<mpsc::Receiver<Born>>>,
}

/// A session this node holds the lease of, with the facts known of it.
struct Born {
    row: SessionRow,
    events: Vec<Arc<Logged>>,
}

/// A place for one session that is about to be born.
pub struct Place(mpsc::OwnedPermit<Born>);

impl Place {
    /// Hands the session over to the driver, with the facts it was born with.
    pub fn take(self, row: SessionRow, events: Vec<Arc<Logged>>) {
        self.0.send(Born { row, events });
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
    /// A place for a session that is about to be born with this node's lease;
    /// `None` if this node has no room, and the session is to be born free.
    #[must_use]
    pub fn reserve(&self, app: &App) -> Option<(Place, Birth)> {
        if app.running.len() >= app.config.node.max_running || app.drain.is_cancelled() {
            return None;
        }
        let place = Place(self.to.clone().try_reserve_owned().ok()?);
        let until = clock::now().plus(lease::length(&app.config));
        Some((
            place,
            Birth {
                node: app.node.clone(),
                until,
                most: usize::MAX,
            },
        ))
    }
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

    fn wake(&self, session: &str, head: u64) -> bool {
        let map = self.map();
        let Some(handle) = map.get(session) else {
            return false;
        };
        if head > handle.known.load(Ordering::Relaxed) {
            handle.wake.notify_one();
        }
        true
    }

    fn wake_all(&self) {
        self.map()
            .values()
            .for_each(|handle| handle.wake.notify_one());
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<String, Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drives sessions until the node drains; returns when no run is left.
pub async fn drive(app: App) {
    let mut runs: JoinSet<(String, u64)> = JoinSet::new();
    let mut wakes = app.store.wakes();
    let born = app
        .births
        .from
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(mut born) = born else { return };
    let mut renewal = lease::Renewal::new(&app.config);
    // Made once: a wait begun anew in every round would never end on a busy node.
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = true;
    while !app.drain.is_cancelled() {
        if look {
            look = claim(&app, &mut runs).await;
        }
        tokio::select! {
            () = app.drain.cancelled() => {}
            Some(born) = born.recv() => begin(&app, &mut runs, born),
            Some(ended) = runs.join_next() => { forget(&app, ended); look = true; }
            wake = wakes.recv() => look |= woken(&app, wake),
            () = renewal.due() => renewal.renew(&app).await,
            _ = sweep.tick() => look = true,
        }
    }
    finish(&app, runs, renewal).await;
}

/// Whether a wake means that due work should be looked for.
fn woken(app: &App, wake: Result<store::Wake, broadcast::error::RecvError>) -> bool {
    match wake {
        Ok(wake) => !app.running.wake(&wake.session, wake.head) && wake.due,
        Err(broadcast::error::RecvError::Lagged(_)) => {
            app.running.wake_all();
            true
        }
        Err(broadcast::error::RecvError::Closed) => false,
    }
}

/// Takes leases as far as there is room. Whether there may be more to take.
async fn claim(app: &App, runs: &mut JoinSet<(String, u64)>) -> bool {
    const BATCH: usize = 64;
    let room = app
        .config
        .node
        .max_running
        .saturating_sub(app.running.len())
        .min(BATCH);
    if room == 0 {
        return false;
    }
    let now = clock::now();
    let until = now.plus(lease::length(&app.config));
    match app
        .store
        .claim(&app.node, now, until, room, &Quota::default())
        .await
    {
        Ok(rows) => {
            let more = rows.len() == room;
            rows.into_iter().for_each(|claimed| {
                begin(
                    app,
                    runs,
                    Born {
                        row: claimed.row,
                        events: Vec::new(),
                    },
                )
            });
            more
        }
        Err(error) => {
            tracing::warn!(%error, "cannot look for due sessions");
            false
        }
    }
}

fn begin(app: &App, runs: &mut JoinSet<(String, u64)>, born: Born) {
    let row = &born.row;
    let handle = Handle {
        epoch: row.epoch,
        wake: Arc::default(),
        known: Arc::default(),
        lost: CancellationToken::new(),
    };
    let before = app.running.map().insert(row.id.clone(), handle.clone());
    // An older run of the same session has lost its lease to this one.
    before.inspect(|older| older.lost.cancel());
    let name = (row.id.clone(), row.epoch);
    let run = run::run(app.clone(), born, handle);
    runs.spawn(async move {
        run.await;
        name
    });
    app.metrics.running(app.running.len());
}

fn forget(app: &App, ended: Result<(String, u64), tokio::task::JoinError>) {
    match ended {
        Ok((session, epoch)) => {
            let mut map = app.running.map();
            if map
                .get(&session)
                .is_some_and(|handle| handle.epoch == epoch)
            {
                map.remove(&session);
            }
        }
        // The lease runs out and the session is taken up again from its facts.
        Err(error) => {
            tracing::error!(%error, "a run ended badly");
            app.running
                .map()
                .retain(|_, handle| Arc::strong_count(&handle.wake) > 1);
        }
    }
    app.metrics.running(app.running.len());
}

/// Lets the runs hand over; leases are kept alive meanwhile.
async fn finish(app: &App, mut runs: JoinSet<(String, u64)>, mut renewal: lease::Renewal) {
    app.running.wake_all();
    loop {
        tokio::select! {
            ended = runs.join_next() => match ended {
                Some(ended) => forget(app, ended),
                None => return,
            },
            () = renewal.due() => renewal.renew(app).await,
        }
    }
}
