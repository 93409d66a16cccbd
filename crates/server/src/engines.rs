//! Where other people's engines run: each in a *brain sandbox* of its own, with
//! its runtime's folder and nothing else in it, and one way out, to the door.
//!
//! It promises that such a sandbox ends with its engine, that none of a server
//! before is left, and that nothing of it is kept: what an engine knows it knows
//! from the session's log. What it may not know: how an engine is talked to
//! (the brain's), and what a session is.

mod place;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hands::Hands;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::app::App;

pub use place::{Yard, spawn};

/// How brain sandboxes are named among the owners.
const MARK: &str = "brain:";
/// How often idle engines are looked for.
const LOOK: Duration = Duration::from_secs(5);

/// The session whose brain sandbox that owner is; `None` if it is none.
#[must_use]
pub fn session_of(owner: &str) -> Option<&str> {
    let (session, _) = owner.strip_prefix(MARK)?.split_once(':')?;
    Some(session)
}

/// Brain sandboxes whose engine is gone, until they are ended.
#[derive(Default)]
pub struct Graves {
    owners: Mutex<Vec<String>>,
    rung: Notify,
    number: AtomicU64,
}

impl Graves {
    /// A name for a new brain sandbox; no two are the same while this server runs.
    fn name(&self, session: &str) -> String {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        format!("{MARK}{session}:{number}")
    }

    fn add(&self, owner: String) {
        self.list().push(owner);
        self.rung.notify_one();
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.list())
    }

    fn list(&self) -> MutexGuard<'_, Vec<String>> {
        // Nothing panics while it holds the lock.
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends engines that idle, and the sandboxes of engines that are gone, until the
/// node drains; then all of them.
pub async fn keep(app: App) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !app.drain.is_cancelled() {
        tokio::select! {
            _ = look.tick() => app.engines.sweep(),
            () = app.graves.rung.notified() => {}
            () = app.drain.cancelled() => break,
        }
        for owner in app.graves.take() {
            end(&app.hands, &owner).await;
        }
    }
    // The runs hand over first: a step that may still end needs its engine.
    app.running.emptied().await;
    end_all(&app.hands).await;
}

/// Ends all brain sandboxes. An engine does not outlive its server, so what is
/// found at a start is of one before.
pub async fn end_all(hands: &Hands) {
    let owners = hands.owners().into_iter();
    for owner in owners.filter(|owner| session_of(owner).is_some()) {
        end(hands, &owner).await;
    }
}

async fn end(hands: &Hands, owner: &str) {
    if let Err(error) = hands.destroy(owner).await {
        tracing::warn!(%error, owner, "a brain sandbox was not ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brain_sandbox_is_told_from_the_hands_of_a_session() {
        let graves = Graves::default();
        let (first, second) = (graves.name("ses_1"), graves.name("ses_1"));
        assert_ne!(first, second);
        assert_eq!(session_of(&first), Some("ses_1"));
        assert_eq!(session_of("ses_1"), None);
        assert_eq!(session_of("brain:"), None);
        graves.add(first.clone());
        assert_eq!(graves.take(), [first]);
        assert_eq!(graves.take(), [""; 0]);
    }
}
