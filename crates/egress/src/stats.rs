//! What the gate has done since it was made, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::{Error, Reason};

/// A moment's reading of the gate's counters. All but `open` only grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Connections made.
    pub allowed: u64,
    /// Connections in which a secret was put in the place of its token.
    pub granted: u64,
    /// Refusals by reason, every reason present.
    pub refused: Vec<(Reason, u64)>,
    /// Connections and names that could not be reached.
    pub unreachable: u64,
    /// Connections and names that took too long.
    pub timed_out: u64,
    /// Bytes that came from servers.
    pub bytes_in: u64,
    /// Bytes sent to servers.
    pub bytes_out: u64,
    /// Connections open now.
    pub open: u64,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    allowed: AtomicU64,
    granted: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    unreachable: AtomicU64,
    timed_out: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Counters {
    pub(crate) fn allowed(&self) {
        self.allowed.fetch_add(1, Relaxed);
    }

    pub(crate) fn granted(&self) {
        self.granted.fetch_add(1, Relaxed);
    }

    pub(crate) fn failed(&self, error: &Error) {
        let counter = match error {
            Error::Refused(reason) => &self.refused[reason.index()],
            Error::NoName | Error::Unreachable(_) => &self.unreachable,
            Error::Timeout(_) => &self.timed_out,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn came_in(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn went_out(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn read(&self, open: u64) -> Stats {
        let refused = Reason::ALL
            .into_iter()
            .map(|reason| (reason, self.refused[reason.index()].load(Relaxed)))
            .collect();
        Stats {
            allowed: self.allowed.load(Relaxed),
            granted: self.granted.load(Relaxed),
            refused,
            unreachable: self.unreachable.load(Relaxed),
            timed_out: self.timed_out.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_own_counter() {
        let counters = Counters::default();
        counters.allowed();
        counters.granted();
        counters.failed(&Error::Refused(Reason::Private));
        counters.failed(&Error::Refused(Reason::Private));
        counters.failed(&Error::Timeout("connecting"));
        counters.failed(&Error::Unreachable(std::io::ErrorKind::NotFound.into()));
        counters.came_in(7);
        counters.went_out(9);
        let stats = counters.read(3);
        let told = (stats.allowed, stats.granted);
        assert_eq!(told, (1, 1));
        assert_eq!((stats.timed_out, stats.unreachable), (1, 1));
        assert_eq!((stats.bytes_in, stats.bytes_out, stats.open), (7, 9, 3));
        for (reason, count) in stats.refused {
            assert_eq!(count, if reason == Reason::Private { 2 } else { 0 });
        }
    }
}
