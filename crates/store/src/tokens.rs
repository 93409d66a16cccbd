//! Client tokens: each opens one session, for a while. Stored as a hash.

use session::Millis;

use crate::{Error, Store};

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes {
    /// Reading events.
    pub read: bool,
    /// Sending messages.
    pub steer: bool,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The token; only its hash is kept.
    pub token: String,
    /// What it allows.
    pub scopes: Scopes,
    /// Until when.
    pub expires: Millis,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The owner of its session.
    pub org: String,
    /// The session it opens.
    pub session: String,
    /// What it allows.
    pub scopes: Scopes,
    /// Until when.
    pub expires: Millis,
}

impl Store {
    /// Makes a token for a session.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn create_token(&self, org: &str, session: &str, new: NewToken) -> Result<(), Error> {
        let _ = (org, session, new);
        crate::store::unbuilt()
    }

    /// The token, if it is one and has not expired.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn token(&self, token: &str, now: Millis) -> Result<Option<TokenRow>, Error> {
        let _ = (token, now);
        crate::store::unbuilt()
    }
}
