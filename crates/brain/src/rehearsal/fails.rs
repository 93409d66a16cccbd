//! How often a line has failed on purpose, in this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Part;

/// Lines remembered at most. Beyond that all are forgotten: a line may then
/// fail more often than asked, which a restart may bring about as well.
const MOST: usize = 10_000;

/// Counts of failures by session and line. A line is known by its place in its
/// script and by how it fails: where the script stands changes with a summary.
#[derive(Debug, Default)]
pub(crate) struct Fails(Mutex<HashMap<(String, u64, String), i64>>);

impl Fails {
    /// Whether the line is to fail this time. Counts it, if so; forgets the
    /// line once it is to be played.
    pub fn fails_now(&self, session: &str, part: &Part) -> bool {
        let times = part.line.times.unwrap_or(1);
        if part.line.fail.is_none() || times == 0 {
            return false;
        }
        if times < 0 {
            return true;
        }
        let how = format!("{:?} {times}", part.line.fail);
        let place = (session.to_owned(), part.index, how);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST {
            counts.clear();
        }
        let count = counts.entry(place.clone()).or_default();
        if *count >= times {
            counts.remove(&place);
            return false;
        }
        *count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fail, Line};
    use super::*;

    fn part(times: Option<i64>, index: u64) -> Part {
        let line = Line {
            fail: Some(Fail::Status(500)),
            times,
            ..Line::default()
        };
        Part {
            line,
            seq: 1,
            index,
        }
    }

    #[test]
    fn a_line_fails_as_often_as_it_says() {
        for (times, want) in [
            (None, [true, false, true]),
            (Some(0), [false, false, false]),
            (Some(2), [true, true, false]),
            (Some(-1), [true, true, true]),
        ] {
            let fails = Fails::default();
            let got = [(); 3].map(|()| fails.fails_now("s", &part(times, 0)));
            assert_eq!(got, want, "{times:?}");
        }
    }

    #[test]
    fn sessions_and_lines_are_counted_apart() {
        let fails = Fails::default();
        assert!(fails.fails_now("a", &part(None, 0)));
        assert!(fails.fails_now("b", &part(None, 0)));
        assert!(fails.fails_now("a", &part(None, 1)));
        assert!(!fails.fails_now("a", &part(None, 0)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let fails = Fails::default();
        for index in 0..2 * MOST as u64 {
            fails.fails_now("s", &part(Some(5), index));
        }
        assert!(fails.0.lock().unwrap().len() <= MOST);
    }
}
