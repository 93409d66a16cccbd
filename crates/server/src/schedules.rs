//! Schedules are fired: one task looks at what is due, lets each slot happen, and
//! sleeps until the next one. It is rung when a schedule is made or changed here;
//! that another node made one it finds by looking, which it does every now and
//! then in any case. Every node may look: a slot happens once (`store`).
//!
//! It may not know what a schedule's session does, nor how it ends.

mod enact;

use std::time::Duration;

use futures::{StreamExt, stream};
use session::Millis;
use session::cron::{Cron, Zone};
use store::ScheduleRow;
use tokio::sync::Notify;

use crate::app::App;
use crate::clock;
pub use enact::by_hand;
use enact::{Passed, slot};

/// How often it looks in any case.
const SWEEP: Duration = Duration::from_secs(30);
/// How long it waits before it tries again what could not be done now.
const AGAIN: Duration = Duration::from_secs(2);
/// The shortest sleep: a clock that drifts may wake it a moment too early.
const NAP: Duration = Duration::from_millis(5);
/// Schedules that are looked at in one go.
const BATCH: u64 = 64;
/// Slots that happen beside each other.
const BESIDE: usize = 8;

/// Rings the task that fires schedules.
#[derive(Debug, Default)]
pub struct Schedules {
    rung: Notify,
}

impl Schedules {
    /// A schedule was made or changed: its slot may be the next one.
    pub fn ring(&self) {
        self.rung.notify_one();
    }
}

/// The first slot of a schedule after a moment.
#[must_use]
pub fn next(cron: &str, tz: Option<&str>, after: Millis) -> Option<Millis> {
    // Both were read when they were kept.
    let (cron, zone) = (Cron::parse(cron).ok()?, Zone::named(tz).ok()?);
    cron.next(after, &zone)
}

/// Fires schedules until the node drains.
pub async fn keep(app: App) {
    while !app.drain.is_cancelled() {
        let pause = look(&app).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "schedules were not looked at");
            AGAIN
        });
        // A ring while it looked is kept.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = app.schedules.rung.notified() => {}
            () = app.drain.cancelled() => break,
        }
    }
}

/// Lets what is due happen; how long to sleep then.
async fn look(app: &App) -> Result<Duration, store::Error> {
    let due = app.store.due_schedules(clock::now(), BATCH).await?;
    let more = due.len() as u64 == BATCH;
    let passed: Vec<Passed> = stream::iter(due)
        .map(|row| one(app, row))
        .buffer_unordered(BESIDE)
        .collect()
        .await;
    if passed.contains(&Passed::Later) {
        return Ok(AGAIN);
    }
    if more {
        return Ok(NAP);
    }
    let next = app.store.next_due().await?;
    Ok(next.map_or(SWEEP, |at| until(at, clock::now())))
}

/// Lets one slot happen, unless the node drains: then another one does.
async fn one(app: &App, row: ScheduleRow) -> Passed {
    match app.drain.is_cancelled() {
        true => Passed::Done,
        false => slot(app, row).await,
    }
}

fn until(at: Millis, now: Millis) -> Duration {
    let left = u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0);
    Duration::from_millis(left).clamp(NAP, SWEEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sleeps_until_the_next_slot_and_never_long() {
        for (at, sleeps) in [
            (1000, NAP),
            (1001, NAP),
            (1500, Duration::from_millis(500)),
            (i64::MAX, SWEEP),
            (i64::MIN, NAP),
        ] {
            assert_eq!(until(Millis(at), Millis(1000)), sleeps, "{at}");
        }
    }
}
