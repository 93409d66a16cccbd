//! Room for so many connections at once, per sandbox and in all.
//!
//! A [`Seat`] is taken before anything is resolved or connected and given
//! back when it is dropped, so a sandbox cannot pile up attempts either.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Reason;

#[derive(Debug)]
pub(crate) struct Seats {
    per_sandbox: usize,
    total: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    by_sandbox: HashMap<String, usize>,
    all: usize,
}

/// One connection's place; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    sandbox: String,
}

impl Seats {
    pub(crate) fn new(per_sandbox: usize, total: usize) -> Arc<Seats> {
        Arc::new(Seats {
            per_sandbox,
            total,
            taken: Mutex::default(),
        })
    }

    pub(crate) fn take(self: &Arc<Self>, sandbox: &str) -> Result<Seat, Reason> {
        let mut taken = self.lock();
        let own = taken.by_sandbox.get(sandbox).copied().unwrap_or(0);
        if own >= self.per_sandbox || taken.all >= self.total {
            return Err(Reason::TooMany);
        }
        taken.by_sandbox.insert(sandbox.to_owned(), own + 1);
        taken.all += 1;
        Ok(Seat {
            seats: Arc::clone(self),
            sandbox: sandbox.to_owned(),
        })
    }

    pub(crate) fn taken(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing panics while it holds the lock, so the counts are sound.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.all -= 1;
        if let Some(own) = taken.by_sandbox.get_mut(&self.sandbox) {
            *own -= 1;
            if *own == 0 {
                taken.by_sandbox.remove(&self.sandbox);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_sandbox_cannot_take_the_room_of_another() {
        let seats = Seats::new(2, 3);
        let first = seats.take("a").unwrap();
        let _second = seats.take("a").unwrap();
        assert_eq!(seats.take("a").unwrap_err(), Reason::TooMany);
        let _third = seats.take("b").unwrap();
        assert_eq!(seats.take("c").unwrap_err(), Reason::TooMany);
        drop(first);
        assert_eq!(seats.taken(), 2);
        seats.take("c").unwrap();
    }

    #[test]
    fn nothing_is_remembered_of_a_sandbox_without_connections() {
        let seats = Seats::new(2, 3);
        drop(seats.take("a").unwrap());
        assert_eq!(seats.taken(), 0);
        assert!(seats.lock().by_sandbox.is_empty());
    }
}
