//! The duty to act: carry out the open call, or find out what became of it.
//!
//! The intent is a fact before this runs. What is done here is the same for a
//! call that has just been asked for and for one found open after a crash: the
//! sandbox is asked by the call's own name, and runs it at most once. Only a
//! sandbox that is gone leaves the outcome unknown, and then the model is told,
//! or the call is run again where the user said that this is safe.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hands::Sandbox;
use session::fact::Receipt;
use session::state::OpenCall;
use session::tool::{self, Kind};
use session::{Command, OnInterrupt, What};
use store::{Sabotage, leaked};

use super::run::{Run, Stopped};
use super::unknown::{self, Tail};
use crate::files::Fresh;
use crate::points;
use crate::tools::{self, Around, Done};

/// Times that one run begins a call again whose outcome is unknown: a call that
/// ends its own sandbox must come to an end too.
const AGAIN: u32 = 2;

/// How a part of acting ended.
pub(super) enum Ended<T> {
    Well(T),
    Failed(hands::Error),
    Cut,
}

impl Run {
    pub(super) async fn act(&mut self, open: &OpenCall) -> Result<(), Stopped> {
        if self.fold.state.interrupted_since(open.seq) {
            let stopped = self.stop_call(open, "interrupted").await;
            let receipt = stopped.unwrap_or_else(|| unknown::lost(&self.fold.state, open, None));
            return self.done(open, receipt).await;
        }
        // An intent written before this run began may have been carried out
        // already: without the sandbox that would know, nobody can tell.
        let inherited = open.seq <= self.own_since;
        // A session's sandbox is a fact before anything runs in it: where the log
        // names none, nothing has begun.
        let begun =
            self.fold.state.sandbox.is_some() && (inherited || self.again.contains_key(&open.seq));
        if begun && self.sandbox().is_none() && !self.may_repeat(open) {
            let receipt = unknown::lost(&self.fold.state, open, None);
            return self.done(open, receipt).await;
        }
        let sandbox = match self.obtain(open.seq).await? {
            Ended::Well(sandbox) => sandbox,
            Ended::Cut => return Ok(()),
            Ended::Failed(error) => {
                tracing::warn!(%error, tool = open.call.tool, "no sandbox for a call");
                return self.done(open, unknown::no_sandbox(open, &error)).await;
            }
        };
        if self.receipt_first(open, &sandbox).await? {
            return Ok(());
        }
        let tail = Tail::default();
        match self.carry_out(open, &sandbox, tail.clone()).await? {
            Ended::Well(receipt) => self.done(open, receipt).await,
            Ended::Cut => Ok(()),
            Ended::Failed(error) => self.broke(open, error, &tail).await,
        }
    }

    /// The sandbox failed under the call.
    async fn broke(
        &mut self,
        open: &OpenCall,
        error: hands::Error,
        tail: &Tail,
    ) -> Result<(), Stopped> {
        tracing::warn!(%error, tool = open.call.tool, "a call was not carried out to its end");
        if matches!(error, hands::Error::Deadline(_)) {
            // A sandbox that does not answer is of no use to the next call either.
            self.app.files.end(&self.app, &self.session).await;
        } else if !matches!(error, hands::Error::Lost(_)) {
            return self.done(open, unknown::failed(open, &error)).await;
        }
        if self.may_repeat(open) {
            return Ok(());
        }
        let receipt = unknown::lost(&self.fold.state, open, tail.text());
        self.done(open, receipt).await
    }

    /// The session's sandbox, if it lives. Another one that is found under its
    /// name is one of the past: its files are old.
    pub(super) fn sandbox(&self) -> Option<Arc<dyn Sandbox>> {
        let found = self.app.hands.find(&self.session)?;
        (self.fold.state.sandbox.as_deref() == Some(found.id())).then_some(found)
    }

