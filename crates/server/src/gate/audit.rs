//! What the gate decided, told to the logs of the sessions it was decided for.
//!
//! A program that is refused tries again, and a busy one uses a secret thousands
//! of times: the same decision is told once and then, with how often it was
//! taken, ever more seldom; and a session has only so many different ones. The
//! server's own log has a line for each.

use std::collections::HashMap;
use std::time::Duration;

use egress::{Decision, Verdict};
use session::fact::Gated;
use session::{Command, Millis};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::clock;
use crate::outside::{self, NotCarried, To};

/// How often what was heard is written down.
const WRITE: Duration = Duration::from_millis(500);
/// Milliseconds between the first two tellings of the same decision; doubles.
const FIRST: i64 = 2_000;
/// Most milliseconds between two.
const LAST: i64 = 600_000;
/// Different decisions of one session that are told apart.
const APART: usize = 64;
/// Milliseconds after which a session that nothing was decided for is forgotten.
const FORGET: i64 = 1_200_000;

/// A decision and the session it was taken for.
#[derive(Debug)]
pub struct Heard {
    /// The session.
    pub session: String,
    /// The decision.
    pub decision: Decision,
}

/// Writes down what is heard, until the node drains and nothing is left.
pub async fn keep(app: App, mut heard: mpsc::Receiver<Heard>) {
    let mut book = Book::default();
    let mut write = tokio::time::interval(WRITE);
    write.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(one) = heard.recv() => {
                book.hear(one, clock::now());
                continue;
            }
            _ = write.tick() => {}
            () = app.drain.cancelled() => {}
        }
        let last = app.drain.is_cancelled();
        let until = if last { Millis(i64::MAX) } else { clock::now() };
        for (session, gated) in book.due(clock::now(), until) {
            tell(&app, &session, gated).await;
        }
        if last {
            return;
        }
    }
}

async fn tell(app: &App, session: &str, gated: Gated) {
    // Erased meanwhile: there is no log to tell.
    let Ok(org) = app.store.org_of(session).await else {
        return;
    };
    let to = To {
        org: &org,
        session,
        ..To::default()
    };
    let told = outside::carry(app, to, |_| Ok::<_, ()>(Command::Gated(gated.clone())));
    if let Err(NotCarried::Store(error)) = told.await {
        tracing::warn!(%error, session, "what the gate decided was not written down");
    }
}

/// What was heard and is still to be told.
#[derive(Default)]
struct Book {
    sessions: HashMap<String, Page>,
}

#[derive(Default)]
struct Page {
    entries: HashMap<Kind, Entry>,
    last: Millis,
}

/// What makes two decisions the same.
type Kind = (bool, String, u16, Option<String>, Option<&'static str>);

#[derive(Default)]
struct Entry {
    pending: u64,
    next: Millis,
    gap: i64,
}

impl Book {
    fn hear(&mut self, heard: Heard, now: Millis) {
        let page = self.sessions.entry(heard.session).or_default();
        page.last = now;
        let Decision {
            verdict,
            host,
            port,
            secret,
            reason,
        } = heard.decision;
        let granted = verdict == Verdict::Granted;
        let mut key = (granted, host, port, secret, reason);
        if page.entries.len() >= APART && !page.entries.contains_key(&key) {
            // One more kind of them all together.
            key = (granted, "(others)".to_owned(), 0, None, None);
        }
        page.entries.entry(key).or_default().pending += 1;
    }

    /// What is to be told now: all that would be until that moment.
    fn due(&mut self, now: Millis, until: Millis) -> Vec<(String, Gated)> {
        let mut due = Vec::new();
        for (session, page) in &mut self.sessions {
            for (key, entry) in &mut page.entries {
                if entry.pending > 0 && entry.next <= until {
                    due.push((session.clone(), entry.tell(key, now)));
                }
            }
        }
        self.sessions
            .retain(|_, page| now.since(page.last) < FORGET);
        due
    }
}

impl Entry {
    fn tell(&mut self, key: &Kind, now: Millis) -> Gated {
        self.gap = (self.gap * 2).clamp(FIRST, LAST);
        self.next = now.plus(self.gap);
        let (granted, host, port, secret, reason) = key.clone();
        Gated {
            granted,
            host,
            port,
            secret,
            reason: reason.map(str::to_owned),
            times: std::mem::take(&mut self.pending),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(host: &str) -> Heard {
        Heard {
            session: "ses_1".to_owned(),
            decision: Decision {
                verdict: Verdict::Denied,
                host: host.to_owned(),
                port: 443,
                secret: None,
                reason: Some("private"),
            },
        }
    }

    fn due(book: &mut Book, now: Millis) -> Vec<(String, Gated)> {
        book.due(now, now)
    }

    fn times(due: &[(String, Gated)]) -> Vec<u64> {
        due.iter().map(|(_, gated)| gated.times).collect()
    }

    #[test]
    fn the_same_decision_is_told_at_once_and_then_ever_more_seldom_with_its_count() {
        let mut book = Book::default();
        let mut now = Millis(1_000_000);
        book.hear(heard("a"), now);
        book.hear(heard("a"), now);
        assert_eq!(times(&due(&mut book, now)), [2]);
        for _ in 0..5 {
            book.hear(heard("a"), now);
        }
        assert_eq!(times(&due(&mut book, now.plus(FIRST - 1))), [0; 0]);
        now = now.plus(FIRST);
        assert_eq!(times(&due(&mut book, now)), [5], "none is lost");
        book.hear(heard("a"), now);
        assert_eq!(times(&due(&mut book, now.plus(FIRST))), [0; 0]);
        assert_eq!(times(&due(&mut book, now.plus(2 * FIRST))), [1]);
        assert_eq!(
            times(&due(&mut book, now.plus(LAST))),
            [0; 0],
            "nothing is told of nothing"
        );
        book.hear(heard("a"), now);
        assert_eq!(
            times(&book.due(now, Millis(i64::MAX))),
            [1],
            "the last look tells all"
        );
    }

    #[test]
    fn a_session_has_only_so_many_different_ones_and_is_forgotten() {
        let mut book = Book::default();
        let now = Millis(1_000_000);
        for n in 0..10_000 {
            book.hear(heard(&format!("host{n}")), now);
        }
        let due = book.due(now, now);
        assert_eq!(due.len(), APART + 1);
        let others = due.iter().find(|(_, gated)| gated.host == "(others)");
        let others = others.map(|(_, gated)| gated.times);
        assert_eq!(others, Some(10_000 - APART as u64));
        book.due(now.plus(FORGET), now);
        assert!(book.sessions.is_empty());
    }
}
