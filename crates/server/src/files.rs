//! The files of sessions: made safe after each turn and while a long one runs,
//! put to sleep with their sandbox when a session idles, and brought back when
//! its next call needs them.
//!
//! It promises that a sandbox is ended only after its files are safe and the
//! log says so, and that nobody gets a sandbox with old files: the log names the
//! one that counts. What it may not know: what runs in a sandbox, and how files
//! are packed.

mod keep;
mod pieces;
mod save;
mod start;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session::Millis;
use tokio::sync::{Notify, OwnedMutexGuard};

use crate::app::App;

pub use keep::keep;
pub use pieces::pieces;
pub use start::Fresh;

/// What is remembered of the files of each session with a sandbox here. All of
/// it may be forgotten: it only spares work.
#[derive(Default)]
pub struct Files {
    marks: Mutex<HashMap<String, Mark>>,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    bell: Notify,
}

/// What was seen of a sandbox last.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// Bytes written to its disk when its files were last safe.
    written: Option<u64>,
    /// When that was.
    saved: Millis,
    /// When it was first found at work.
    begun: Millis,
    /// When to look at it again.
    next: Millis,
    /// When its time was last counted.
    counted: Millis,
}

impl Files {
    /// Ends the session's sandbox, if it has one here.
    pub async fn end(&self, app: &App, session: &str) {
        if let Err(error) = app.hands.destroy(session).await {
            tracing::warn!(%error, session, "cannot end a sandbox");
        }
        self.marks().remove(session);
        if app.shares()
            && let Err(error) = app.store.lives_elsewhere(session).await
        {
            tracing::warn!(%error, session, "other nodes are not told where its sandbox is not");
        }
    }

    /// Tells other nodes that the session's sandbox is here, so that they leave its
    /// next turn to this one.
    pub async fn lives_here(&self, app: &App, session: &str) {
        if app.shares()
            && let Err(error) = app.store.lives_here(session).await
        {
            tracing::warn!(%error, session, "other nodes are not told where its sandbox is");
        }
    }

    /// The session came to rest: its files are made safe soon.
    pub fn look_after(&self, session: &str) {
        if let Some(mark) = self.marks().get_mut(session) {
            mark.next = Millis::default();
        }
        self.bell.notify_one();
    }

    /// Who holds this may start, checkpoint or end the session's sandbox.
    async fn lock(&self, session: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody holds are forgotten when there are many.
            if locks.len() > 1024 {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(session.to_owned()).or_default())
        };
        lock.lock_owned().await
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<String, Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
