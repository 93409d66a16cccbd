//! A tool call came to an end: its receipt is written, and the next call gets
//! its intent in the same append.

use super::{Facts, Refusal, reply};
use crate::fact::{Fact, Receipt};

pub(super) fn receipt(facts: &mut Facts<'_>, receipt: Receipt) -> Result<(), Refusal> {
    let open = facts.turn()?.open.as_ref();
    if open.is_none_or(|open| open.call.id != receipt.result.call) {
        return Err(Refusal::NotOpen);
    }
    facts.add(Fact::ToolDone(receipt));
    reply::proceed(facts);
    Ok(())
}
