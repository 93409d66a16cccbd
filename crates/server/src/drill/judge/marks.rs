//! What the commands left in the sandbox against what the log says of them.
//!
//! A mark that is there twice is an effect that happened twice; it must be told
//! as unknown. A mark that a receipt speaks of and that is not there is an
//! effect that was lost, unless the log says that the files went back to an
//! earlier moment.

use serde_json::Value;

use super::{Evidence, Judged, is};
use crate::drill::cast::READ;
use crate::drill::line::seq;

/// What a model is told where the new sandbox has no files.
const EMPTY: [&str; 2] = ["this is a new, empty one", "files of the old one are gone"];

pub(super) fn judge(judged: &mut Judged, evidence: &Evidence<'_>, log: &[Value]) {
    unknown(judged, evidence, log);
    let Some(left) = left(log) else {
        judged.stuck("the marks could not be read back".to_owned());
        return;
    };
    for mark in &evidence.part.marks {
        let times = left.iter().filter(|line| *line == mark).count();
        let call = log.iter().find(|event| {
            let summary = event["body"]["args_summary"].as_str().unwrap_or_default();
            is(event, "tool.call") && summary.contains(&format!("echo {mark} >>"))
        });
        match call {
            Some(call) => one(judged, mark, times, call, log),
            None if times > 0 => {
                judged.counts.twice += 1;
                judged.say(format!("mark {mark} is there without an intent"));
            }
            // The clock ended its turn before it was due.
            None if evidence.fault == super::Fault::ClockJumped => {}
            None => judged.stuck(format!("the command of mark {mark} was never asked for")),
        }
    }
}

/// One command that was begun.
fn one(judged: &mut Judged, mark: &str, times: usize, call: &Value, log: &[Value]) {
    let id = &call["body"]["call_id"];
    let receipts: Vec<&Value> = log
        .iter()
        .filter(|event| {
            let kind = event["type"].as_str().unwrap_or_default();
            let receipt = ["exec.completed", "tool.result", "tool.indeterminate"].contains(&kind);
            receipt && seq(event) > seq(call) && event["body"]["call_id"] == *id
        })
        .collect();
    let marked = receipts.iter().any(|event| is(event, "tool.indeterminate"));
    if times > 1 && !marked {
        judged.counts.twice += times as u64 - 1;
        judged.say(format!(
            "mark {mark} was left {times} times, and nobody says so"
        ));
    }
    match receipts.as_slice() {
        [] => judged.stuck(format!("the command of mark {mark} has no receipt")),
        [receipt] => {
            let done = is(receipt, "exec.completed") && receipt["body"]["exit_code"] == 0;
            if done && times == 0 && !went_back(log, seq(receipt)) {
                judged.lost(format!("mark {mark} has a receipt and is not there"));
            }
        }
        more => {
            judged.counts.twice += 1;
            judged.say(format!("mark {mark} has {} receipts", more.len()));
        }
    }
}

/// Whether the log says that the files went back to a moment before that
/// number, and no checkpoint that held it had been made by then.
fn went_back(log: &[Value], receipt: u64) -> bool {
    let as_of = |event: &Value| event["body"]["as_of_seq"].as_u64();
    let back = log.iter().filter(|event| {
        let text = event["body"]["output"].as_str().unwrap_or_default();
        let restored = is(event, "sandbox.restored") && as_of(event) < Some(receipt);
        seq(event) > receipt && (restored || EMPTY.iter().any(|words| text.contains(words)))
    });
    let saved = |before: &Value| {
        log.iter().any(|event| {
            let made = is(event, "checkpoint.created") && seq(event) < seq(before);
            made && as_of(event) >= Some(receipt)
        })
    };
    back.into_iter().any(|event| !saved(event))
}

/// Calls told as unknown. Where the sandbox lives there is no need for it.
fn unknown(judged: &mut Judged, evidence: &Evidence<'_>, log: &[Value]) {
    for event in log.iter().filter(|event| is(event, "tool.indeterminate")) {
        judged.counts.indeterminate += 1;
        if evidence.spared {
            judged.counts.needless += 1;
            let command = &event["body"]["command"];
            judged.say(format!(
                "{command} is told as unknown, though its sandbox lives"
            ));
        }
    }
}

