//! What a search for canaries showed.

use serde::Serialize;

use super::needles::{Canary, Needles, Tally};

/// Places named of each kind where something was found.
const NAMED: usize = 8;

/// The report.
#[derive(Debug, Default, Serialize)]
pub struct Canaries {
    /// Whether every canary arrived where it is meant to, and is nowhere else.
    pub passed: bool,
    /// Whether each was used at all.
    pub arrived: Vec<Arrival>,
    /// What was searched.
    pub places: Vec<Place>,
    /// Runtimes that are not installed, and so were not tried.
    pub absent: Vec<String>,
}

/// Whether a canary came where it is meant to.
#[derive(Debug, Serialize)]
pub struct Arrival {
    /// Which.
    pub canary: String,
    /// Whether it did.
    pub arrived: bool,
}

/// A kind of place, and what was found there.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    /// Which.
    pub place: &'static str,
    /// Bytes that were searched.
    pub bytes: u64,
    /// Canaries found in them, in whatever spelling.
    pub hits: u64,
    /// Where, if anywhere: the first of them.
    pub at: Vec<String>,
    /// Things that could not be read, or not to their end.
    pub unread: u64,
}

impl Place {
    pub(super) fn new(place: &'static str) -> Self {
        Self {
            place,
            bytes: 0,
            hits: 0,
            at: Vec::new(),
            unread: 0,
        }
    }

    /// Adds what was found in a thing of that name.
    pub(super) fn add(&mut self, name: &str, found: Tally) {
        self.bytes += found.bytes;
        self.hits += found.hits;
        if found.hits > 0 && self.at.len() < NAMED {
            self.at.push(name.to_owned());
        }
    }

    /// Adds what can be searched to its end or not at all.
    pub(super) fn try_add(&mut self, name: &str, found: std::io::Result<Tally>) {
        match found {
            Ok(found) => self.add(name, found),
            Err(_) => self.unread += 1,
        }
    }

    /// Searches bytes of that name.
    pub(super) fn search(&mut self, needles: &Needles, name: &str, bytes: &[u8]) {
        self.add(name, needles.count(bytes));
    }
}

impl Canaries {
    pub(super) fn new(absent: &[&str]) -> Self {
        Self {
            absent: absent.iter().map(|name| (*name).to_owned()).collect(),
            ..Self::default()
        }
    }

    pub(super) fn arrived(&mut self, canary: &Canary, arrived: bool) {
        let canary = canary.name.clone();
        self.arrived.push(Arrival { canary, arrived });
    }

    pub(super) fn add(&mut self, place: Place) {
        self.places.push(place);
    }

    /// Comes to the verdict: a place of which nothing could be read is no proof.
    pub(super) fn close(&mut self) {
        let clean = |place: &Place| place.hits == 0 && (place.bytes > 0 || place.unread == 0);
        self.passed = !self.arrived.is_empty()
            && self.arrived.iter().all(|one| one.arrived)
            && self.places.iter().all(clean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(hits: u64, bytes: u64, arrived: bool) -> bool {
        let mut report = Canaries::new(&[]);
        report.arrived(&Canary::fresh("key".to_owned()), arrived);
        let mut place = Place::new("files");
        place.add("a", Tally { bytes, hits });
        place.try_add("b", Err(std::io::Error::other("gone")));
        report.add(place);
        report.close();
        report.passed
    }

    #[test]
    fn only_canaries_that_were_used_and_are_nowhere_pass() {
        assert!(report(0, 9, true));
        assert!(!report(1, 9, true));
        assert!(!report(0, 9, false));
        assert!(!report(0, 0, true), "nothing could be read");
    }
}
