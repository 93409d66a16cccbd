//! One session under this node's lease: fold the facts, do the duty, until the
//! session is at rest, the lease is lost, or the node drains.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use session::{Command, Duty, Fold, Frozen, Millis, duty};
use tracing::Instrument;

use super::{Born, Handle};
use crate::app::App;
use crate::{clock, points};

/// Why a run stopped before its session was at rest.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// Another node drives the session, or will.
    #[error("the lease is gone")]
    Lost,
    /// The node is told to stop; the session is handed over as it stands.
    #[error("the node drains")]
    Drained,
    /// The truth cannot be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The log holds what it cannot hold.
    #[error(transparent)]
    Fact(#[from] session::fact::ParseError),
}

/// A session being driven.
pub(super) struct Run {
    pub(super) app: App,
    pub(super) org: String,
    pub(super) session: String,
    pub(super) epoch: u64,
    pub(super) frozen: Arc<Frozen>,
    pub(super) fold: Fold,
    pub(super) handle: Handle,
    /// Intents this run wrote itself: their calls cannot have begun elsewhere.
    pub(super) own_since: u64,
    /// The intent whose call this run asked a sandbox for last.
    pub(super) begun: Arc<AtomicU64>,
}

/// Drives the session of that row until it is at rest.
pub(super) async fn run(app: App, born: Born, handle: Handle) {
    let row = &born.row;
    let span = tracing::info_span!("run", session = %row.id, epoch = row.epoch);
    let (session, epoch) = (row.id.clone(), row.epoch);
    let ended = async {
        let mut run = Run::take_up(app.clone(), born, handle).await?;
        run.until_rest().await
    }
    .instrument(span.clone())
    .await;
    let _guard = span.enter();
    match ended {
        Ok(()) => return,
        Err(Stopped::Drained) => tracing::info!("handed over"),
        Err(Stopped::Lost) => {
            tracing::info!("the lease is gone");
            return;
        }
        Err(error) => tracing::error!(%error, "the run stopped"),
    }
    drop(_guard);
    hand_over(&app, &session, epoch).await;
}

/// Gives the lease back early. If that fails the lease runs out by itself.
async fn hand_over(app: &App, session: &str, epoch: u64) {
    if let Err(error) = app.store.release(session, epoch).await {
        tracing::warn!(%error, session, "cannot give the lease back");
    }
}

impl Run {
    /// Folds the facts of a session whose lease this node holds.
    async fn take_up(app: App, born: Born, handle: Handle) -> Result<Self, Stopped> {
        let Born { row, events } = born;
        let mut run = Self {
            app,
            org: row.org.clone(),
            session: row.id.clone(),
            epoch: row.epoch,
            frozen: Arc::new(row.frozen.clone()),
            fold: Fold::default(),
            handle,
            own_since: 0,
            begun: Arc::default(),
        };
        for logged in &events {
            run.fold.apply(&logged.event)?;
        }
        if run.fold.state.head < row.head {
            run.catch_up().await?;
        }
        run.own_since = run.fold.state.head;
        Ok(run)
    }

    /// Takes in what others appended.
    pub(super) async fn catch_up(&mut self) -> Result<(), Stopped> {
        loop {
            let page = self
                .app
                .store
                .fold_source(&self.session, self.fold.state.head)
                .await?;
            if page.is_empty() {
                self.knows(self.fold.state.head);
                return Ok(());
            }
            for event in &page {
                self.fold.apply(&event.event)?;
            }
        }
    }

    /// Notes up to which number this run knows its log.
    pub(super) fn knows(&self, head: u64) {
        self.handle.known.store(head, Ordering::Relaxed);
    }

    async fn until_rest(&mut self) -> Result<(), Stopped> {
        loop {
            self.may_go_on()?;
            match duty(&self.frozen, &self.fold.state, clock::now()) {
                Duty::Rest => return self.rest().await,
                Duty::Begin => {
                    self.commit(Command::Begin).await?;
                    points::passed("turn.begun");
                }
                Duty::Think => self.think().await?,
                Duty::Compact => self.compact().await?,
                Duty::Act(open) => self.act(&open).await?,
                Duty::End(reason) => self.end(reason).await?,
            }
            if self.fold.state.phase().at_rest() {
                // The last append gave the lease back with the facts.
                return self.settle().await;
            }
        }
    }

    /// At rest without an append of its own: someone archived the session.
    async fn rest(&mut self) -> Result<(), Stopped> {
        self.app.store.release(&self.session, self.epoch).await?;
        self.settle().await
    }

    /// What a session at rest leaves behind on this node.
    async fn settle(&mut self) -> Result<(), Stopped> {
        if self.fold.state.archived
            && let Err(error) = self.app.hands.destroy(&self.session).await
        {
            tracing::warn!(%error, "cannot end the sandbox of an archived session");
        }
        Ok(())
    }

    /// Whether another step may begin.
    fn may_go_on(&self) -> Result<(), Stopped> {
        self.may_finish_step()?;
        if self.app.drain.is_cancelled() {
            Err(Stopped::Drained)
        } else {
            Ok(())
        }
    }

    /// Whether the step that runs may go on.
    fn may_finish_step(&self) -> Result<(), Stopped> {
        if self.handle.lost.is_cancelled() {
            Err(Stopped::Lost)
        } else if self.app.halt.is_cancelled() {
            Err(Stopped::Drained)
        } else {
            Ok(())
        }
    }

    /// Waits until the step begun at number `began` must be cut: the turn was
    /// canceled or is over its deadline, a message interrupts it, or the run
    /// itself must stop. Never returns otherwise.
    pub(super) async fn cut(&mut self, began: u64) -> Result<(), Stopped> {
        let deadline = session::duty::deadline(&self.frozen, &self.fold.state);
        loop {
            self.may_finish_step()?;
            let state = &self.fold.state;
            let over = state.turn.as_ref().is_none_or(|turn| turn.cancel.is_some());
            if over
                || state.interrupted_since(began)
                || deadline.is_some_and(|at| clock::now() >= at)
            {
                return Ok(());
            }
            let (wake, lost, halt) = (
                self.handle.wake.clone(),
                self.handle.lost.clone(),
                self.app.halt.clone(),
            );
            tokio::select! {
                () = wake.notified() => self.catch_up().await?,
                () = lost.cancelled() => {}
                () = halt.cancelled() => {}
                () = until(deadline) => {}
            }
        }
    }
}

/// Waits until that moment; for ever if there is none.
async fn until(at: Option<Millis>) {
    match at {
        Some(at) => {
            let ms = u64::try_from(at.since(clock::now())).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        None => std::future::pending().await,
    }
}
