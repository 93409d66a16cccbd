//! What a run showed: compares what was acknowledged and what the live reader
//! saw with the log afterwards, and the marks in the sandbox with the log.
//!
//! Pure: it is given all of it and says what is wrong.

mod budget;
mod marks;
mod stream;

pub(super) use marks::left;
mod told;

use serde_json::Value;

use super::cast::Part;
use super::fault::Fault;
use super::player::Told;
use super::reader::Seen;
use super::receiver::Letter;

/// What went wrong, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Acknowledged inputs, events and effects that are gone.
    pub lost: u64,
    /// Numbers the live reader missed.
    pub gaps: u64,
    /// Numbers it saw twice, and inputs that were taken twice.
    pub repeats: u64,
    /// Effects that happened twice and nobody says so.
    pub twice: u64,
    /// Calls whose outcome is told as unknown.
    pub indeterminate: u64,
    /// The same, where the sandbox lived and could have been asked.
    pub needless: u64,
    /// Tokens used over a budget.
    pub overshoot: u64,
    /// Webhooks that never came, came out of order, or say what the log does not.
    pub untold: u64,
    /// Sessions that did not come to a good end.
    pub stuck: u64,
}

impl Counts {
    /// Adds what another run showed.
    pub(super) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.gaps += other.gaps;
        self.repeats += other.repeats;
        self.twice += other.twice;
        self.indeterminate += other.indeterminate;
        self.needless += other.needless;
        self.overshoot += other.overshoot;
        self.untold += other.untold;
        self.stuck += other.stuck;
    }

    /// Whether every promise was kept.
    pub(super) fn kept(&self) -> bool {
        let broken = self.lost
            + self.gaps
            + self.repeats
            + self.twice
            + self.needless
            + self.overshoot
            + self.untold
            + self.stuck;
        broken == 0
    }
}

/// All that is known of one session of a run.
pub(super) struct Evidence<'a> {
    pub(super) part: &'a Part,
    pub(super) told: &'a Told,
    pub(super) seen: &'a [Seen],
    /// The log afterwards; `None` if it could not be read.
    pub(super) log: Option<&'a [Value]>,
    /// The number up to which the reader had the time to see it.
    pub(super) due: u64,
    pub(super) fault: Fault,
    /// What a receiver of webhooks was told of it, in the order of coming.
    pub(super) letters: &'a [Letter],
    /// Whether its sandbox lived through the fault.
    pub(super) spared: bool,
}

/// What is wrong, counted and in words.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) counts: Counts,
    pub(super) words: Vec<String>,
}

impl Judged {
    fn say(&mut self, words: String) {
        self.words.push(words);
    }

    fn lost(&mut self, words: String) {
        self.counts.lost += 1;
        self.say(words);
    }

    fn untold(&mut self, words: String) {
        self.counts.untold += 1;
        self.say(words);
    }

    fn stuck(&mut self, words: String) {
        self.counts.stuck += 1;
        self.say(words);
    }
}

/// Looks at one session.
pub(super) fn judge(evidence: &Evidence<'_>) -> Judged {
    let mut judged = Judged::default();
    for refused in &evidence.told.refused {
        judged.stuck(refused.clone());
    }
    if evidence.told.session.is_none() {
        return judged;
    }
    let Some(log) = evidence.log else {
        judged.lost("the session and its log are gone".to_owned());
        return judged;
    };
    stream::judge(&mut judged, evidence.seen, evidence.due, log);
    told::judge(&mut judged, evidence.letters, log);
    inputs(&mut judged, evidence, log);
    match evidence.part.cap {
        Some(cap) => budget::judge(&mut judged, cap, log),
        None => {
            marks::judge(&mut judged, evidence, log);
            ends(&mut judged, evidence.fault, log);
        }
    }
    judged
}

/// Every acknowledged input is in the log, once.
fn inputs(judged: &mut Judged, evidence: &Evidence<'_>, log: &[Value]) {
    for said in &evidence.told.said {
        let found = log
            .iter()
            .filter(|event| is(event, "user.message") && event["body"]["text"] == said.as_str())
            .count();
        let short: String = said.chars().take(40).collect();
        match found {
            0 => judged.lost(format!(
                "the acknowledged input `{short}` is not in the log"
            )),
            1 => {}
            more => {
                judged.counts.repeats += more as u64 - 1;
                judged.say(format!("the input `{short}` was taken {more} times"));
            }
        }
    }
}

