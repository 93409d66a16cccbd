//! What a model call has used so far, as far as that can be told from outside:
//! counted where the answer is read, so that a call which is cut, at whatever
//! moment and however slow its readers are, can be charged for what it streamed.
//!
//! It promises never to tell less than was seen; it may not know prices, caps,
//! or why a call was cut.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session::Tokens;

/// Tokens put on top of the bytes that were read of an answer: what a provider
/// goes on to say until it learns that nobody listens.
const UNDER_WAY: u64 = 256;

/// Counts one call of a model, whatever number of questions to a provider it
/// takes. Copies count together.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Reading>>);

#[derive(Debug, Default)]
struct Reading {
    /// What answers used that told it.
    used: Tokens,
    /// Questions that were sent, and did not tell what they used.
    open: Vec<Open>,
}

/// A question that was sent.
#[derive(Debug, Default, Clone, Copy)]
struct Open {
    /// Its input, once that was told.
    input: Option<Tokens>,
    /// Bytes of its answer.
    bytes: u64,
    /// Whether the model thought what is not, or not wholly, shown.
    unseen: bool,
    /// Whether a part of its answer has begun.
    begun: bool,
}

impl Meter {
    /// A question is sent, to a model that may think before it says anything.
    pub(crate) fn asked(&self, thinks: bool) {
        self.reading().open.push(Open {
            unseen: thinks,
            ..Open::default()
        });
    }

    /// The newest question was turned away: it cost nothing.
    pub(crate) fn refused(&self) {
        self.reading().open.pop();
    }

    /// So many bytes of its answer came.
    pub(crate) fn heard(&self, bytes: usize) {
        self.change(|open| open.bytes = open.bytes.saturating_add(bytes as u64));
    }

    /// A part of its answer begins. One that begins with words was not thought
    /// about out of sight; a thought is shown in part only, if at all.
    pub(crate) fn begins(&self, bytes: usize, thought: bool) {
        self.change(|open| {
            open.unseen = thought || (open.unseen && open.begun);
            open.begun = true;
        });
        self.heard(bytes);
    }

    /// The provider told how many tokens the question has.
    pub(crate) fn input(&self, tokens: Tokens) {
        self.change(|open| {
            open.input = Some(Tokens {
                output: 0,
                ..tokens
            });
        });
    }

    /// The newest answer is whole, and said what it used, or did not.
    pub(crate) fn told(&self, used: Option<Tokens>) {
        let mut reading = self.reading();
        if let Some(used) = used {
            reading.open.pop();
            reading.used = reading.used.plus(used);
        }
    }

    /// What answers used that told it.
    #[must_use]
    pub fn used(&self) -> Tokens {
        self.reading().used
    }

    /// Whether a question was sent that did not tell what it used.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.reading().open.is_empty()
    }

    /// The most that the call can have used by now, if no question of it has more
    /// than so many input tokens and all its answers together not more than so
    /// many output tokens. No token stands for less than one byte; what was
    /// thought out of sight counts as all the output there could be.
    #[must_use]
    pub fn most(&self, input: u64, output: u64) -> Tokens {
        let reading = self.reading();
        let left = output.saturating_sub(reading.used.output);
        let mut open = Tokens::default();
        for question in &reading.open {
            open = open.plus(question.input.unwrap_or(Tokens {
                input,
                ..Tokens::default()
            }));
            open.output = open.output.saturating_add(match question.unseen {
                true => left,
                false => question.bytes.saturating_add(UNDER_WAY),
            });
        }
        open.output = open.output.min(left);
        reading.used.plus(open)
    }

    fn change(&self, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.reading().open.last_mut() {
            change(open);
        }
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens {
            input,
            output,
            ..Tokens::default()
        }
    }

    #[test]
    fn what_was_not_asked_or_turned_away_costs_nothing() {
        let meter = Meter::default();
        assert_eq!(meter.most(100, 100), Tokens::default());
        meter.asked(false);
        meter.refused();
        assert!(!meter.is_open());
        assert_eq!(meter.most(100, 100), Tokens::default());
    }

    #[test]
    fn a_cut_answer_counts_its_bytes_and_never_more_than_it_may_have() {
        let meter = Meter::default();
        meter.asked(false);
        assert_eq!(meter.most(100, 9000), tokens(100, UNDER_WAY));
        meter.heard(1000);
        assert_eq!(meter.most(100, 9000), tokens(100, 1000 + UNDER_WAY));
        assert_eq!(meter.most(100, 1100), tokens(100, 1100));
        meter.input(tokens(60, 7));
        assert_eq!(meter.most(100, 1100), tokens(60, 1100));
    }

    #[test]
    fn thinking_out_of_sight_counts_as_all_there_could_be() {
        let meter = Meter::default();
        meter.asked(false);
        meter.begins(3, false);
        meter.begins(9, true);
        meter.begins(9, false);
        assert_eq!(meter.most(5, 9000), tokens(5, 9000));
    }

    #[test]
    fn a_model_that_may_think_may_have_thought_until_it_speaks() {
        let meter = Meter::default();
        meter.asked(true);
        assert_eq!(meter.most(5, 9000), tokens(5, 9000));
        meter.begins(1, false);
        assert_eq!(meter.most(5, 9000), tokens(5, 1 + UNDER_WAY));
    }

    #[test]
    fn questions_of_one_call_add_up() {
        let meter = Meter::default();
        meter.asked(false);
        meter.heard(500);
        meter.told(Some(tokens(10, 20)));
        meter.asked(false);
        meter.told(None);
        meter.asked(false);
        meter.heard(5);
        assert!(meter.is_open());
        assert_eq!(meter.used(), tokens(10, 20));
        let most = meter.most(100, 9000);
        assert_eq!(most, tokens(210, 20 + 5 + 2 * UNDER_WAY));
        assert_eq!(meter.most(100, 50), tokens(210, 50));
    }
}
