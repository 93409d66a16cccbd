//! A turn comes to rest: the open call gets its receipt, and the turn its end.

use super::{Facts, Refusal};
use crate::fact::{Fact, Failure, Outcome, Receipt, TurnEnd, YieldReason};
use crate::state::OpenCall;
use crate::tool;
use crate::transcript::ToolResult;

pub(super) fn end(
    facts: &mut Facts<'_>,
    reason: YieldReason,
    open: Option<Receipt>,
) -> Result<(), Refusal> {
    let turn = facts.turn()?;
    // The driver chose its reason before it stopped the call. Who was told since
    // that the turn is canceled must not see it go on in another one.
    let reason = match turn.cancel {
        Some(_) => YieldReason::Canceled,
        None => reason,
    };
    if let Some(receipt) = open {
        if turn
            .open
            .as_ref()
            .is_none_or(|open| open.call.id != receipt.result.call)
        {
            return Err(Refusal::NotOpen);
        }
        facts.add(Fact::ToolDone(receipt));
    }
    close(facts, reason, None);
    Ok(())
}

/// Ends the open turn; a call still open is written down as unknown.
pub(super) fn close(facts: &mut Facts<'_>, reason: YieldReason, error: Option<Failure>) {
    if let Some(open) = facts.state.turn.as_ref().and_then(|turn| turn.open.clone()) {
        facts.add(Fact::ToolDone(unknown(&open, reason)));
    }
    let Some(turn) = &facts.state.turn else {
        return;
    };
    let (answers, silent) = turn.reported;
    let end = TurnEnd {
        number: turn.number,
        reason,
        result: turn.said.or(turn.text),
        usage: (answers > 0).then_some(turn.usage),
        complete: silent == 0,
        error,
    };
    facts.add(Fact::TurnCompleted(end));
    if reason == YieldReason::DeadlineExceeded {
        go_on(facts);
    }
}

/// A turn that came to its deadline goes on in a new one, where that is wanted.
fn go_on(facts: &mut Facts<'_>) {
    let of = facts.state.limits(facts.frozen).auto_continue.unwrap_or(0);
    let number = facts.state.continued + 1;
    if number <= of {
        facts.add(Fact::Continued { number, of });
    }
}

fn unknown(open: &OpenCall, reason: YieldReason) -> Receipt {
    let text = format!(
        "The turn ended ({}) while this ran. It was stopped; how far it came is unknown.",
        reason.name().replace('_', " ")
    );
    Receipt {
        tool: open.call.tool.clone(),
        command: tool::summary(&open.call.tool, &open.call.input),
        result: ToolResult {
            call: open.call.id.clone(),
            text,
            is_error: true,
        },
        outcome: Outcome::Indeterminate,
        output: None,
        bytes: 0,
        duration_ms: None,
        known: None,
        repeat: None,
    }
}
