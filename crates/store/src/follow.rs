//! Following a session: catch up from the store, then live, and back to the
//! store when too slow. No gap, no repeat.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::hub::Told;
use crate::{Error, Logged, Store};

/// Events read at a time while catching up: what a slow reader may hold.
const PAGE: usize = 16;

/// One reader of one session's log, at its own place.
pub struct Follow {
    store: Store,
    session: String,
    /// Number of the newest event given out.
    at: u64,
    /// Read or told, and not given out yet.
    read: VecDeque<Arc<Logged>>,
    /// Whether the store may hold more than the ring will tell.
    behind: bool,
    ring: Option<broadcast::Receiver<Told>>,
}

impl Follow {
    /// The next event; waits for it if there is none yet. Nothing is lost if
    /// the wait is given up.
    ///
    /// # Errors
    /// If the log cannot be read; asking again goes on at the same place.
    /// [`Error::NotFound`] once the session was erased.
    pub async fn next(&mut self) -> Result<Arc<Logged>, Error> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.at = event.event.seq;
                return Ok(event);
            }
            if self.behind {
                self.catch_up().await?;
                continue;
            }
            let Some(ring) = &mut self.ring else {
                // Nobody else lets the followers go.
                return Err(Error::NotFound);
            };
            match ring.recv().await {
                Ok(Told::Events(events)) => self.hear(&events),
                Ok(Told::Look) | Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => self.ring = None,
            }
        }
    }

    /// Number of the newest event given out; where another follower would go on.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Takes in what goes on where this one stands; where something is missing in
    /// between, the store has it.
    fn hear(&mut self, events: &[Arc<Logged>]) {
        let new = events.partition_point(|event| event.event.seq <= self.at);
        match events[new..].first() {
            Some(first) if first.event.seq == self.at + 1 => {
                self.read.extend(events[new..].iter().cloned());
            }
            first => self.behind = first.is_some(),
        }
    }

    async fn catch_up(&mut self) -> Result<(), Error> {
        let page = self.store.page(&self.session, self.at, PAGE).await?;
        self.behind = page.len() == PAGE;
        self.read.extend(page);
        Ok(())
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.ring = None;
        self.store.hub().leave(&self.session);
    }
}

impl Store {
    /// Follows a session from behind number `after`; all events, of all levels.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn follow(&self, org: &str, session: &str, after: u64) -> Result<Follow, Error> {
        self.reach(org, session).await?;
        Ok(Follow {
            // In this order: what is appended from here on is told, what was
            // appended before is read.
            ring: Some(self.hub().join(session)),
            store: self.clone(),
            session: session.to_owned(),
            at: after,
            read: VecDeque::new(),
            behind: true,
        })
    }
}
