//! Token deltas: what the model is saying right now. Never part of the log,
//! never waited for: a reader that is too slow misses some, and the finished
//! message comes as a fact anyway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

/// Deltas that wait for a slow reader before it starts to miss some.
const DEPTH: usize = 64;

/// One piece of an answer that is being given.
#[derive(Debug, Clone, Serialize)]
pub struct Delta {
    /// The turn's id.
    pub turn_id: String,
    /// What it is a piece of: `text`, `thinking`, `tool_input`; `reset` means
    /// that the answer begins anew and what came before is void.
    pub kind: &'static str,
    /// The piece.
    pub text: String,
}

/// Who listens to which session.
#[derive(Debug, Clone, Default)]
pub struct Deltas(Arc<Mutex<HashMap<String, broadcast::Sender<Arc<Delta>>>>>);

impl Deltas {
    /// Listens to a session from now on.
    #[must_use]
    pub fn listen(&self, session: &str) -> broadcast::Receiver<Arc<Delta>> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.retain(|_, sender| sender.receiver_count() > 0);
        map.entry(session.to_owned())
            .or_insert_with(|| broadcast::channel(DEPTH).0)
            .subscribe()
    }

    /// A way to speak to those who listen now; `None` if nobody does.
    #[must_use]
    pub fn speak(&self, session: &str) -> Option<broadcast::Sender<Arc<Delta>>> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(session)
            .filter(|sender| sender.receiver_count() > 0)
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_session_with_listeners_is_spoken_to() {
        let deltas = Deltas::default();
        assert!(deltas.speak("a").is_none());
        let listener = deltas.listen("a");
        assert!(deltas.speak("a").is_some() && deltas.speak("b").is_none());
        drop(listener);
        assert!(deltas.speak("a").is_none());
    }
}