/// A turn that was crashed goes on to its own end. Only a clock that jumps may
/// bring its deadline.
fn ends(judged: &mut Judged, fault: Fault, log: &[Value]) {
    for event in log.iter().filter(|event| is(event, "turn.completed")) {
        let reason = event["body"]["yield_reason"].as_str().unwrap_or_default();
        let late = fault == Fault::ClockJumped && reason == "deadline_exceeded";
        if reason != "completed" && !late {
            judged.stuck(format!("a turn ended as `{reason}`: {}", event["body"]));
        }
    }
}

fn is(event: &Value, kind: &str) -> bool {
    event["type"] == kind
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;

    /// A log of events with these types and bodies, numbered from 1.
    pub(crate) fn log(events: &[(&str, Value)]) -> Vec<Value> {
        let numbered = events.iter().zip(1u64..);
        numbered
            .map(|((kind, body), seq)| {
                json!({ "seq": seq, "id": format!("evt_{seq}"), "type": kind, "body": body })
            })
            .collect()
    }

    /// The log as a receiver of webhooks was told it.
    pub(crate) fn letters(log: &[Value]) -> Vec<Letter> {
        let letter = |event: &Value| Letter {
            id: event["id"].as_str().unwrap_or_default().to_owned(),
            session: "ses_1".to_owned(),
            seq: event["seq"].as_u64().unwrap(),
            event: event.clone(),
        };
        log.iter().map(letter).collect()
    }

    /// The log as a reader saw it.
    pub(crate) fn seen(log: &[Value]) -> Vec<Seen> {
        let at = Instant::now();
        log.iter()
            .map(|event| Seen {
                seq: event["seq"].as_u64().unwrap(),
                at,
                event: event.clone(),
            })
            .collect()
    }

    fn part() -> Part {
        Part {
            name: "s".to_owned(),
            input: "go".to_owned(),
            marks: Vec::new(),
            notes: Vec::new(),
            cap: None,
            replies: 1,
        }
    }

    fn judged(told: &Told, log: &[Value]) -> Judged {
        judge(&Evidence {
            part: &part(),
            told,
            seen: &seen(log),
            log: Some(log),
            letters: &letters(log),
            due: log.len() as u64,
            fault: Fault::Point("append.durable"),
            spared: true,
        })
    }

    fn told(said: &[&str]) -> Told {
        Told {
            session: Some("ses_1".to_owned()),
            said: said.iter().map(|text| (*text).to_owned()).collect(),
            refused: Vec::new(),
        }
    }

    fn said(text: &str) -> (&'static str, Value) {
        ("user.message", json!({ "text": text }))
    }

    #[test]
    fn an_acknowledged_input_is_there_once() {
        let table = [
            (vec![said("go")], (0, 0)),
            (vec![said("other")], (1, 0)),
            (vec![said("go"), said("go")], (0, 1)),
        ];
        for (events, want) in table {
            let counts = judged(&told(&["go"]), &log(&events)).counts;
            assert_eq!((counts.lost, counts.repeats), want);
        }
    }

    #[test]
    fn a_turn_comes_to_a_good_end() {
        let end = |reason: &str, fault| {
            let mut judged = Judged::default();
            let log = log(&[("turn.completed", json!({ "yield_reason": reason }))]);
            ends(&mut judged, fault, &log);
            judged.counts.stuck
        };
        let kill = Fault::Point("turn.begun");
        assert_eq!((end("completed", kill), end("error", kill)), (0, 1));
        let late = "deadline_exceeded";
        assert_eq!((end(late, kill), end(late, Fault::ClockJumped)), (1, 0));
        let refused = Told {
            refused: vec!["no".to_owned()],
            ..told(&[])
        };
        assert!(judged(&refused, &[]).words.contains(&"no".to_owned()));
    }

    #[test]
    fn a_log_that_is_gone_is_lost() {
        let gone = judge(&Evidence {
            part: &part(),
            told: &told(&["go"]),
            seen: &[],
            log: None,
            letters: &[],
            due: 0,
            fault: Fault::PowerLost,
            spared: false,
        });
        assert_eq!(gone.counts.lost, 1);
        assert!(!gone.counts.kept());
    }

    #[test]
    fn what_is_told_as_unknown_breaks_no_promise_by_itself() {
        let counts = Counts {
            indeterminate: 3,
            ..Counts::default()
        };
        assert!(counts.kept());
        for broken in [
            Counts { lost: 1, ..counts },
            Counts {
                needless: 1,
                ..counts
            },
            Counts {
                overshoot: 1,
                ..counts
            },
        ] {
            assert!(!broken.kept());
        }
    }
}
