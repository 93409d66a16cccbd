//! The duty to think: ask the model, and cut it short when the world moves on.

use std::sync::Arc;
use std::time::Duration;

use brain::{Ask, Delta as Said, Deltas, Meter, ModelError, Purpose};
use futures::future::BoxFuture;
use secrecy::SecretString;
use session::fact::YieldReason;
use session::{Command, Item, Provider, Reply, What};
use tokio::sync::{broadcast, mpsc};

use super::budget::{Allowance, Allowed};
use super::failure;
use super::run::{Run, Stopped};
use crate::deltas::Delta;
use crate::points;

/// Deltas that wait to be passed on.
const DEPTH: usize = 64;

/// Before a call that broke off is asked again; doubles from there.
const PAUSE: Duration = Duration::from_millis(500);

/// How a model call ended.
pub(super) enum Thought {
    /// With an answer.
    Reply(Arc<Reply>),
    /// Without one.
    Failed(ModelError),
    /// It was cut: the duty is another now.
    Cut,
}

impl Run {
    pub(super) async fn think(&mut self) -> Result<(), Stopped> {
        let saw = self.fold.state.head;
        let ask = self.question(Purpose::Turn);
        match self.ask(ask).await? {
            Thought::Reply(reply) => self.commit(Command::Replied { saw, reply }).await,
            Thought::Failed(error) => {
                self.commit(Command::Failed(failure::of_model(&error)))
                    .await
            }
            Thought::Cut => Ok(()),
        }
    }

    /// What the model is asked with the conversation as it stands.
    pub(super) fn question(&self, purpose: Purpose) -> Ask {
        let mut items = self.fold.transcript.view();
        if purpose == Purpose::Compact {
            items.push(Item::Note(brain::compaction_prompt().to_owned()));
        }
        Ask {
            model: self.frozen.model.clone(),
            system: self.app.prompts.system(&self.frozen),
            tools: self.app.prompts.tools(),
            items,
            max_tokens: self.frozen.bounds.max_tokens,
            key: None,
            session: self.session.clone(),
            purpose,
            metered: false,
        }
    }

    /// One model call, cut as soon as the turn has another duty. A partial
    /// answer is never a fact.
    pub(super) async fn ask(&mut self, mut ask: Ask) -> Result<Thought, Stopped> {
        ask.key = match self.key().await? {
            Ok(key) => key,
            Err(failure) => {
                self.commit(Command::Failed(failure)).await?;
                return Ok(Thought::Cut);
            }
        };
        let model = self.app.model_of(&self.frozen);
        let allowance = match self.allow(&*model, &mut ask).await? {
            Allowed::Yes(allowance) => allowance,
            Allowed::Unknown(error) => return Ok(Thought::Failed(error)),
            Allowed::Cut => return Ok(Thought::Cut),
            Allowed::Spent => {
                let reason = YieldReason::BudgetExceeded;
                self.commit(Command::End { reason, open: None }).await?;
                return Ok(Thought::Cut);
            }
        };
        ask.metered = allowance.limited();
        let (deltas, said) = Deltas::new(DEPTH);
        let meter = deltas.meter().clone();
        let thinking = model.think(ask, deltas);
        let ended = self.talk(thinking, said).await;
        self.stage.leave();
        self.account(allowance, &meter, &ended).await?;
        match ended {
            Ok(Thought::Failed(error)) if allowance.limited() && error.begun() => {
                self.again_if_worthwhile(error).await
            }
            ended => {
                self.broke_off = 0;
                ended
            }
        }
    }

    /// A call that broke off and was counted: asked again a little later, under
    /// what is left of the budget by then.
    async fn again_if_worthwhile(&mut self, error: ModelError) -> Result<Thought, Stopped> {
        self.broke_off += 1;
        if !error.retriable || self.broke_off >= self.app.config.models.model_attempts {
            self.broke_off = 0;
            return Ok(Thought::Failed(error));
        }
        let pause = PAUSE * 2u32.saturating_pow(self.broke_off.min(6) - 1);
        let within = i64::try_from(pause.as_millis()).ok();
        self.stage
            .enter(What::Retry, within, "the model is asked again");
        let began = self.fold.state.head;
        let stopped = tokio::select! {
            stopped = self.cut(began) => stopped,
            () = tokio::time::sleep(pause) => Ok(()),
        };
        self.stage.leave();
        stopped.map(|()| Thought::Cut)
    }