/// The lines of the file of marks, as the last reading of it says.
pub(in crate::drill) fn left(log: &[Value]) -> Option<Vec<String>> {
    let reading = log.iter().rev().find(|event| {
        is(event, "exec.completed") && event["body"]["command"].as_str() == Some(READ)
    })?;
    let output = reading["body"]["output"].as_str()?;
    let (_, marks) = output.split_once("the marks:")?;
    Some(
        marks
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::drill::cast::Part;
    use crate::drill::fault::Fault;
    use crate::drill::judge::Counts;
    use crate::drill::judge::tests::log;
    use crate::drill::player::Told;

    type Event = (&'static str, Value);

    fn intent() -> Event {
        (
            "tool.call",
            json!({ "call_id": "c", "args_summary": "echo m1 >> marks" }),
        )
    }

    fn receipt() -> Event {
        (
            "exec.completed",
            json!({ "call_id": "c", "exit_code": 0, "output": "" }),
        )
    }

    fn unknown() -> Event {
        (
            "tool.indeterminate",
            json!({ "call_id": "c", "command": "echo" }),
        )
    }

    fn reading(marks: &str) -> Event {
        let output = format!("the marks:\n{marks}");
        (
            "exec.completed",
            json!({ "call_id": "r", "command": READ, "exit_code": 0, "output": output }),
        )
    }

    fn counts(fault: Fault, events: &[Event]) -> Counts {
        let part = Part {
            name: "s".to_owned(),
            input: String::new(),
            marks: vec!["m1".to_owned()],
            notes: Vec::new(),
            cap: None,
            replies: 1,
        };
        let evidence = Evidence {
            part: &part,
            told: &Told::default(),
            seen: &[],
            log: None,
            letters: &[],
            due: 0,
            fault,
            spared: fault.spares_sandboxes(false),
        };
        let mut judged = Judged::default();
        judge(&mut judged, &evidence, &log(events));
        judged.counts
    }

    const KILL: Fault = Fault::Point("exec.started");

    #[test]
    fn a_mark_with_its_receipt_is_there_once() {
        assert_eq!(
            counts(KILL, &[intent(), receipt(), reading("m1\n")]),
            Counts::default()
        );
    }

    #[test]
    fn an_effect_that_happened_twice_must_be_told() {
        let twice = [intent(), receipt(), reading("m1\nm1\n")];
        assert_eq!(counts(KILL, &twice).twice, 1);
        let told = [intent(), unknown(), reading("m1\nm1\n")];
        assert_eq!(counts(Fault::SandboxLost, &told).twice, 0);
        let receipts = [intent(), receipt(), receipt(), reading("m1\n")];
        assert_eq!(counts(KILL, &receipts).twice, 1);
        assert_eq!(
            counts(KILL, &[reading("m1\n")]).twice,
            1,
            "without an intent"
        );
    }

    #[test]
    fn an_effect_with_a_receipt_is_there_or_the_log_says_why_not() {
        let gone = [intent(), receipt(), reading("")];
        assert_eq!(counts(KILL, &gone).lost, 1);
        let back = |at: u64| {
            let restored = ("sandbox.restored", json!({ "as_of_seq": at }));
            let events = [intent(), receipt(), restored, reading("")];
            counts(Fault::SandboxLost, &events).lost
        };
        assert_eq!(
            (back(1), back(2)),
            (0, 1),
            "as of a fact before or after the receipt"
        );
        let saved = ("checkpoint.created", json!({ "as_of_seq": 2 }));
        let empty = (
            "exec.completed",
            json!({ "output": "[this is a new, empty one]" }),
        );
        let lost = |saved: &[Event]| {
            let begin = [intent(), receipt()];
            let end = [empty.clone(), reading("")];
            counts(Fault::SandboxLost, &[&begin, saved, &end].concat()).lost
        };
        assert_eq!((lost(&[]), lost(&[saved])), (0, 1), "a checkpoint had it");
    }

    #[test]
    fn an_outcome_is_unknown_only_where_nobody_could_be_asked() {
        let first = [intent(), unknown(), reading("")];
        assert_eq!(
            counts(KILL, &first).needless,
            1,
            "the log says that there was one"
        );
        let events = [reading(""), intent(), unknown(), reading("")];
        let seen = |fault| {
            let counts = counts(fault, &events);
            (counts.indeterminate, counts.needless)
        };
        assert_eq!(seen(Fault::SandboxKilled), (1, 0));
        assert_eq!(seen(KILL), (1, 1));
    }

    #[test]
    fn a_command_without_an_end_is_stuck() {
        assert_eq!(counts(KILL, &[intent(), reading("m1")]).stuck, 1);
        assert_eq!(counts(KILL, &[reading("")]).stuck, 1, "never asked for");
        assert_eq!(counts(KILL, &[intent(), receipt()]).stuck, 1, "never read");
    }
}
