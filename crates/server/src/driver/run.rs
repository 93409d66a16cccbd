//! One session under this node's lease: fold the facts, do the duty, until the
//! session is at rest, the lease is lost, or the node drains.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use session::{Command, Duty, Fold, Frozen, duty};
use tracing::Instrument;

use super::births::Born;
use super::budget::Used;
use super::reaper;
use super::running::Handle;
use super::wait::Stage;
use crate::app::App;
use crate::clock;

/// Facts after which the fold is kept, so that the next run need not fold all
/// of a long log.
const LONG: u64 = 1024;

/// How long a session that failed is left alone; shorter than any lease.
const PAUSE: Duration = Duration::from_secs(1);

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
    /// What a step waits on where the duty alone does not tell.
    pub(super) stage: Stage,
    /// What the next append settles of what was reserved.
    pub(super) settle: Option<Used>,
    /// What the model is to be told of its sandbox with the next result.
    pub(super) news: Option<String>,
    /// Times that this run began a call, by its intent.
    pub(super) again: HashMap<u64, u32>,
    /// Model calls in a row that broke off under a budget.
    pub(super) broke_off: u32,
    /// The number up to which a fold is kept.
    kept: u64,
}

/// Drives the session of that row until it is at rest.
pub(super) async fn run(app: App, born: Born, handle: Handle) {
    let row = &born.row;
    let span = tracing::info_span!("run", session = %row.id, epoch = row.epoch);
    Box::pin(drive(app, born, handle).instrument(span)).await;
}

async fn drive(app: App, born: Born, handle: Handle) {
    let (session, epoch) = (born.row.id.clone(), born.row.epoch);
    let mut run = match Run::take_up(app.clone(), born, handle).await {
        Ok(run) => run,
        Err(stopped) => {
            tracing::error!(error = %stopped, "the session cannot be taken up");
            pause(&app).await;
            return reaper::release(&app, &session, epoch).await;
        }
    };
    match run.until_rest().await {
        Ok(()) => {
            app.running.leave(&session, epoch);
            return app.files.look_after(&session);
        }
        Err(Stopped::Lost) => {
            tracing::info!("the lease is gone");
            if let Err(error) = run.settle_gone().await {
                tracing::warn!(%error, "what it used is counted by a sweep");
            }
            return;
        }
        Err(Stopped::Drained) => {
            tracing::info!("handed over");
            if let Err(error) = run.commit(Command::HandOver).await {
                tracing::warn!(%error, "the log does not say so");
            }
        }
        Err(error) => {
            tracing::error!(%error, "the run stopped");
            pause(&app).await;
        }
    }
    reaper::release(&app, &session, epoch).await;
}

/// Waits before a session that failed is tried again: what made it fail, a
/// database that is away, a log that cannot be read, seldom passes at once.
async fn pause(app: &App) {
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => {}
        () = app.drain.cancelled() => {}
    }
}

impl Run {
    /// Folds the facts of a session whose lease this node holds.
    async fn take_up(app: App, born: Born, handle: Handle) -> Result<Self, Stopped> {
        let Born { row, events, from } = born;
        let mut run = Self {
            org: row.org.clone(),
            session: row.id.clone(),
            epoch: row.epoch,
            frozen: Arc::new(row.frozen.clone()),
            fold: Fold::default(),
            handle,
            own_since: 0,
            begun: Arc::default(),
            stage: Stage::default(),
            settle: None,
            news: None,
            again: HashMap::new(),
            broke_off: 0,
            kept: 0,
            app,
        };
        // A fork is born with its own facts: those before them are folded too.
        let whole = events.first().is_some_and(|first| first.event.seq == 1);
        for logged in events.iter().filter(|_| whole) {
            run.fold.apply(&logged.event)?;
        }
        if run.fold.state.head < row.head {
            run.thaw(row.head).await?;
            run.catch_up().await?;
        }
        run.own_since = run.fold.state.head;
        if !events.is_empty() && run.fold.state.turn.is_some() {
            crate::points::passed("turn.begun");
        }
        if events.is_empty() {
            run.recover(from.is_some()).await?;
        }
        Ok(run)
    }

    /// Begins from a fold that was kept, if the log is long.
    async fn thaw(&mut self, head: u64) -> Result<(), Stopped> {
        if head < LONG {
            return Ok(());
        }
        let Some((seq, bytes)) = self.app.store.nearest_fold(&self.session, head).await? else {
            return Ok(());
        };
        match Fold::thaw(&bytes) {
            Some(fold) if fold.state.head == seq => {
                self.fold = fold;
                self.kept = seq;
            }
            _ => tracing::warn!(seq, "a kept fold cannot be read; the log is folded instead"),
        }
        Ok(())
    }

    /// Keeps the fold, if the log grew long since it was kept last.
    async fn freeze(&mut self) {
        let head = self.fold.state.head;
        if head < self.kept + LONG {
            return;
        }
        let bytes = self.fold.freeze();
        match self.app.store.keep_fold(&self.session, head, bytes).await {
            Ok(()) => self.kept = head,
            // It is a shortcut only.
            Err(error) => tracing::warn!(%error, "a fold was not kept"),
        }
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
            self.handle.beat();
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
            self.handle.beat();
            match duty(&self.frozen, &self.fold.state, clock::now()) {
                Duty::Rest => return self.rest().await,
                Duty::Begin => {
                    self.commit(Command::Begin).await?;
                    crate::points::passed("turn.begun");
                }
                Duty::Think => self.think().await?,
                Duty::Compact => self.compact().await?,
                Duty::Act(open) => self.act(&open).await?,
                Duty::End(reason) => self.end(reason).await?,
            }
            self.freeze().await;
            if self.fold.state.phase().at_rest() {
                // The last append gave the lease back with the facts.
                return Ok(());
            }
        }
    }

    /// At rest without an append of its own: someone archived the session.
    async fn rest(&mut self) -> Result<(), Stopped> {
        self.settle_gone().await?;
        self.app.store.release(&self.session, self.epoch).await?;
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
    pub(super) fn may_finish_step(&self) -> Result<(), Stopped> {
        if self.handle.lost.is_cancelled() {
            Err(Stopped::Lost)
        } else if self.app.halt.is_cancelled() {
            Err(Stopped::Drained)
        } else {
            Ok(())
        }
    }
}
