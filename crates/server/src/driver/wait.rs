//! Waiting for a step to end: until it must be cut, and telling what is waited
//! on when that lasts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use session::{Command, Millis, Waiting, What, duty, waiting};

use super::lease;
use super::run::{Run, Stopped};
use crate::clock;
use crate::config::Config;

/// What a step waits on where the duty alone does not tell: a sandbox that is
/// being made, a model that is asked again. Shared with the part of the step
/// that knows.
#[derive(Clone, Default)]
pub(super) struct Stage(Arc<Mutex<Option<Waiting>>>);

impl Stage {
    /// It waits on this now; for so many milliseconds at most, if that is known.
    pub(super) fn enter(&self, what: What, within: Option<i64>, next: &str) {
        let since = clock::now();
        self.put(Some(Waiting {
            what,
            since,
            deadline: within.map(|ms| since.plus(ms)),
            next: next.to_owned(),
            place: None,
        }));
    }

    /// It waits on what its duty says.
    pub(super) fn leave(&self) {
        self.put(None);
    }

    fn get(&self) -> Option<Waiting> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn put(&self, waiting: Option<Waiting>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }
}

impl Run {
    /// Waits until the step begun at number `began` must be cut: the turn was
    /// canceled or is over its deadline, a message interrupts it, or the run
    /// itself must stop. Never returns otherwise.
    pub(super) async fn cut(&mut self, began: u64) -> Result<(), Stopped> {
        let often = lease::every(&self.app.config);
        loop {
            self.may_finish_step()?;
            self.handle.beat();
            let deadline = duty::deadline(&self.frozen, &self.fold.state);
            let state = &self.fold.state;
            let over = state.turn.as_ref().is_none_or(|turn| turn.cancel.is_some());
            if over
                || state.interrupted_since(began)
                || deadline.is_some_and(|at| clock::now() >= at)
            {
                return Ok(());
            }
            self.tell_wait().await?;
            let (wake, lost, halt) = (
                self.handle.wake.clone(),
                self.handle.lost.clone(),
                self.app.halt.clone(),
            );
            tokio::select! {
                () = wake.notified() => self.catch_up().await?,
                () = lost.cancelled() => {}
                () = halt.cancelled() => {}
                () = until(deadline) => {}
                () = tokio::time::sleep(often.min(self.lasts())) => {}
            }
        }
    }

    /// What is waited on now.
    fn waits(&self) -> Option<Waiting> {
        self.stage
            .get()
            .or_else(|| waiting(&self.frozen, &self.fold.state, clock::now()))
    }

    /// How long until the wait that is on lasts.
    fn lasts(&self) -> Duration {
        let enough = lasting(&self.app.config);
        let waited = self
            .waits()
            .map_or(0, |wait| clock::now().since(wait.since));
        let left = enough.saturating_sub(waited);
        // One that lasts already was told.
        u64::try_from(left)
            .ok()
            .filter(|left| *left > 0)
            .map_or(Duration::MAX, Duration::from_millis)
    }

    /// Says what is waited on, once the wait lasts; once for each wait.
    async fn tell_wait(&mut self) -> Result<(), Stopped> {
        match self.waits() {
            Some(wait) if lasts(&wait, clock::now(), lasting(&self.app.config)) => {
                self.commit(Command::Waiting(wait)).await
            }
            _ => Ok(()),
        }
    }
}

/// Whether a wait lasts: it has, or it is a pause that is known to.
fn lasts(wait: &Waiting, now: Millis, enough: i64) -> bool {
    let pause = wait.deadline.filter(|_| wait.what == What::Retry);
    let until = pause.unwrap_or(now).max(now);
    until.since(wait.since) >= enough
}

/// Milliseconds after which a wait lasts.
pub(super) fn lasting(config: &Config) -> i64 {
    let seconds = config.turns.waiting_seconds;
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// Waits until that moment; for ever if there is none.
async fn until(at: Option<Millis>) {
    match at {
        Some(at) => {
            let ms = u64::try_from(at.since(clock::now())).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        None => std::future::pending().await,
    }
}
