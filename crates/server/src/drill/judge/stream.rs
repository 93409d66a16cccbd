//! The log is whole, and the live reader saw it whole, once, and as it is.

use serde_json::Value;

use super::Judged;
use crate::drill::line::seq;
use crate::drill::reader::Seen;

pub(super) fn judge(judged: &mut Judged, seen: &[Seen], due: u64, log: &[Value]) {
    for (event, want) in log.iter().zip(1u64..) {
        if seq(event) != want {
            judged.counts.gaps += 1;
            judged.say(format!("the log has {} where {want} should be", seq(event)));
            return;
        }
    }
    order(judged, seen, due);
    for seen in seen {
        let there = usize::try_from(seen.seq)
            .ok()
            .and_then(|n| log.get(n.checked_sub(1)?));
        match there {
            None => judged.lost(format!("event {} was shown and is gone", seen.seq)),
            Some(event) if *event != seen.event => {
                judged.lost(format!("event {} was shown as another one", seen.seq));
            }
            Some(_) => {}
        }
    }
}

/// Each number once, in order, up to the one that was due.
fn order(judged: &mut Judged, seen: &[Seen], due: u64) {
    let mut last = 0;
    for seen in seen {
        if seen.seq <= last {
            judged.counts.repeats += 1;
            judged.say(format!("the live reader saw event {} again", seen.seq));
        }
        missed(judged, last, seen.seq);
        last = last.max(seen.seq);
    }
    missed(judged, last, due + 1);
}

fn missed(judged: &mut Judged, last: u64, next: u64) {
    let gap = next.saturating_sub(last + 1);
    if gap > 0 {
        judged.counts.gaps += gap;
        judged.say(format!("the live reader missed {gap} events after {last}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::drill::judge::Counts;
    use crate::drill::judge::tests::{log, seen};

    fn counts(seen: &[Seen], log: &[Value]) -> Counts {
        let mut judged = Judged::default();
        judge(&mut judged, seen, log.len() as u64, log);
        judged.counts
    }

    fn three() -> Vec<Value> {
        log(&[("a", json!({})), ("b", json!({})), ("c", json!({}))])
    }

    #[test]
    fn a_reader_that_saw_all_of_it_is_content() {
        assert_eq!(counts(&seen(&three()), &three()), Counts::default());
    }

    #[test]
    fn what_it_missed_or_saw_again_is_counted() {
        let all = seen(&three());
        let pick = |numbers: &[usize]| -> Counts {
            let some: Vec<Seen> = numbers.iter().map(|n| all[n - 1].clone()).collect();
            counts(&some, &three())
        };
        assert_eq!((pick(&[1, 3]).gaps, pick(&[1, 3]).repeats), (1, 0));
        assert_eq!(
            (pick(&[1, 2]).gaps, pick(&[1, 2]).repeats),
            (1, 0),
            "the end"
        );
        assert_eq!(
            (pick(&[3]).gaps, pick(&[3]).repeats),
            (2, 0),
            "the beginning"
        );
        assert_eq!(
            (pick(&[1, 2, 2, 3]).gaps, pick(&[1, 2, 2, 3]).repeats),
            (0, 1)
        );
        assert_eq!(
            (pick(&[1, 2, 3, 1]).gaps, pick(&[1, 2, 3, 1]).repeats),
            (0, 1)
        );
    }

    #[test]
    fn what_was_shown_must_be_there_and_the_same() {
        let mut other = three();
        other[1]["body"] = json!({ "another": true });
        assert_eq!(counts(&seen(&other), &three()).lost, 1);
        assert_eq!(counts(&seen(&three()), &three()[..2]).lost, 1);
    }

    #[test]
    fn a_log_with_a_hole_has_a_gap() {
        let mut holed = three();
        holed.remove(1);
        assert_eq!(counts(&[], &holed).gaps, 1);
    }

    #[test]
    fn what_came_just_now_need_not_be_seen_yet() {
        let mut judged = Judged::default();
        judge(&mut judged, &seen(&three()[..2]), 2, &three());
        assert_eq!(judged.counts, Counts::default());
    }
}
