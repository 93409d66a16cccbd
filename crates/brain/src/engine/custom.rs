//! Programs of users' own as engines. A program speaks the *brain contract*: it
//! says that it is well (`GET /healthz`), does a turn (`POST /turn`) and calls our
//! tools over MCP; see `docs/runtimes.md`.
//!
//! * It thinks as it likes, with any number of questions to the session's model,
//!   which go through the door with the conversation that it keeps itself.
//! * Each call of a tool is an answer of ours to the driver. The program waits
//!   for what came of it, and so does its turn, until the driver asks again.
//! * A program that is started anew in the middle of a turn is given the turn
//!   again. As long as it makes the calls it made before, in order and with the same
//!   arguments, it is told what came of them then; nothing is carried out twice.
//!   The first call that differs goes on from there.
//! * Of earlier turns it is told what was said (`history`), for it may have
//!   been started anew since; the folder it keeps is as old as the process.
//! * A model that fails fails the turn; a turn that is given up ends the process.

mod check;
mod http;
mod journal;
mod mcp;
mod program;
mod think;
mod turn;

use std::fmt;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use session::Reply;

use super::{Alive, Engines, STARTS, with_key};
use crate::engine::live::Gone;
use crate::model::{Ask, Deltas, Model, Purpose};
use crate::{ErrorKind, ModelError};
pub use check::{CHECKED, Finding, Kept};
pub(super) use program::Program;
use turn::Trouble;

/// Longest time until the next answer.
const LONGEST: Duration = Duration::from_secs(1800);

/// The programs of one runtime as a model.
pub(super) struct Custom {
    engines: Engines,
    runtime: String,
}

impl Custom {
    pub fn new(engines: Engines, runtime: &str) -> Self {
        let runtime = runtime.to_owned();
        Self { engines, runtime }
    }

    async fn think(&self, mut ask: Ask, deltas: &Deltas) -> Result<Reply, ModelError> {
        with_key(&mut ask);
        let (models, rest) = (&self.engines.0.models, &self.engines.0.rest);
        let mut resting = match rest.take(&ask.session) {
            Some(Alive::Program(program)) => Some(*program),
            _ => None,
        };
        let mut last = Gone::default();
        for _ in 0..STARTS {
            let program = match resting.take().filter(|program| program.fits(&ask)) {
                Some(program) => Ok(program),
                None => self.start(&ask).await,
            };
            let stepped = match program {
                Ok(mut program) => match program.step(&ask, models, deltas).await {
                    Ok(reply) => Ok((program, reply)),
                    Err(trouble) => Err(trouble),
                },
                Err(gone) => Err(Trouble::Gone(gone)),
            };
            match stepped {
                Ok((mut program, reply)) => {
                    let session = ask.session.clone();
                    program.remember(ask, &reply);
                    rest.put(session, Alive::Program(Box::new(program)));
                    return Ok(reply);
                }
                Err(Trouble::Failed(error)) => return Err(error),
                Err(Trouble::Gone(gone)) => {
                    tracing::warn!(session = %ask.session, runtime = self.runtime, "a program ended: {}", gone.0);
                    last = gone;
                }
            }
        }
        Err(ModelError::broken(format!(
            "The runtime `{}` cannot go on: {}",
            self.runtime, last.0
        )))
    }

    async fn start(&self, ask: &Ask) -> Result<Program, Gone> {
        let inner = &self.engines.0;
        let room = inner.rest.room().await;
        let start = Program::start(
            &self.runtime,
            &ask.session,
            &inner.doors,
            &inner.spawn,
            room,
        );
        match tokio::time::timeout(inner.config.start, start).await {
            Ok(program) => program,
            Err(_) => Err(Gone::new("it did not start in time")),
        }
    }
}

impl Model for Custom {
    fn think(&self, ask: Ask, deltas: Deltas) -> BoxFuture<'_, Result<Reply, ModelError>> {
        async move {
            if ask.purpose == Purpose::Compact {
                // Told to nobody but the log: the program is started anew with it.
                let plain = self.engines.0.models.for_model(&ask.model);
                return plain.think(ask, deltas).await;
            }
            let thought = tokio::time::timeout(LONGEST, self.think(ask, &deltas)).await;
            thought.unwrap_or_else(|_| {
                let words = format!(
                    "The runtime `{}` did nothing for {} s.",
                    self.runtime,
                    LONGEST.as_secs()
                );
                Err(ModelError::new(ErrorKind::Timeout, words))
            })
        }
        .boxed()
    }

    fn count<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<u64, ModelError>> {
        async move { self.engines.0.models.for_model(&ask.model).count(ask).await }.boxed()
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Custom").field(&self.runtime).finish()
    }
}
