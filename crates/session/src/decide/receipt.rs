//! A tool call came to an end: its receipt is written, and the next call gets
//! its intent in the same append.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Facts, Refusal, failed, reply};
use crate::fact::{Fact, Failure, Family, Outcome, Receipt};
use crate::state::{OpenCall, Repeat};

pub(super) fn receipt(facts: &mut Facts<'_>, mut receipt: Receipt) -> Result<(), Refusal> {
    let turn = facts.turn()?;
    let open = turn.open.as_ref();
    let Some(open) = open.filter(|open| open.call.id == receipt.result.call) else {
        return Err(Refusal::NotOpen);
    };
    let of = digest(open, &receipt);
    let before = turn.repeat.filter(|repeat| repeat.of == of);
    let times = before.map_or(1, |repeat| repeat.times.saturating_add(1));
    receipt.repeat = Some(Repeat { of, times });
    let most = facts.frozen.bounds.loop_after;
    if most > 0 && times >= most {
        receipt.result.text.push_str(&no_progress(times));
    }
    facts.add(Fact::ToolDone(receipt));
    if most > 0 && times > most {
        failed::fail(facts, stuck(times));
    } else {
        reply::proceed(facts);
    }
    Ok(())
}

/// A number for call and result together. Its keys are fixed: every process
/// gets the same one, and a newer one that does not merely counts from 1 again.
fn digest(open: &OpenCall, receipt: &Receipt) -> u64 {
    let mut hasher = DefaultHasher::new();
    open.call.tool.hash(&mut hasher);
    open.call.input.to_string().hash(&mut hasher);
    receipt.result.text.hash(&mut hasher);
    matches!(receipt.outcome, Outcome::Done { .. }).hash(&mut hasher);
    hasher.finish()
}

fn no_progress(times: u32) -> String {
    format!(
        "\n[This call gave the same result {times} times in a row. Do something else, or say what \
         is in the way: the next time ends the turn.]"
    )
}

fn stuck(times: u32) -> Failure {
    Failure {
        family: Family::Task,
        code: "no_progress".to_owned(),
        message: format!(
            "The agent made the same call with the same result {times} times in a row."
        ),
        retriable: true,
    }
}
