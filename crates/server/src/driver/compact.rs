//! The duty to compact: the model writes down what matters before its window is
//! full, and goes on from that. The goal is pinned as it was first said; the
//! system prompt never changes; the newest message is kept whole.

use brain::Purpose;
use session::Command;

use super::failure;
use super::run::{Run, Stopped};
use super::think::Thought;

impl Run {
    pub(super) async fn compact(&mut self) -> Result<(), Stopped> {
        let saw = self.fold.state.head;
        let goal = self
            .fold
            .transcript
            .first_message()
            .unwrap_or_default()
            .to_owned();
        let ask = self.question(Purpose::Compact);
        match self.ask(ask).await? {
            Thought::Reply(reply) => {
                let summary = format!(
                    "The goal, as the user first put it:\n{goal}\n\nWhat happened so far:\n{}",
                    reply.text
                );
                self.commit(Command::Compacted {
                    saw,
                    summary,
                    usage: reply.usage,
                })
                .await
            }
            Thought::Failed(error) => {
                self.commit(Command::Failed(failure::of_model(&error)))
                    .await
            }
            Thought::Cut => Ok(()),
        }
    }
}
