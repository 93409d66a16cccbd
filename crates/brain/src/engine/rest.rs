//! The engines that nobody thinks with right now, and the room that all engines
//! take together: each holds some hundred megabytes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Engines at rest, by session. `E` holds its [`Room`].
pub(super) struct Rest<E> {
    engines: Mutex<HashMap<String, (Instant, E)>>,
    room: Arc<Semaphore>,
    /// Thoughts that wait for room.
    waiting: AtomicUsize,
}

/// Room for one engine, as long as it is held.
#[derive(Debug)]
pub(super) struct Room(
    #[expect(dead_code, reason = "it is held, not looked at")] Option<OwnedSemaphorePermit>,
);

/// Counts one that waits.
struct Waits<'a>(&'a AtomicUsize);

impl<E> Rest<E> {
    /// Room for so many engines.
    pub fn new(most: usize) -> Self {
        Self {
            engines: Mutex::default(),
            room: Arc::new(Semaphore::new(most.max(1))),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Room for one more engine: that of the one which rested longest, if there
    /// is no other; else whichever is done first.
    pub async fn room(&self) -> Room {
        let _waits = Waits::new(&self.waiting);
        loop {
            if let Ok(permit) = self.room.clone().try_acquire_owned() {
                return Room(Some(permit));
            }
            if !self.end_oldest() {
                // Only closing it would fail this, and nobody does.
                return Room(self.room.clone().acquire_owned().await.ok());
            }
        }
    }

    /// Takes the session's engine, if one rests.
    pub fn take(&self, session: &str) -> Option<E> {
        self.with(|all| all.remove(session))
            .map(|(_, engine)| engine)
    }

    /// Puts an engine to rest, or ends it where others wait for its room.
    pub fn put(&self, session: String, engine: E) {
        if self.waiting.load(Ordering::Acquire) > 0 {
            return;
        }
        let older = self.with(|all| all.insert(session, (Instant::now(), engine)));
        drop(older);
        // Who began to wait in between has not seen this one.
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.end_oldest();
        }
    }

    /// Ends the engines that rest for so long; tells how many.
    pub fn end_idle(&self, idle: Duration) -> usize {
        let over = |_: &String, (since, _): &mut (Instant, E)| since.elapsed() >= idle;
        let ended: Vec<_> = self.with(|all| all.extract_if(over).collect());
        ended.len()
    }

    /// How many rest.
    pub fn len(&self) -> usize {
        self.with(|all| all.len())
    }

    fn end_oldest(&self) -> bool {
        let oldest = self.with(|all| {
            let oldest = all.iter().min_by_key(|(_, (since, _))| *since)?;
            let session = oldest.0.clone();
            all.remove(&session)
        });
        oldest.is_some()
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, (Instant, E)>) -> T) -> T {
        work(&mut self.engines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};
    use std::pin::pin;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn room_is_taken_from_the_one_that_rests_longest() {
        let rest = Rest::new(2);
        for name in ["old", "new"] {
            rest.put(name.to_owned(), rest.room().await);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let third = rest.room().now_or_never().unwrap();
        assert!(rest.take("old").is_none(), "the wrong one was ended");
        rest.put("third".to_owned(), third);
        assert_eq!(rest.len(), 2);
        assert_eq!(rest.end_idle(Duration::from_secs(1)), 1);
        assert!(rest.take("third").is_some() && rest.take("new").is_none());
    }

    #[tokio::test]
    async fn who_waits_gets_the_room_of_one_that_would_rest() {
        let rest = Rest::new(1);
        let room = rest.room().await;
        let mut waits = pin!(rest.room());
        assert!(poll!(&mut waits).is_pending());
        rest.put("s".to_owned(), room);
        assert_eq!(rest.len(), 0);
        assert!(poll!(&mut waits).is_ready());
    }

    #[tokio::test]
    async fn who_gave_up_waiting_takes_nobodys_room() {
        let rest = Rest::new(1);
        let room = rest.room().await;
        assert!(rest.room().now_or_never().is_none());
        rest.put("s".to_owned(), room);
        assert_eq!(rest.len(), 1);
    }
}
