//! The wrong order of receipt and effect, for the test that the drill notices
//! it. In every other build nothing calls this.

use std::sync::Arc;
use std::time::Duration;

use hands::Sandbox;
use session::Command;
use session::fact::{Outcome, Receipt};
use session::state::OpenCall;
use store::{Sabotage, sabotaged};

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
}

fn premature(open: &OpenCall) -> Receipt {
    let done = Done::plain("(no output)".to_owned(), false);
    let outcome = Outcome::Done { exit_code: Some(0) };
    tools::receipt(open, Done { outcome, ..done })
}
