//! An event as it is handed around: read once, shared by everyone.

use std::sync::OnceLock;

use bytes::Bytes;
use session::Event;

/// A fact from the log, with a place for its rendering.
#[derive(Debug)]
pub struct Logged {
    /// The fact. Reads for faces leave `draft.private` out.
    pub event: Event,
    /// What a face made of it, so that many followers need one rendering.
    pub wire: OnceLock<Bytes>,
}

impl Logged {
    /// The event, not rendered yet.
    #[must_use]
    pub fn new(event: Event) -> Self {
        Self {
            event,
            wire: OnceLock::new(),
        }
    }
}
