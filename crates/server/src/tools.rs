//! One tool call, carried out in a sandbox: from the model's arguments to a
//! receipt in words for the model.
//!
//! What went wrong inside the sandbox (a missing file, an exit code) is a
//! receipt like any other. Only the sandbox itself failing is an error, and
//! what is then known of the call is the driver's to say.

mod args;
mod bash;
mod files;
mod text;

use std::collections::BTreeMap;

use hands::{Live, Sandbox};
use session::fact::{Outcome, Receipt};
use session::state::OpenCall;
use session::tool::{self, Kind};
use session::transcript::ToolResult;
use store::{Sabotage, sabotaged};

/// What came of a call, before it is a receipt.
pub struct Done {
    /// What the model is told.
    pub text: String,
    /// Whether it failed.
    pub is_error: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// All output, where it is more than `text`.
    pub output: Option<std::sync::Arc<[u8]>>,
    /// Bytes of output in all.
    pub bytes: u64,
    /// How long it took.
    pub duration_ms: Option<u64>,
}

/// What a command has besides its arguments.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// Longest it may take, in seconds.
    pub longest: u64,
    /// Variables of its environment.
    pub env: BTreeMap<String, String>,
}

/// Carries out the call, or finds the run that already carries it out: the
/// call's name in the sandbox follows from its intent, so it never runs twice.
/// `around` is what a command has besides; `live` gets what it prints.
///
/// # Errors
/// Only the sandbox's own: it is gone, or gave no answer.
pub async fn carry_out(
    sandbox: &dyn Sandbox,
    open: &OpenCall,
    around: &Around,
    live: Live,
) -> Result<Receipt, hands::Error> {
    let done = match tool::kind(&open.call.tool) {
        Some(Kind::Exec) => bash::run(sandbox, open, around, live).await?,
        _ => files::run(sandbox, open).await?,
    };
    Ok(receipt(open, done))
}

/// Stops the call, if it runs, and tells what came of it. `why` is one word.
///
/// # Errors
/// Only the sandbox's own.
pub async fn stopped(
    sandbox: &dyn Sandbox,
    open: &OpenCall,
    why: &str,
) -> Result<Receipt, hands::Error> {
    let done = match tool::kind(&open.call.tool) {
        Some(Kind::Exec) => bash::stopped(sandbox, open, why).await?,
        // A file operation takes a moment and cannot be stopped in it.
        Some(Kind::Write) => Done {
            outcome: Outcome::Indeterminate,
            ..Done::plain(
                format!("Stopped ({why}): look whether the file was changed."),
                true,
            )
        },
        _ => Done::refused(format!("Not run: {why}.")),
    };
    Ok(receipt(open, done))
}

/// The receipt of a call.
#[must_use]
pub fn receipt(open: &OpenCall, done: Done) -> Receipt {
    Receipt {
        tool: open.call.tool.clone(),
        command: tool::summary(&open.call.tool, &open.call.input),
        result: ToolResult {
            call: open.call.id.clone(),
            text: done.text,
            is_error: done.is_error,
        },
        outcome: done.outcome,
        output: done.output,
        bytes: done.bytes,
        duration_ms: done.duration_ms,
        known: None,
        repeat: None,
    }
}

/// The call's name in the sandbox. The intent's number makes it unique even
/// where a provider gives one call id twice in a conversation.
#[must_use]
pub fn exec_id(open: &OpenCall) -> String {
    if sabotaged(Sabotage::DedupeOff) {
        return format!("{}.{}.{}", open.seq, open.call.id, std::process::id());
    }
    format!("{}.{}", open.seq, open.call.id)
}

impl Done {
    /// A call whose arguments cannot be used: it did not run.
    #[must_use]
    pub fn refused(text: String) -> Self {
        Self {
            text,
            is_error: true,
            outcome: Outcome::NotRun,
            output: None,
            bytes: 0,
            duration_ms: None,
        }
    }

    /// A file operation that was carried out or failed in the sandbox.
    #[must_use]
    pub fn plain(text: String, is_error: bool) -> Self {
        let bytes = text.len() as u64;
        Self {
            text,
            is_error,
            outcome: Outcome::Done { exit_code: None },
            output: None,
            bytes,
            duration_ms: None,
        }
    }
}
