//! The driver: takes leases on sessions that have something due, and runs each
//! in a task of its own until it is at rest.
//!
//! There is one way in. Starting a session, resuming one after a crash, taking
//! one over from a dead node and waking an idle one are all: take the lease,
//! fold the facts, ask for the duty, do it. A wake only shortens the wait; a
//! sweep finds the work anyway. Leases are renewed and runs looked after by
//! tasks of their own (`lease`, `reaper`).

mod act;
mod births;
mod budget;
mod commit;
mod compact;
mod failure;
mod lease;
mod line;
mod reaper;
mod run;
mod running;
mod sabotage;
mod think;
mod unknown;
mod wait;

use std::collections::HashMap;
use std::time::Duration;

use session::fact::Lapse;
use store::{Claimed, Quota};
use tokio::sync::broadcast;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

pub use births::{Births, Place};
pub use lease::keep;
pub use line::tell;
pub use reaper::reap;
pub use running::Running;

use births::Born;
use running::Handle;

use crate::app::App;
use crate::clock;

/// Longest wait until due work is looked for without a wake.
const SWEEP: Duration = Duration::from_secs(1);

/// The tasks of the runs, and which session each is.
#[derive(Default)]
struct Runs {
    tasks: JoinSet<()>,
    names: HashMap<Id, (String, u64)>,
}

/// Drives sessions until the node drains; returns when no run is left.
pub async fn drive(app: App) {
    let mut runs = Runs::default();
    let mut wakes = app.store.wakes();
    let Some(mut born) = app.births.open() else {
        return;
    };
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
            // There is more to take than one look takes.
            () = std::future::ready(()), if look => {}
            Some(born) = born.recv() => begin(&app, &mut runs, born),
            Some(ended) = runs.tasks.join_next_with_id() => {
                forget(&app, &mut runs, ended).await;
                look = true;
            }
            wake = wakes.recv() => look |= woken(&app, wake),
            _ = sweep.tick() => look = true,
        }
    }
    // The runs hand over; their leases are kept alive meanwhile.
    app.running.wake_all();
    while let Some(ended) = runs.tasks.join_next_with_id().await {
        forget(&app, &mut runs, ended).await;
    }
}

/// Whether a wake means that due work should be looked for.
fn woken(app: &App, wake: Result<store::Wake, broadcast::error::RecvError>) -> bool {
    match wake {
        // Its end: whatever runs of it stops at once.
        Ok(wake) if wake.head == 0 => {
            app.running.lost(std::iter::once(&wake.session));
            false
        }
        Ok(wake) => !app.running.wake(&wake.session, wake.head) && wake.due,
        Err(broadcast::error::RecvError::Lagged(_)) => {
            app.running.wake_all();
            true
        }
        Err(broadcast::error::RecvError::Closed) => false,
    }
}

/// Takes leases as far as there is room. Whether there may be more to take.
async fn claim(app: &App, runs: &mut Runs) -> bool {
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
    let quota = quota(app);
    match app.store.claim(&app.node, now, until, room, &quota).await {
        Ok(claimed) => {
            let more = claimed.len() == room;
            for Claimed { row, from } in claimed {
                let events = Vec::new();
                begin(app, runs, Born { row, events, from });
            }
            more
        }
        Err(error) => {
            tracing::warn!(%error, "cannot look for due sessions");
            false
        }
    }
}

/// How many turns of an org may run at once.
fn quota(app: &App) -> Quota {
    let turns = &app.config.turns;
    Quota {
        each: turns.org_turns,
        of: turns.org_turns_of.clone(),
    }
}

fn begin(app: &App, runs: &mut Runs, born: Born) {
    let (session, epoch) = (born.row.id.clone(), born.row.epoch);
    let handle = Handle::new(epoch);
    app.running.enter(&session, handle.clone());
    let task = runs.tasks.spawn(run::run(app.clone(), born, handle));
    runs.names.insert(task.id(), (session.clone(), epoch));
    app.running.carried_by(&session, epoch, task);
    app.metrics.running(app.running.len());
}

/// A run ended. One that broke gives its session back at once, to be taken up
/// again from its facts.
async fn forget(app: &App, runs: &mut Runs, ended: Result<(Id, ()), JoinError>) {
    let id = match &ended {
        Ok((id, ())) => *id,
        Err(error) => error.id(),
    };
    let Some((session, epoch)) = runs.names.remove(&id) else {
        return;
    };
    app.running.leave(&session, epoch);
    app.metrics.running(app.running.len());
    // One that was ended from outside was given back by whoever ended it.
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, session, "a run broke and is replaced");
        app.running.lapsed(&session, Lapse::Panicked);
        reaper::release(app, &session, epoch).await;
    }
}
