//! Making files safe: a checkpoint in the blob store, its row and its fact in
//! one transaction.

use session::fact::Checkpoint as Told;
use session::id::Noun;
use session::{Command, Refusal};
use store::{Checkpoint, Error, SessionRow};

use super::Files;
use crate::app::App;
use crate::outside::{self, NotCarried, To};
use crate::{clock, points};

/// Why files were not made safe.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSaved {
    #[error(transparent)]
    Hands(#[from] hands::Error),
    #[error(transparent)]
    Store(#[from] Error),
    /// It was closed, or is at work again.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Files {
    /// Makes the files of a session safe, if they changed; the id of the checkpoint that
    /// has them now. The caller holds its lock.
    pub(super) async fn save(
        &self,
        app: &App,
        row: &SessionRow,
        why: &str,
    ) -> Result<String, NotSaved> {
        let before = app.hands.written(&row.id);
        // Everything up to here is in the files; what comes meanwhile may be.
        let seq = app.running.known(&row.id).unwrap_or(row.head).min(row.head);
        let mut kept = app.store.checkpoints(&row.id).await?;
        kept.retain(|made| made.damaged.is_none());
        let names: Vec<_> = kept.iter().map(|made| &*made.manifest).collect();
        let saved = app.hands.checkpoint(&row.id, &names).await?;
        let now = clock::now();
        let same = kept.iter().find(|made| made.manifest == saved.manifest);
        let id = same.map_or_else(|| clock::fresh(Noun::Checkpoint), |made| made.id.clone());
        if !saved.unchanged {
            let command = Command::Checkpointed(Told {
                id: id.clone(),
                why: why.to_owned(),
                seq,
                files: saved.files,
                bytes: saved.bytes,
                added: saved.added,
            });
            let made = Checkpoint {
                id: id.clone(),
                session: row.id.clone(),
                seq,
                at: now,
                manifest: saved.manifest,
                packs: saved.packs,
                files: saved.files,
                bytes: saved.bytes,
                added: saved.added,
                damaged: None,
            };
            append(app, row, &command, Some(made)).await?;
            points::passed("checkpoint.made");
        }
        let mut marks = self.marks();
        let mark = marks.entry(row.id.clone()).or_default();
        mark.written = before;
        mark.saved = now;
        Ok(id)
    }

    /// Ends the sandbox of a session at rest, whose files are safe in that checkpoint.
    /// The caller holds its lock.
    pub(super) async fn hibernate(
        &self,
        app: &App,
        row: &SessionRow,
        checkpoint: String,
    ) -> Result<(), NotSaved> {
        append(app, row, &Command::Hibernated(checkpoint), None).await?;
        points::passed("hibernate.half");
        self.end(app, &row.id).await;
        tracing::info!(session = row.id, "the sandbox sleeps");
        Ok(())
    }
}

/// Appends what a command leads to, as one from outside: whoever runs the session
/// is not disturbed.
async fn append(
    app: &App,
    row: &SessionRow,
    command: &Command,
    made: Option<Checkpoint>,
) -> Result<(), NotSaved> {
    let to = To {
        org: &row.org,
        session: &row.id,
        key: None,
        checkpoint: made,
    };
    let asleep = matches!(command, Command::Hibernated(_));
    let made = |now: &SessionRow| {
        // A turn that ran since its files were made safe has changed them.
        if asleep && now.state.since != row.state.since {
            return Err(Refusal::Busy);
        }
        Ok(command.clone())
    };
    match outside::carry(app, to, made).await {
        Ok(_) => Ok(()),
        Err(NotCarried::Refused(refusal, _) | NotCarried::Unmade(refusal)) => Err(refusal.into()),
        Err(NotCarried::Store(error)) => Err(error.into()),
    }
}
