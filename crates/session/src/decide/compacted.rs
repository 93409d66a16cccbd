//! The conversation was summarised because the window came near its end.

use super::{Facts, Refusal};
use crate::fact::Fact;
use crate::usage::Tokens;

pub(super) fn compacted(
    facts: &mut Facts<'_>,
    saw: u64,
    summary: String,
    usage: Option<Tokens>,
) -> Result<(), Refusal> {
    let turn = facts.turn()?;
    if turn.open.is_some() || !turn.pending.is_empty() {
        return Err(Refusal::NotOpen);
    }
    let usage = usage.map(|used| facts.frozen.rated(used));
    facts.add(Fact::Compacted {
        saw,
        summary,
        usage,
    });
    Ok(())
}
