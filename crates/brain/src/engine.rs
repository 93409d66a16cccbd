//! Other people's engines as models: supervised programs that think by a
//! provider's API, spoken to over their own protocols.
//!
//! An engine is a cache. What counts is the session's log; the program only
//! holds a copy of it. `think` compares the conversation with what the living
//! engine has seen. If it is a continuation, the engine is told the rest; else
//! it is killed, and a new one is started whose own history is written from
//! ours. So a crash, a cancel, a fork, a compaction and another machine are all
//! the same case: no engine that fits. A `think` that fails or is dropped kills
//! its engine, since nobody can say what that has seen.
//!
//! The engine's requests come to the [`crate::door`], and only there.
//! No task of ours runs between two thoughts: what an engine writes then waits
//! in its pipe, and what it asks waits at the door.
//!
//! What this may not know: sandboxes, and where an engine really runs.

mod claude;
mod codex;
mod custom;
mod lines;
mod live;
mod place;
mod rest;
mod seen;
mod tongue;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::SecretString;
use session::{Provider, Reply};

pub use custom::{CHECKED, Finding, Kept};
pub use place::{DOOR, DOOR_ADDRESS, Place, Reach, Spawn, Start, Stream};

use crate::count::most_tokens_since;
use crate::door::{self, Doors};
use crate::model::{Ask, Deltas, Model};
use crate::{ErrorKind, ModelError, Models};
use custom::Custom;
use live::{Gone, Live};
use rest::Rest;
use tongue::Kind;

/// Engines that are started for one thought, if those before it die.
const STARTS: u32 = 3;

/// Input tokens that an engine's own words add to a question. The vendor's
/// preamble has about twenty; the rest is room for its next versions.
const OWN_WORDS: u64 = 200;

/// How long engines are waited for and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineConfig {
    /// An engine that was not asked anything for so long is ended.
    pub idle: Duration,
    /// Time from a start, or from being told the newest, to its request.
    pub start: Duration,
    /// Engines that may live at once. With more sessions than that, the one
    /// that rests longest makes room, or a thought waits.
    pub most: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            start: Duration::from_secs(60),
            most: 16,
        }
    }
}

/// All engines of a server.
#[derive(Clone)]
pub struct Engines(Arc<Inner>);

struct Inner {
    models: Models,
    spawn: Spawn,
    config: EngineConfig,
    doors: Arc<Doors>,
    rest: Rest<Alive>,
}

/// An engine that rests between two thoughts. Dropping it kills it.
enum Alive {
    Engine(Box<Live>),
    Program(Box<custom::Program>),
}

/// One runtime's engines as a model.
#[derive(Clone)]
struct Runtime {
    engines: Engines,
    kind: Kind,
}

impl Engines {
    /// Engines that `spawn` starts and that ask those models. Starts none.
    #[must_use]
    pub fn new(models: Models, spawn: Spawn, config: EngineConfig) -> Self {
        Self(Arc::new(Inner {
            models,
            spawn,
            config,
            doors: Arc::default(),
            rest: Rest::new(config.most),
        }))
    }

    /// Who answers for the sessions of that runtime: a vendor's engine or, by
    /// any other name, a program of a user's own. `None` for our own loop.
    #[must_use]
    pub fn for_runtime(&self, runtime: &str) -> Option<Arc<dyn Model>> {
        let engines = self.clone();
        match Kind::of(runtime) {
            Some(kind) => Some(Arc::new(Runtime { engines, kind })),
            None if matches!(runtime, "native" | "") => None,
            None => Some(Arc::new(Custom::new(engines, runtime))),
        }
    }

    /// Serves a connection that came out of the sandbox of that session's
    /// engine, until it is closed. Nothing else may be reached by it.
    pub async fn serve(&self, session: &str, stream: impl Stream) {
        door::serve(self.0.doors.clone(), session, stream).await;
    }

    /// Ends the session's engine, if one rests.
    pub fn end(&self, session: &str) {
        drop(self.0.rest.take(session));
    }

