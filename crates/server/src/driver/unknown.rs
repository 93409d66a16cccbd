//! What is told of a call whose outcome is not known: what is known, in plain
//! words for the model and as fields for programs.

use std::sync::{Arc, Mutex, PoisonError};

use session::State;
use session::fact::{Files, Known, Outcome, Receipt};
use session::state::OpenCall;

use crate::clock;
use crate::tools::{self, Done};

/// Bytes of output that are remembered of a call that runs.
const REMEMBERED: usize = 8 * 1024;

/// The end of what a running call has printed.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let over = kept.len().saturating_sub(REMEMBERED);
        kept.drain(..over);
    }

    pub(super) fn text(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!kept.is_empty()).then(|| String::from_utf8_lossy(&kept).into_owned())
    }
}

/// The sandbox was lost, or did not answer, while the call may have run.
pub(super) fn lost(state: &State, open: &OpenCall, output: Option<String>) -> Receipt {
    let mut text = format!(
        "Outcome unknown: the sandbox was lost while this ran (begun {}). It may have run wholly, in \
         part or not at all. {}",
        clock::rfc3339(open.since),
        next_files(state.checkpoint.as_ref()),
    );
    if let Some(output) = &output {
        text.push_str("\nIts output so far:\n");
        text.push_str(output);
    }
    indeterminate(
        open,
        text,
        Known {
            started_at: open.since,
            output_so_far: output,
            checkpoint: state.checkpoint.clone(),
        },
    )
}

/// Which files the next call finds.
pub(super) fn next_files(checkpoint: Option<&Files>) -> String {
    checkpoint.map_or_else(
        || "The next call gets a new, empty sandbox; files of the old one are gone.".to_owned(),
        |files| {
            format!(
                "The next call gets a new sandbox with the files of checkpoint {} (made {}, as of event \
                 {}); what was changed after that is gone.",
                files.id,
                clock::rfc3339(files.at),
                files.seq
            )
        },
    )
}

/// No sandbox could be made: the call did not run.
pub(super) fn no_sandbox(open: &OpenCall, error: &hands::Error) -> Receipt {
    tools::receipt(open, Done::refused(format!("Not run: {error}.")))
}

/// The sandbox failed in another way than by being lost.
pub(super) fn failed(open: &OpenCall, error: &hands::Error) -> Receipt {
    match error {
        hands::Error::Refused(_) | hands::Error::Launch(_) => no_sandbox(open, error),
        _ => {
            let text =
                format!("Outcome unknown: {error}. It may have run wholly, in part or not at all.");
            let known = Known {
                started_at: open.since,
                ..Known::default()
            };
            indeterminate(open, text, known)
        }
    }
}

fn indeterminate(open: &OpenCall, text: String, known: Known) -> Receipt {
    let done = Done {
        outcome: Outcome::Indeterminate,
        ..Done::plain(text, true)
    };
    Receipt {
        known: Some(Box::new(known)),
        ..tools::receipt(open, done)
    }
}

#[cfg(test)]
mod tests {
    use session::{Call, Millis};

    use super::*;

    fn open() -> OpenCall {
        OpenCall {
            seq: 7,
            since: Millis(0),
            call: Call {
                id: "c1".to_owned(),
                tool: "bash".to_owned(),
                input: serde_json::json!({ "command": "make" }),
                unusable: None,
            },
        }
    }

    #[test]
    fn a_tail_keeps_the_end() {
        let tail = Tail::default();
        assert_eq!(tail.text(), None);
        for n in 0..REMEMBERED {
            tail.push(n.to_string().as_bytes());
        }
        let text = tail.text().unwrap();
        assert_eq!(text.len(), REMEMBERED);
        assert!(text.ends_with(&(REMEMBERED - 1).to_string()));
    }

    #[test]
    fn a_lost_call_says_what_is_known_and_which_files_come_next() {
        let mut state = State::default();
        let receipt = lost(&state, &open(), Some("half".to_owned()));
        assert!(receipt.result.text.contains("new, empty sandbox"));
        assert!(receipt.result.text.ends_with("half"));
        state.checkpoint = Some(Files {
            id: "ckp_1".to_owned(),
            seq: 5,
            at: Millis(0),
        });
        let receipt = lost(&state, &open(), None);
        let text = &receipt.result.text;
        assert!(
            text.contains("checkpoint ckp_1") && text.contains("event 5"),
            "{text}"
        );
        assert_eq!(receipt.outcome, Outcome::Indeterminate);
        assert_eq!(receipt.known.unwrap().checkpoint, state.checkpoint);
    }
}
