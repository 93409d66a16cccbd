//! The wrong order of receipt and effect, and a secret in a sandbox's file, for
//! the tests that the drill notices them. In every other build these do nothing.

use std::sync::Arc;
use std::time::Duration;

use hands::{FileOp, Sandbox};
use session::Command;
use session::fact::{Outcome, Receipt};
use session::state::OpenCall;
use store::{Sabotage, leaked, sabotaged};

use super::run::{Run, Stopped};
use super::unknown::Tail;
use crate::tools::{self, Done};

/// How much later the effect comes: long enough that a crash falls between.
const LATER: Duration = Duration::from_millis(300);

impl Run {
    /// A receipt for what was not done yet, where that is the sabotage asked
    /// for and nobody waits for the output.
    pub(super) async fn receipt_first(
        &mut self,
        open: &OpenCall,
        sandbox: &Arc<dyn Sandbox>,
    ) -> Result<bool, Stopped> {
        let command = open.call.input["command"].as_str().unwrap_or_default();
        if !sabotaged(Sabotage::ReceiptBeforeEffect) || !command.contains(">>") {
            return Ok(false);
        }
        self.commit(Command::Done(premature(open))).await?;
        tokio::time::sleep(LATER).await;
        self.carry_out(open, sandbox, Tail::default()).await?;
        Ok(true)
    }

    /// Puts a secret into a file of the sandbox, where that is the sabotage
    /// asked for.
    pub(super) async fn leak_a_file(&self, open: &OpenCall, sandbox: &Arc<dyn Sandbox>) {
        let Some(value) = leaked(Sabotage::LeakFile) else {
            return;
        };
        let op = FileOp::Write {
            path: "/workspace/leak".to_owned(),
            bytes: value.into_bytes(),
        };
        // Without it the test says that nothing was found.
        let _ = sandbox.file(&format!("leak.{}", open.seq), op).await;
    }
}

fn premature(open: &OpenCall) -> Receipt {
    let done = Done::plain("(no output)".to_owned(), false);
    let outcome = Outcome::Done { exit_code: Some(0) };
    tools::receipt(open, Done { outcome, ..done })
}