    /// Ends all engines that rest for longer than they may. To be called every
    /// few seconds.
    pub fn sweep(&self) {
        let ended = self.0.rest.end_idle(self.0.config.idle);
        if ended > 0 {
            tracing::debug!(engines = ended, "idle engines are ended");
        }
    }

    /// Engines that rest.
    #[must_use]
    pub fn live(&self) -> usize {
        self.0.rest.len()
    }
}

impl Runtime {
    async fn think(&self, mut ask: Ask, deltas: &Deltas) -> Result<Reply, ModelError> {
        let inner = &self.engines.0;
        with_key(&mut ask);
        let (api, provider) = (self.kind.api(), ask.model.provider);
        let Some(remote) = inner.models.behind(api, provider) else {
            return Err(self.cannot(provider));
        };
        let mut resting = match inner.rest.take(&ask.session) {
            Some(Alive::Engine(live)) => Some(*live),
            _ => None,
        };
        let mut last = Gone::default();
        for _ in 0..STARTS {
            let live = match resting.take().filter(|live| live.fits(&ask)) {
                Some(live) => Ok(live),
                None => self.start(&ask).await,
            };
            let asked = match live {
                Ok(mut live) => live
                    .until_it_asks(&ask, inner.config.start)
                    .await
                    .map(|knock| (live, knock)),
                Err(gone) => Err(gone),
            };
            match asked {
                Ok((mut live, (frame, knock))) => {
                    let told = remote.tell(&ask, Some(&frame), deltas).await?;
                    let session = ask.session.clone();
                    if live.heard(ask, &told, knock) {
                        inner.rest.put(session, Alive::Engine(Box::new(live)));
                    }
                    return Ok(told.reply);
                }
                Err(gone) => {
                    tracing::warn!(session = %ask.session, runtime = self.kind.name(), "an engine ended: {}", gone.0);
                    last = gone;
                }
            }
        }
        Err(ModelError::broken(format!(
            "The engine `{}` ended before it asked its model: {}",
            self.kind.name(),
            last.0
        )))
    }

    async fn start(&self, ask: &Ask) -> Result<Live, Gone> {
        let inner = &self.engines.0;
        let room = inner.rest.room().await;
        let start = Live::start(self.kind, ask, &inner.doors, &inner.spawn, room);
        match tokio::time::timeout(inner.config.start, start).await {
            Ok(live) => live,
            Err(_) => Err(Gone::new("it did not start in time")),
        }
    }

    fn cannot(&self, provider: Provider) -> ModelError {
        let (name, provider) = (self.kind.name(), provider.name());
        let words = format!("The runtime `{name}` cannot think with models of {provider}.");
        ModelError::new(ErrorKind::BadRequest, words)
    }
}

/// A rehearsal has no key, and plays behind an API that wants one.
fn with_key(ask: &mut Ask) {
    if ask.model.provider == Provider::Test && ask.key.is_none() {
        ask.key = Some(SecretString::from("rehearsal"));
    }
}

impl Model for Runtime {
    fn think(&self, ask: Ask, deltas: Deltas) -> BoxFuture<'_, Result<Reply, ModelError>> {
        async move { self.think(ask, &deltas).await }.boxed()
    }

    fn count<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<u64, ModelError>> {
        async move {
            let plain = self.engines.0.models.for_model(&ask.model);
            let own = match ask.model.provider {
                Provider::Test => 0,
                _ => OWN_WORDS,
            };
            let counted = plain.count(ask).await?.saturating_add(own);
            // What was signed behind the engine's words may not be counted without
            // them; then the plain count is a bound, and far off.
            let since = match ask.model.provider {
                Provider::Test => None,
                _ => most_tokens_since(ask),
            };
            Ok(since.map_or(counted, |since| since.min(counted)))
        }
        .boxed()
    }
}

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engines")
            .field("live", &self.live())
            .finish()
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runtime").field(&self.kind).finish()
    }
}