    /// The session's sandbox: the one it has, or a new one with its files.
    async fn obtain(&mut self, began: u64) -> Result<Ended<Arc<dyn Sandbox>>, Stopped> {
        if let Some(sandbox) = self.sandbox() {
            return Ok(Ended::Well(sandbox));
        }
        let seconds = self.app.config.sandboxes.sandbox_start_seconds;
        let within = i64::try_from(seconds.saturating_mul(1000)).ok();
        self.stage
            .enter(What::Sandbox, within, "the call is reported as not run");
        let (app, state) = (self.app.clone(), self.fold.state.clone());
        let frozen = self.frozen.clone();
        let (session, stage) = (self.session.clone(), self.stage.clone());
        let mut starting = std::pin::pin!(app.files.start(&app, &session, &frozen, &state));
        let started = tokio::select! {
            biased;
            started = &mut starting => started,
            stopped = self.cut(began) => {
                stage.leave();
                return stopped.map(|()| Ended::Cut);
            }
        };
        stage.leave();
        let Fresh {
            sandbox,
            fact,
            news,
        } = match started {
            Ok(fresh) => fresh,
            Err(error) => return Ok(Ended::Failed(error)),
        };
        self.commit(fact).await?;
        self.app.files.lives_here(&self.app, &self.session).await;
        self.news = news;
        if self.sandbox().is_none() {
            // The session was closed meanwhile, or the sandbox is gone again.
            return Ok(Ended::Cut);
        }
        Ok(Ended::Well(sandbox))
    }

    pub(super) async fn carry_out(
        &mut self,
        open: &OpenCall,
        sandbox: &Arc<dyn Sandbox>,
        tail: Tail,
    ) -> Result<Ended<Receipt>, Stopped> {
        self.begun.store(open.seq, Ordering::Relaxed);
        *self.again.entry(open.seq).or_default() += 1;
        let env = self.app.passes.environment(sandbox.id(), &self.session);
        let around = Around {
            longest: self.frozen.bounds.tool_seconds,
            env: env.await?,
        };
        self.leak_a_file(open, sandbox).await;
        let (sandbox, call) = (Arc::clone(sandbox), open.clone());
        let mut acting = std::pin::pin!(async move {
            let (live, mut output) = tokio::sync::mpsc::channel::<Vec<u8>>(16);
            let keep = async {
                while let Some(bytes) = output.recv().await {
                    tail.push(&bytes);
                    points::passed("exec.started");
                }
            };
            let work = tools::carry_out(&*sandbox, &call, &around, live);
            tokio::join!(work, keep).0
        });
        let ended = tokio::select! {
            biased;
            ended = &mut acting => ended,
            stopped = self.cut(open.seq) => return stopped.map(|()| Ended::Cut),
        };
        points::passed("exec.finished");
        Ok(match ended {
            Ok(mut receipt) => {
                if let Some(value) = leaked(Sabotage::LeakEvent) {
                    receipt.result.text.push_str(&value);
                }
                if let Some(news) = self.news.take() {
                    receipt.result.text = format!("{news}\n{}", receipt.result.text);
                }
                Ended::Well(receipt)
            }
            Err(error) => Ended::Failed(error),
        })
    }

    /// Writes the receipt; once it is durable the sandbox may forget.
    async fn done(&mut self, open: &OpenCall, receipt: Receipt) -> Result<(), Stopped> {
        self.app.metrics.tool_call(&receipt);
        self.commit(Command::Done(receipt)).await?;
        if let Some(sandbox) = self.sandbox()
            && let Err(error) = sandbox.ack(&tools::exec_id(open)).await
        {
            tracing::debug!(%error, "a receipt was not acknowledged; the sandbox keeps it");
        }
        Ok(())
    }

    /// Stops a call that may be running and tells what came of it; `None` if
    /// that cannot be known.
    pub(super) async fn stop_call(&self, open: &OpenCall, why: &str) -> Option<Receipt> {
        if open.seq > self.own_since && self.begun.load(Ordering::Relaxed) != open.seq {
            // Stopped while its sandbox was still being made.
            return Some(tools::receipt(
                open,
                Done::refused(format!("Not run: {why}.")),
            ));
        }
        let sandbox = self.sandbox()?;
        match tools::stopped(&*sandbox, open, why).await {
            Ok(receipt) => Some(receipt),
            Err(error) => {
                tracing::warn!(%error, "a call could not be stopped in an orderly way");
                None
            }
        }
    }

    /// Whether a call whose outcome is unknown may be run again: because twice
    /// is the same as once, or because the user says so.
    fn may_repeat(&self, open: &OpenCall) -> bool {
        let safe = tool::kind(&open.call.tool) == Some(Kind::Read)
            || self.frozen.on_interrupt(&open.call.tool) == OnInterrupt::Retry;
        let times = self.again.get(&open.seq).copied().unwrap_or(0);
        safe && times <= AGAIN
    }
}
