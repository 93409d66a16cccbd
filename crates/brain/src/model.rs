//! The one interface to every model: a conversation in, one answer out.
//!
//! It promises nothing about who answers or how often it had to be asked; it
//! may not know who asks, or what becomes of the answer.

use std::sync::Arc;

use futures::future::BoxFuture;
use secrecy::SecretString;
use session::tool::Tool;
use session::{Item, ModelRef, Reply};
use tokio::sync::mpsc;

use crate::{Meter, ModelError};

/// A model that can be asked for its next answer.
pub trait Model: Send + Sync + std::fmt::Debug {
    /// One answer to this conversation. Retries on its own; dropping the future
    /// ends the request at once.
    ///
    /// # Errors
    /// When the provider did not answer as often as patience allows, or said
    /// something that asking again would not change.
    fn think(&self, ask: Ask, deltas: Deltas) -> BoxFuture<'_, Result<Reply, ModelError>>;

    /// The input tokens that this ask will cost, cached ones included. Where a
    /// provider does not count, it is [`crate::most_tokens`]: never too few.
    ///
    /// # Errors
    /// What would fail the answer as well: a refused key, an account without
    /// money, a script that cannot be read.
    fn count<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<u64, ModelError>>;
}

/// Everything one model call needs.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The model.
    pub model: ModelRef,
    /// The system prompt; the same bytes for the whole life of a session.
    pub system: Arc<str>,
    /// The tools; the same for the whole life of a session.
    pub tools: Arc<[Tool]>,
    /// The conversation, oldest first.
    pub items: Vec<Item>,
    /// Output tokens the answer may have; it never has more. Not less than
    /// [`crate::Models::min_output`].
    pub max_tokens: u32,
    /// The provider's key; the rehearsal model needs none.
    pub key: Option<SecretString>,
    /// The session's id: names its prompt cache and the counts of a rehearsal.
    pub session: String,
    /// What the answer is for.
    pub purpose: Purpose,
    /// Whether what it uses is limited: then an attempt that broke off is not
    /// followed by another, because nobody told what it used. Who asks decides.
    pub metered: bool,
}

/// What an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The next step of a turn.
    Turn,
    /// A summary that will stand for the conversation. No tools are called.
    Compact,
}

/// Where pieces of the answer go while it is being given. A reader that is
/// slow or gone misses pieces; it never holds up the call.
/// All of it is counted, whether or not it is passed on.
#[derive(Debug, Clone)]
pub struct Deltas {
    to: mpsc::Sender<Delta>,
    meter: Meter,
}

impl Deltas {
    /// A way for pieces, of which so many wait for a slow reader.
    #[must_use]
    pub fn new(depth: usize) -> (Self, mpsc::Receiver<Delta>) {
        let (to, said) = mpsc::channel(depth);
        let meter = Meter::default();
        (Self { to, meter }, said)
    }

    /// What counts the call whose pieces these are.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// One piece of an answer that is being given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Words of the answer.
    Text(String),
    /// Words of the model's thinking, where the provider shows them.
    Thinking(String),
    /// A piece of the JSON of a call's arguments.
    ToolInput(String),
    /// The answer begins anew: forget the pieces so far.
    Restart,
    /// The last attempt failed, and another one follows.
    Retry {
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// Milliseconds until the next attempt.
        after_ms: u64,
        /// What went wrong, in words for the user.
        why: String,
    },
}

/// Passes a piece on, if there is room for it.
pub(crate) fn tell(deltas: &Deltas, delta: Delta) {
    if let Delta::Text(text) | Delta::Thinking(text) | Delta::ToolInput(text) = &delta {
        deltas.meter.heard(text.len());
    }
    // Deltas are a courtesy: the finished answer follows in any case.
    let _ = deltas.to.try_send(delta);
}
