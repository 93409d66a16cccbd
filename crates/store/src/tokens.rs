//! Client tokens: each opens one session, for a while. Stored as a hash.

use futures::FutureExt;
use session::Millis;

use crate::db::{Row, Tx, values};
use crate::digest::digest;
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

/// The longest a token may last, in milliseconds: one that expired this long
/// before a new one will is expired whatever the time is now.
const LONGEST: i64 = 24 * 3600 * 1000;
/// Expired tokens cleared away at a time by a sweep.
const SWEPT: u64 = 1000;
/// Expired tokens cleared away by each new one.
const CLEARED: u64 = 4;

const INSERT: &str = "INSERT INTO client_tokens (hash, org, session, may_read, may_steer, expires) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const CLEAR: &str = "DELETE FROM client_tokens WHERE hash IN \
    (SELECT hash FROM client_tokens WHERE expires <= $1 LIMIT $2)";
const ONE: &str = "SELECT org, session, may_read, may_steer, expires FROM client_tokens \
    WHERE hash = $1 AND expires > $2";

impl Store {
    /// Makes a token for a session.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn create_token(&self, org: &str, session: &str, new: NewToken) -> Result<(), Error> {
        self.reach(org, session).await?;
        let (org, session) = (org.to_owned(), session.to_owned());
        self.db()
            .change(move |tx| async move { insert(tx, &org, &session, &new).await }.boxed())
            .await
    }

    /// The token, if it is one and has not expired.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn token(&self, token: &str, now: Millis) -> Result<Option<TokenRow>, Error> {
        let row = self.db().row(ONE, values![digest(token), now]).await?;
        row.map(read).transpose()
    }
}

impl Store {
    /// Clears away tokens that have expired; how many.
    pub(crate) async fn clear_tokens(&self, now: Millis) -> Result<u64, Error> {
        let mut cleared = 0;
        loop {
            let some = self.db().exec(CLEAR, values![now, SWEPT]).await?;
            cleared += some;
            if some < SWEPT {
                return Ok(cleared);
            }
        }
    }
}

/// Writes a token, and clears a few away that have expired.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    org: &str,
    session: &str,
    new: &NewToken,
) -> Result<(), Error> {
    tx.exec(CLEAR, &values![new.expires.plus(-LONGEST), CLEARED])
        .await?;
    let Scopes { read, steer } = new.scopes;
    let values = values![digest(&new.token), org, session, read, steer, new.expires];
    tx.exec(INSERT, &values).await.map(drop)
}

fn read(mut row: Row) -> Result<TokenRow, Error> {
    Ok(TokenRow {
        org: row.text()?,
        session: row.text()?,
        scopes: Scopes {
            read: row.yes()?,
            steer: row.yes()?,
        },
        expires: row.millis()?,
    })
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [ONE, CLEAR].map(str::to_owned).into()
}
