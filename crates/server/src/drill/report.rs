//! What a drill found: a row for each point, the findings in words, a verdict.

use std::time::Duration;

use serde::Serialize;

use super::fault::Fault;
pub use super::judge::Counts;
use super::trial::Outcome;

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The seed it all follows from.
    pub seed: u64,
    /// Whether every promise was kept, and every point was reached.
    pub passed: bool,
    /// One for each point that was drilled.
    pub points: Vec<Row>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    /// What cannot be drilled here, and why.
    pub skipped: Vec<Skipped>,
}

/// What the runs of one point showed.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub point: &'static str,
    /// Runs that were held.
    pub runs: u32,
    /// Those in which its moment came.
    pub reached: u32,
    /// What went wrong in all of them.
    #[serde(flatten)]
    pub counts: Counts,
    /// Milliseconds until the last interrupted session moved again: the median.
    pub recover_p50_ms: Option<u64>,
    /// The longest.
    pub recover_max_ms: Option<u64>,
    #[serde(skip)]
    recovered: Vec<Duration>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The run, from 1.
    pub run: u32,
    /// Its point.
    pub point: &'static str,
    /// Which passing or event it was.
    pub at: u64,
    /// The session.
    pub session: String,
    /// In words.
    pub what: String,
}

/// A point that cannot be drilled on this machine.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// Its name.
    pub point: &'static str,
    /// Why.
    pub why: String,
}

impl Report {
    pub(super) fn new(seed: u64, skipped: Vec<Skipped>) -> Self {
        Self {
            seed,
            passed: false,
            points: Vec::new(),
            findings: Vec::new(),
            skipped,
        }
    }

    /// Takes in what a run showed.
    pub(super) fn add(&mut self, outcome: Outcome) {
        let point = outcome.fault.name();
        let row = self.row(outcome.fault);
        row.runs += 1;
        row.reached += u32::from(outcome.reached);
        row.counts.add(&outcome.counts);
        row.recovered.extend(outcome.recovered);
        let finding = |(session, what)| Finding {
            run: outcome.number,
            point,
            at: outcome.at,
            session,
            what,
        };
        self.findings
            .extend(outcome.findings.into_iter().map(finding));
    }

    fn row(&mut self, fault: Fault) -> &mut Row {
        let point = fault.name();
        let at = self.points.iter().position(|row| row.point == point);
        let at = at.unwrap_or_else(|| {
            self.points.push(Row::new(point));
            self.points.len() - 1
        });
        &mut self.points[at]
    }

    /// Comes to the verdict.
    pub(super) fn close(&mut self) {
        for row in &mut self.points {
            row.close();
        }
        // A point whose moment never came was not drilled, whatever the runs say.
        let good = |row: &Row| row.counts.kept() && row.reached > 0;
        self.passed = !self.points.is_empty() && self.points.iter().all(good);
    }
}

impl Row {
    fn new(point: &'static str) -> Self {
        Self {
            point,
            runs: 0,
            reached: 0,
            counts: Counts::default(),
            recover_p50_ms: None,
            recover_max_ms: None,
            recovered: Vec::new(),
        }
    }

    fn close(&mut self) {
        self.recovered.sort_unstable();
        let ms = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.recover_max_ms = self.recovered.last().map(ms);
        self.recover_p50_ms = self.recovered.get(self.recovered.len() / 2).map(ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(number: u32, counts: Counts, reached: bool) -> Outcome {
        Outcome {
            number,
            fault: Fault::Point("turn.begun"),
            at: 1,
            reached,
            counts,
            recovered: reached.then(|| Duration::from_millis(u64::from(number) * 100)),
            findings: vec![("ses_1".to_owned(), "x".to_owned()); usize::from(!counts.kept())],
        }
    }

    fn report(outcomes: Vec<Outcome>) -> Report {
        let mut report = Report::new(1, Vec::new());
        outcomes.into_iter().for_each(|outcome| report.add(outcome));
        report.close();
        report
    }

    #[test]
    fn one_broken_promise_breaks_the_verdict() {
        let good = Counts::default();
        let bad = Counts { lost: 1, ..good };
        assert!(report(vec![outcome(1, good, true), outcome(2, good, true)]).passed);
        let broken = report(vec![outcome(1, good, true), outcome(2, bad, true)]);
        assert!(!broken.passed);
        assert_eq!((broken.findings.len(), broken.findings[0].run), (1, 2));
    }

    #[test]
    fn what_was_never_reached_proves_nothing() {
        let good = Counts::default();
        assert!(!report(vec![outcome(1, good, false)]).passed);
        assert!(report(vec![outcome(1, good, false), outcome(2, good, true)]).passed);
        assert!(!report(Vec::new()).passed);
    }

    #[test]
    fn times_are_median_and_longest() {
        let all = (1..=5)
            .map(|n| outcome(n, Counts::default(), n != 2))
            .collect();
        let row = &report(all).points[0];
        assert_eq!((row.runs, row.reached), (5, 4));
        assert_eq!(
            (row.recover_p50_ms, row.recover_max_ms),
            (Some(400), Some(500))
        );
    }
}
