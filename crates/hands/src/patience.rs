//! How long a guest is waited for.
//!
//! A guest may be stopped, starved or stuck, and then never says so. Every wait for
//! one ends here, in bounded time. Time in which the hands themselves hold the
//! sandbox still does not count. Who was waited for in vain is in doubt until it
//! answers again.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::error::Error;

/// The patience with one guest; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    answer: Duration,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    held: AtomicUsize,
    holds: AtomicU64,
    doubted: AtomicBool,
    heard: AtomicU64,
}

/// While it lives, the sandbox is held still on purpose.
#[derive(Debug)]
pub(crate) struct Still(Arc<Shared>);

impl Drop for Still {
    fn drop(&mut self) {
        self.0.holds.fetch_add(1, Ordering::Relaxed);
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Patience {
    /// With `answer` for whatever can be answered at once.
    pub(crate) fn new(answer: Duration) -> Self {
        Self {
            answer,
            shared: Arc::default(),
        }
    }

    /// What an answer that is ready at once may take.
    pub(crate) fn answer(&self) -> Duration {
        self.answer
    }

    /// Waits no longer than `limit`; `what` says what did not happen then.
    ///
    /// # Errors
    /// [`Error::Deadline`] and those of `asked`.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        what: &'static str,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut asked = pin!(asked);
        loop {
            let before = self.holds();
            match timeout(limit, &mut asked).await {
                Ok(answered) => return answered,
                Err(_) if self.was_held(before) => {}
                Err(_) => return Err(self.in_vain(what)),
            }
        }
    }

    /// Ends with an error once `limit` has passed and then nothing was heard for as
    /// long as an answer may take; never without a limit.
    pub(crate) async fn overdue(&self, limit: Option<Duration>, what: &'static str) -> Error {
        let Some(limit) = limit else {
            return std::future::pending().await;
        };
        sleep(limit).await;
        loop {
            let before = (self.holds(), self.shared.heard.load(Ordering::Relaxed));
            sleep(self.answer).await;
            let heard = self.shared.heard.load(Ordering::Relaxed);
            if !self.was_held(before.0) && heard == before.1 {
                return self.in_vain(what);
            }
        }
    }

    /// It said something: it is in doubt no more.
    pub(crate) fn heard(&self) {
        self.shared.heard.fetch_add(1, Ordering::Relaxed);
        self.shared.doubted.store(false, Ordering::Relaxed);
    }

    /// Whether it was waited for in vain and has said nothing since.
    pub(crate) fn doubted(&self) -> bool {
        self.shared.doubted.load(Ordering::Relaxed)
    }

    /// Nobody's time runs out until the result is dropped. Whoever holds a sandbox
    /// still must let go in bounded time.
    pub(crate) fn hold(&self) -> Still {
        self.shared.held.fetch_add(1, Ordering::Relaxed);
        Still(Arc::clone(&self.shared))
    }

    fn in_vain(&self, what: &'static str) -> Error {
        self.shared.doubted.store(true, Ordering::Relaxed);
        Error::Deadline(what)
    }

    fn holds(&self) -> u64 {
        self.shared.holds.load(Ordering::Relaxed)
    }

    /// Whether it is held still, or was since the count of holds was `before`.
    fn was_held(&self, before: u64) -> bool {
        self.shared.held.load(Ordering::Relaxed) > 0 || self.holds() != before
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::future::pending;

    use super::*;

    const ANSWER: Duration = Duration::from_secs(10);

    /// Lets time pass that only these tests have: their clock is stopped.
    async fn wait(time: Duration) {
        sleep(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_and_leaves_a_doubt_until_something_is_heard() {
        let patience = Patience::new(ANSWER);
        let never = patience.within(ANSWER, "no answer", pending::<Result<(), Error>>());
        assert!(matches!(never.await, Err(Error::Deadline("no answer"))));
        assert!(patience.doubted());
        patience.heard();
        assert!(!patience.doubted());
        let answered = patience.within(ANSWER, "", async { Ok(7) }).await.unwrap();
        assert_eq!(answered, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_sandbox_is_held_still_does_not_count() {
        let patience = Patience::new(ANSWER);
        let still = patience.hold();
        let asked = async {
            wait(ANSWER * 5).await;
            drop(still);
            wait(ANSWER / 2).await;
            Ok(())
        };
        patience.within(ANSWER, "", asked).await.unwrap();
        assert!(!patience.doubted());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_overdue_is_waited_for_as_long_as_something_is_heard() {
        let patience = Patience::new(ANSWER);
        let talking = async {
            for _ in 0..20 {
                wait(ANSWER / 2).await;
                patience.heard();
            }
            tokio::time::Instant::now()
        };
        let overdue = async {
            let error = patience.overdue(Some(ANSWER), "no end").await;
            assert!(matches!(error, Error::Deadline("no end")));
            tokio::time::Instant::now()
        };
        let (silent, given_up) = tokio::join!(talking, overdue);
        assert!(given_up > silent);
        let waited = timeout(ANSWER * 99, patience.overdue(None, "")).await;
        assert!(waited.is_err(), "without a limit nothing is overdue");
    }
}
