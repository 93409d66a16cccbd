//! From a command of the driver to facts in the log, under head and epoch.
//!
//! The log may have grown since the fold: a message, a cancel. Then what others
//! wrote is folded first and the command is decided anew on that state, so the
//! facts always follow from everything before them.

use session::{Command, Decided, decide};
use store::{Append, LeaseChange, Projection};

use super::run::{Run, Stopped};
use crate::clock;
use crate::points;

impl Run {
    /// Decides the command and appends what it leads to. A refusal means that
    /// the world moved on: nothing is written, and the duty is asked again. Only
    /// what a model call used is written all the same.
    pub(super) async fn commit(&mut self, mut command: Command) -> Result<(), Stopped> {
        loop {
            if self.handle.lost.is_cancelled() {
                return Err(Stopped::Lost);
            }
            let now = clock::now();
            let decided = decide(
                &self.session,
                &self.frozen,
                &self.fold.state,
                command.clone(),
                now,
            );
            let decided = match decided {
                Ok(decided) if decided.drafts.is_empty() => return Ok(()),
                Ok(decided) => decided,
                Err(refusal) => {
                    tracing::debug!(%refusal, "overtaken");
                    match self.settle {
                        Some(used) if used.tokens.total() > 0 => {
                            command = Command::ModelCut(used.tokens);
                            continue;
                        }
                        _ => return Ok(()),
                    }
                }
            };
            match self.append(decided, now).await {
                Ok(()) => return Ok(()),
                Err(store::Error::Stale { .. }) => self.catch_up().await?,
                Err(store::Error::Fenced) => return Err(Stopped::Lost),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn append(&mut self, decided: Decided, at: session::Millis) -> Result<(), store::Error> {
        let Decided { drafts, state } = decided;
        let intent = drafts.iter().any(|draft| draft.kind == "tool.call");
        let lease = if state.phase().at_rest() {
            LeaseChange::Release
        } else {
            LeaseChange::Keep
        };
        let project = Projection::of(&self.frozen, &self.fold.state, &state, at);
        let append = Append {
            session: &self.session,
            head: self.fold.state.head,
            epoch: Some(self.epoch),
            at,
            drafts,
            project,
            lease,
            dedupe: None,
            settle: self.settle.map(|used| used.amount),
            checkpoint: None,
        };
        self.knows(state.head);
        let events = self.app.store.append(append).await?;
        self.settle = None;
        if intent {
            points::passed("intent.written");
        }
        self.app.metrics.appended(events.len());
        for event in &events {
            if let Err(error) = self.fold.apply(&event.event) {
                // We wrote it a moment ago: this cannot be read as anything else
                // than a defect, and the next fold will say so to the operator.
                tracing::error!(%error, "an event of our own cannot be folded");
            }
        }
        debug_assert_eq!(self.fold.state, state, "decide and fold must agree");
        Ok(())
    }
}
