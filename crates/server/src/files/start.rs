//! A sandbox for a session that has none: with the files of its newest
//! checkpoint that can be read, or empty.

use std::sync::Arc;
use std::time::Duration;

use hands::{Error, Obtained, Sandbox};
use session::fact::Restored;
use session::{Command, Frozen, State};
use store::Checkpoint;

use super::Files;
use crate::app::App;
use crate::clock;
use crate::skills;

/// What the model is told first when it gets an empty sandbox in place of a
/// lost one.
const ANEW: &str =
    "[The sandbox was lost and this is a new, empty one: files made before are gone.]";
/// What it is told when the files cannot be had from where they were kept.
const UNREADABLE: &str = "[The sandbox was lost and this is a new, empty one: the files that were kept of it are \
    damaged and cannot be read, so files made before are gone.]";
/// What it is told when the sandbox was asleep.
const WOKEN: &str =
    "[The sandbox slept and was woken: files are as they were, background processes were ended.]";
/// What it is told in a fork.
const FORKED: &str = "[This is a copy of an earlier conversation, in a sandbox of its own with its files: \
    background processes are not part of it.]";
/// What it is told in a fork for which no files were kept.
const FORKED_EMPTY: &str = "[This is a copy of an earlier conversation, in a new, empty sandbox of its own: \
    files made before are not in it.]";

/// A sandbox that was started for a session.
pub struct Fresh {
    /// The sandbox.
    pub sandbox: Arc<dyn Sandbox>,
    /// What is to be written down of it before it is used.
    pub fact: Command,
    /// What the model is to be told of it.
    pub news: Option<String>,
}

impl Files {
    /// Starts a sandbox for a session in that state. One that is found under its
    /// name is of the past, and ended.
    ///
    /// # Errors
    /// Those of a start; a checkpoint that is damaged is passed over.
    pub async fn start(
        &self,
        app: &App,
        session: &str,
        frozen: &Frozen,
        state: &State,
    ) -> Result<Fresh, Error> {
        let _lock = self.lock(session).await;
        self.end(app, session).await;
        let mut skipped = Vec::new();
        for checkpoint in self.checkpoints(app, session, state).await? {
            match obtain(app, session, Some(&checkpoint.manifest)).await {
                Ok(obtained) => {
                    if checkpoint.damaged.is_some() {
                        found(app, &checkpoint, None).await;
                    }
                    return Ok(restored(state, obtained, Some(checkpoint), skipped));
                }
                Err(Error::Damaged(why)) => {
                    found(app, &checkpoint, Some(&why)).await;
                    skipped.push(checkpoint.id);
                }
                Err(error) => return Err(error),
            }
        }
        let obtained = obtain(app, session, None).await?;
        skills::place(app, session, frozen, &*obtained.sandbox).await?;
        let first = state.sandbox.is_none() && !state.hibernated && skipped.is_empty();
        if first && state.checkpoint.is_none() {
            return Ok(Fresh {
                fact: Command::SandboxStarted(obtained.sandbox.id().to_owned()),
                sandbox: obtained.sandbox,
                news: state.origin.as_ref().map(|_| FORKED_EMPTY.to_owned()),
            });
        }
        Ok(restored(state, obtained, None, skipped))
    }

    /// Checkpoints that may be restored: first the one that the log names, then
    /// the others, newest first. Those that were damaged once are among them: their
    /// disk may be mended by now.
    async fn checkpoints(
        &self,
        app: &App,
        session: &str,
        state: &State,
    ) -> Result<Vec<Checkpoint>, Error> {
        // It never had files.
        if state.checkpoint.is_none() && state.sandbox.is_none() {
            return Ok(Vec::new());
        }
        let listed = app.store.checkpoints(session).await;
        let mut listed = listed
            .map_err(|error| Error::Launch(format!("its checkpoints cannot be read: {error}")))?;
        let named = state.checkpoint.as_ref().map(|files| &files.id);
        listed.sort_by_key(|made| Some(&made.id) != named);
        Ok(listed)
    }
}

/// Notes that a checkpoint is damaged, and why, or that it is so no longer. A note
/// that cannot be made costs nothing here: the log tells of it, too.
async fn found(app: &App, checkpoint: &Checkpoint, damaged: Option<&str>) {
    let Checkpoint { id, session, .. } = checkpoint;
    match damaged {
        Some(why) => tracing::error!(session, checkpoint = id, why, "a checkpoint is damaged"),
        None => tracing::info!(session, checkpoint = id, "a checkpoint can be read again"),
    }
    let at = damaged.map(|_| clock::now());
    if let Err(error) = app.store.checkpoint_found(id, at).await {
        tracing::warn!(%error, session, checkpoint = id, "the state of a checkpoint is not noted");
    }
}

async fn obtain(app: &App, session: &str, from: Option<&str>) -> Result<Obtained, Error> {
    let most = Duration::from_secs(app.config.sandboxes.sandbox_start_seconds);
    tokio::time::timeout(most, app.hands.obtain(session, None, from))
        .await
        .map_err(|_| Error::Launch("it did not start in time".to_owned()))?
}

fn restored(
    state: &State,
    obtained: Obtained,
    checkpoint: Option<Checkpoint>,
    skipped: Vec<String>,
) -> Fresh {
    let seq = checkpoint.as_ref().map_or(0, |made| made.seq);
    let forked = state
        .origin
        .as_ref()
        .is_some_and(|origin| seq <= origin.seq);
    let reason = match state.hibernated {
        true if forked => "forked",
        true => "woken",
        false => "lost",
    };
    let named = state.checkpoint.as_ref().map(|files| &files.id);
    // What was asleep has lost nothing if it has the files that the log names.
    let whole = checkpoint.as_ref().map(|made| &made.id) == named;
    let news = match &checkpoint {
        None if skipped.is_empty() => ANEW.to_owned(),
        None => UNREADABLE.to_owned(),
        Some(_) if whole && reason == "woken" => WOKEN.to_owned(),
        Some(_) if whole && reason == "forked" => FORKED.to_owned(),
        Some(made) => format!(
            "[The sandbox was lost. This is a new one with the files of checkpoint {} (made {}, as of event \
             {}); what was changed after that is gone.]",
            made.id,
            clock::rfc3339(made.at),
            made.seq
        ),
    };
    Fresh {
        fact: Command::Restored(Restored {
            sandbox: obtained.sandbox.id().to_owned(),
            made: checkpoint.as_ref().map(|made| made.at),
            checkpoint: checkpoint.map(|made| made.id),
            seq,
            reason: reason.to_owned(),
            skipped,
        }),
        sandbox: obtained.sandbox,
        news: Some(news),
    }
}
