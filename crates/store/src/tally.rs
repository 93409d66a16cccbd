//! The row of usage of a turn that ended: written in the append that ends it,
//! once, however often that append is tried.

use session::{Millis, Tokens, Usd};

use crate::Error;
use crate::db::{Tx, values};

/// What a turn used, from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// From 1.
    pub turn: u32,
    /// The agent, by id.
    pub agent: String,
    /// When it began.
    pub started: Millis,
    /// When it ended.
    pub ended: Millis,
    /// Milliseconds that are billed.
    pub active_ms: u64,
    /// Tokens of its answers.
    pub tokens: Tokens,
    /// Whether every answer told its tokens.
    pub reported: bool,
    /// What they cost, where every price is known.
    pub usd: Option<Usd>,
}

// A turn is counted once: the row that is there stays.
const INSERT: &str = "INSERT INTO usage_turns (session, turn, org, agent, started, ended, active_ms, \
    input, output, cache_write, cache_read, reported, usd) \
    SELECT s.id, $1, s.org, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM sessions s WHERE s.id = $12 \
    ON CONFLICT (session, turn) DO NOTHING";

impl Tally {
    /// Writes it beside the facts.
    pub(crate) async fn write(&self, tx: &mut Tx<'_>, session: &str) -> Result<(), Error> {
        let Tokens {
            input,
            output,
            cache_write,
            cache_read,
            ..
        } = self.tokens;
        let values = values![
            self.turn,
            &self.agent,
            self.started,
            self.ended,
            self.active_ms,
            input,
            output,
            cache_write,
            cache_read,
            self.reported,
            self.usd.map(|usd| usd.0),
            session
        ];
        tx.exec(INSERT, &values).await.map(drop)
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [INSERT].map(str::to_owned).into()
}
