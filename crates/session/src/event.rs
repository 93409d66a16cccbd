//! The event: a fact as it is stored and sent. Numbered, never changed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Millis, id};

/// Most bytes of a text that stand whole in an event's body. What is longer
/// goes to the blob store, and the body shows its beginning.
pub const INLINE: usize = 32 * 1024;

/// Who may want to see an event. Levels are a threshold: a reader of
/// `Progress` sees `User` events too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What the end user came for: messages, results, errors.
    User,
    /// What is going on: turns, narration.
    Progress,
    /// Everything: tool calls, model calls.
    Internal,
}

impl Level {
    /// All levels, from the most to the least public.
    pub const ALL: [Self; 3] = [Self::User, Self::Progress, Self::Internal];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Progress => "progress",
            Self::Internal => "internal",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Whether a reader that asked for this level sees an event of `other`.
    #[must_use]
    pub fn shows(self, other: Self) -> bool {
        other <= self
    }
}

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// An id in the actor's own terms, such as `user` or an agent's id.
    pub id: String,
    /// `human`, `agent`, `system`, `trigger` or `schedule`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

impl Actor {
    /// The person (or program) on the other side of the API.
    #[must_use]
    pub fn human() -> Self {
        Self::of("user", "human")
    }

    /// The agent itself.
    #[must_use]
    pub fn agent() -> Self {
        Self::of("agent", "agent")
    }

    /// Something outside that starts sessions by itself, such as a hook.
    #[must_use]
    pub fn trigger(id: &str, name: &str) -> Self {
        Self {
            display: Some(name.to_owned()),
            ..Self::of(id, "trigger")
        }
    }

    /// The platform.
    #[must_use]
    pub fn system() -> Self {
        Self::of("system", "system")
    }

    fn of(id: &str, kind: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            display: None,
        }
    }
}

/// An event that has no number yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The turn that produced it.
    pub turn: Option<String>,
    /// The discriminator, such as `user.message`.
    pub kind: String,
    /// Who may want to see it.
    pub level: Level,
    /// Who caused it.
    pub actor: Actor,
    /// What everyone may read.
    pub body: Map<String, Value>,
    /// Links to things outside, given by the caller or the platform.
    pub refs: Map<String, Value>,
    /// JSON text that only the brain may read back: raw model content and tool
    /// inputs, byte for byte. No face ever returns it.
    pub private: Option<String>,
    /// The whole of what `body` shows only in part (all output of a command).
    /// Goes to the blob store when it is over [`INLINE`], else nowhere: a small
    /// whole already stands in the body.
    pub attached: Option<Arc<[u8]>>,
}

/// A fact of one session.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Follows from session and number; see [`id::event`].
    pub id: String,
    /// The session's id.
    pub session: String,
    /// 1 for the first event; no gaps.
    pub seq: u64,
    /// When it was appended.
    pub at: Millis,
    /// The rest, as drafted. Where the body was too large for the log it holds
    /// what fits, and [`Event::content`] says where the whole is.
    pub draft: Draft,
    /// Where a large body went, if it did.
    pub content: Option<Content>,
}

/// A body that was moved to the blob store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The blob's key.
    pub blob: String,
    /// The size of the whole in bytes.
    pub bytes: u64,
}

impl Draft {
    /// The event this draft becomes at number `seq`.
    #[must_use]
    pub fn at(self, session: &str, seq: u64, at: Millis) -> Event {
        Event {
            id: id::event(session, seq),
            session: session.to_owned(),
            seq,
            at,
            draft: self,
            content: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_threshold() {
        let table = [
            (Level::User, [true, false, false]),
            (Level::Progress, [true, true, false]),
            (Level::Internal, [true, true, true]),
        ];
        for (reader, want) in table {
            assert_eq!(
                Level::ALL.map(|event| reader.shows(event)),
                want,
                "{reader:?}"
            );
        }
    }

    #[test]
    fn level_names_are_frozen() {
        for level in Level::ALL {
            assert_eq!(Level::named(level.name()), Some(level));
            assert_eq!(serde_json::to_value(level).ok(), Some(level.name().into()));
        }
        assert_eq!(Level::named("debug"), None);
    }
}