    /// Counts what the call used, or can have used.
    async fn account(
        &mut self,
        allowance: Allowance,
        meter: &Meter,
        ended: &Result<Thought, Stopped>,
    ) -> Result<(), Stopped> {
        match ended {
            Ok(Thought::Reply(reply)) => self.settle_used(allowance, reply.usage),
            Ok(_) | Err(Stopped::Drained) => self.settle_cut(allowance, meter).await?,
            Err(_) => self.settle_lost(allowance, meter),
        }
        Ok(())
    }

    async fn talk(
        &mut self,
        mut thinking: BoxFuture<'_, Result<Reply, ModelError>>,
        mut said: mpsc::Receiver<Said>,
    ) -> Result<Thought, Stopped> {
        let began = self.fold.state.head;
        let (turn, provider) = (self.turn_id(), self.frozen.model.provider);
        let (app, session, stage) = (self.app.clone(), self.session.clone(), self.stage.clone());
        let wake = self.handle.wake.clone();
        let mut cut = std::pin::pin!(self.cut(began));
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut thinking => break ended,
                stopped = &mut cut => { stopped?; return Ok(Thought::Cut); }
                Some(delta) = said.recv() => {
                    if let Said::Retry { after_ms, .. } = &delta {
                        app.metrics.model_retry(provider);
                        let within = i64::try_from(*after_ms).ok();
                        stage.enter(What::Retry, within, "the model is asked again");
                        // A long pause is told as it begins.
                        wake.notify_one();
                    } else {
                        stage.leave();
                        points::passed("model.streaming");
                    }
                    pass_on(app.deltas.speak(&session), &turn, delta);
                }
            }
        };
        while let Ok(delta) = said.try_recv() {
            pass_on(app.deltas.speak(&session), &turn, delta);
        }
        app.metrics.model_call(provider, &ended);
        Ok(match ended {
            Ok(reply) => Thought::Reply(Arc::new(reply)),
            Err(error) => Thought::Failed(error),
        })
    }

    /// The model key of this session as it is now: a rotated value is used from
    /// the next call on.
    pub(super) async fn key(
        &self,
    ) -> Result<Result<Option<SecretString>, session::fact::Failure>, Stopped> {
        let provider = self.frozen.model.provider;
        if provider == Provider::Test {
            return Ok(Ok(None));
        }
        if self.frozen.credential == "managed" {
            let key = self.app.config.models.managed_key(provider).cloned();
            return Ok(key
                .map(Some)
                .ok_or_else(|| failure::no_managed_key(provider)));
        }
        let key = self
            .app
            .store
            .credential_secret(&self.org, &self.frozen.credential)
            .await?;
        Ok(key
            .map(Some)
            .ok_or_else(|| failure::no_credential(&self.frozen.credential)))
    }

    fn turn_id(&self) -> String {
        let number = self.fold.state.turn.as_ref().map_or(0, |turn| turn.number);
        session::id::turn(&self.session, number)
    }

    pub(super) async fn end(&mut self, reason: YieldReason) -> Result<(), Stopped> {
        let open = self
            .fold
            .state
            .turn
            .as_ref()
            .and_then(|turn| turn.open.clone());
        let open = match open {
            Some(open) => self.stop_call(&open, reason.name()).await,
            None => None,
        };
        points::passed("turn.ending");
        self.commit(Command::End { reason, open }).await
    }
}

fn pass_on(to: Option<broadcast::Sender<Arc<Delta>>>, turn: &str, said: Said) {
    let Some(to) = to else { return };
    let (kind, text) = match said {
        Said::Text(text) => ("text", text),
        Said::Thinking(text) => ("thinking", text),
        Said::ToolInput(text) => ("tool_input", text),
        Said::Restart => ("reset", String::new()),
        Said::Retry { why, .. } => ("retry", why),
    };
    // Nobody listening any more is no failure.
    let _ = to.send(Arc::new(Delta {
        turn_id: turn.to_owned(),
        kind,
        text,
    }));
}
