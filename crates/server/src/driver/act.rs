//! The duty to act: carry out the open call, or find out what became of it.
//!
//! The intent is a fact before this runs. What is done here is the same for a
//! call that has just been asked for and for one found open after a crash: the
//! sandbox is asked by the call's own name, and runs it at most once. Only a
//! sandbox that is gone leaves the outcome unknown, and then the model is told.

use std::sync::atomic::Ordering;

use hands::Sandbox;
use session::Command;
use session::fact::{Outcome, Receipt};
use session::state::OpenCall;
use session::tool::{self, Kind};

use super::run::{Run, Stopped};
use crate::points;
use crate::tools::{self, Done};

/// What the model is told of a call whose sandbox is gone.
const UNKNOWN: &str = "Outcome unknown: the sandbox was lost while this ran. It may have run wholly, in part or \
    not at all. The next call gets a new, empty sandbox; files of the old one are gone.";
/// What the model is told first when it gets a new sandbox in place of a lost one.
const ANEW: &str =
    "[The sandbox was lost and this is a new, empty one: files made before are gone.]";

/// How acting ended.
enum Acted {
    Receipt(Box<Receipt>),
    Failed(hands::Error),
    Cut,
}

impl Run {
    pub(super) async fn act(&mut self, open: &OpenCall) -> Result<(), Stopped> {
        if self.fold.state.interrupted_since(open.seq) {
            let stopped = self.stop_call(open, "interrupted").await;
            let receipt = stopped.unwrap_or_else(|| unknown(open));
            return self.done(open, receipt).await;
        }
        points::passed("intent.written");
        // An intent written before this run began may have been carried out
        // already: without the sandbox that would know, nobody can tell.
        let inherited = open.seq <= self.own_since;
        if inherited && self.app.hands.find(&self.session).is_none() && !repeatable(open) {
            return self.done(open, unknown(open)).await;
        }
        match self.try_act(open).await? {
            Acted::Receipt(receipt) => self.done(open, *receipt).await,
            Acted::Cut => Ok(()),
            Acted::Failed(hands::Error::Lost(_)) if repeatable(open) => Ok(()),
            Acted::Failed(error) => {
                tracing::warn!(%error, tool = open.call.tool, "a call was not carried out");
                self.done(open, failed(open, &error)).await
            }
        }
    }

    async fn try_act(&mut self, open: &OpenCall) -> Result<Acted, Stopped> {
        let (app, session) = (self.app.clone(), self.session.clone());
        let lost_before = self.fold.used_hands;
        let begun = self.begun.clone();
        let mut acting = std::pin::pin!(async move {
            let obtained = app.hands.obtain(&session, None, None).await?;
            begun.store(open.seq, Ordering::Relaxed);
            let mut receipt = tools::carry_out(&*obtained.sandbox, open).await?;
            points::passed("exec.finished");
            if obtained.fresh && lost_before {
                receipt.result.text = format!("{ANEW}\n{}", receipt.result.text);
            }
            Ok(receipt)
        });
        tokio::select! {
            biased;
            ended = &mut acting => Ok(match ended {
                Ok(receipt) => Acted::Receipt(Box::new(receipt)),
                Err(error) => Acted::Failed(error),
            }),
            stopped = self.cut(open.seq) => stopped.map(|()| Acted::Cut),
        }
    }

    /// Writes the receipt; once it is durable the sandbox may forget.
    async fn done(&mut self, open: &OpenCall, receipt: Receipt) -> Result<(), Stopped> {
        self.app.metrics.tool_call(&receipt);
        self.commit(Command::Done(receipt)).await?;
        if let Some(sandbox) = self.app.hands.find(&self.session)
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
        let sandbox: std::sync::Arc<dyn Sandbox> = self.app.hands.find(&self.session)?;
        match tools::stopped(&*sandbox, open, why).await {
            Ok(receipt) => Some(receipt),
            Err(error) => {
                tracing::warn!(%error, "a call could not be stopped in an orderly way");
                None
            }
        }
    }
}

/// Whether carrying the call out twice is the same as once.
fn repeatable(open: &OpenCall) -> bool {
    tool::kind(&open.call.tool) == Some(Kind::Read)
}

fn unknown(open: &OpenCall) -> Receipt {
    let done = Done {
        outcome: Outcome::Indeterminate,
        ..Done::plain(UNKNOWN.to_owned(), true)
    };
    tools::receipt(open, done)
}

/// What is told when the sandbox itself failed.
fn failed(open: &OpenCall, error: &hands::Error) -> Receipt {
    match error {
        hands::Error::Refused(_) | hands::Error::Launch(_) | hands::Error::Damaged(_) => {
            tools::receipt(open, Done::refused(format!("Not run: {error}.")))
        }
        hands::Error::Lost(_) => unknown(open),
        _ => {
            let text =
                format!("Outcome unknown: {error}. It may have run wholly, in part or not at all.");
            tools::receipt(
                open,
                Done {
                    outcome: Outcome::Indeterminate,
                    ..Done::plain(text, true)
                },
            )
        }
    }
}
