//! The duty to think: ask the model, and cut it short when the world moves on.

use std::sync::Arc;

use brain::{Ask, Delta as Said, ModelError, Purpose};
use secrecy::SecretString;
use session::fact::YieldReason;
use session::{Command, Item, Provider, Reply};
use tokio::sync::{broadcast, mpsc};

use super::failure;
use super::run::{Run, Stopped};
use crate::deltas::Delta;
use crate::points;

/// Deltas that wait to be passed on.
const DEPTH: usize = 64;

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
        let items = self.fold.transcript.view();
        match self.ask(items, Purpose::Turn).await? {
            Thought::Reply(reply) => self.commit(Command::Replied { saw, reply }).await,
            Thought::Failed(error) => {
                self.commit(Command::Failed(failure::of_model(&error)))
                    .await
            }
            Thought::Cut => Ok(()),
        }
    }

    /// One model call, cut as soon as the turn has another duty. A partial
    /// answer is never a fact.
    pub(super) async fn ask(
        &mut self,
        items: Vec<Item>,
        purpose: Purpose,
    ) -> Result<Thought, Stopped> {
        let began = self.fold.state.head;
        let key = match self.key().await? {
            Ok(key) => key,
            Err(failure) => {
                self.commit(Command::Failed(failure)).await?;
                return Ok(Thought::Cut);
            }
        };
        let (deltas, mut said) = mpsc::channel(DEPTH);
        let model = self.app.models.for_model(&self.frozen.model);
        let ask = Ask {
            model: self.frozen.model.clone(),
            system: self.app.prompts.system(&self.frozen.prompt),
            tools: self.app.prompts.tools(),
            items,
            max_tokens: self.frozen.bounds.max_tokens,
            key,
            session: self.session.clone(),
            purpose,
        };
        let mut thinking = model.think(ask, deltas);
        let (turn, provider) = (self.turn_id(), self.frozen.model.provider);
        let (app, session) = (self.app.clone(), self.session.clone());
        let mut cut = std::pin::pin!(self.cut(began));
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut thinking => break ended,
                stopped = &mut cut => { stopped?; return Ok(Thought::Cut); }
                Some(delta) = said.recv() => {
                    if matches!(delta, Said::Retry { .. }) {
                        app.metrics.model_retry(provider);
                    }
                    points::passed("model.streaming");
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
    async fn key(&self) -> Result<Result<Option<SecretString>, session::fact::Failure>, Stopped> {
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
