//! The prompts that sessions share: one row for each text, kept as long as any
//! session has it. A session that is erased says that its text may be needed no
//! more; whether it is, a sweep finds out later than any birth could take that
//! saw it before.

use session::Millis;

use crate::db::{Tx, values};
use crate::litter::YOUNG;
use crate::{Error, Store};

/// Most texts in one sweep.
const MOST: u64 = 512;

const NEEDED: &str = "SELECT CAST(CASE WHEN unused IS NULL THEN 1 ELSE 0 END AS BIGINT) FROM prompts WHERE hash = $1";
const PUT: &str = "INSERT INTO prompts (hash, text) VALUES ($1, $2) \
    ON CONFLICT (hash) DO UPDATE SET unused = NULL";
const UNUSED: &str = "UPDATE prompts SET unused = $1 \
    WHERE hash = (SELECT prompt FROM pinned WHERE session = $2)";
const OLD: &str = "SELECT hash, unused FROM prompts WHERE unused <= $1 ORDER BY unused LIMIT $2";
const USED: &str = "UPDATE prompts SET unused = NULL WHERE hash = $1 AND unused = $2 \
    AND EXISTS (SELECT 1 FROM pinned p WHERE p.prompt = $1)";
const DROP: &str = "DELETE FROM prompts WHERE hash = $1 AND unused = $2 \
    AND NOT EXISTS (SELECT 1 FROM pinned p WHERE p.prompt = $1)";

/// Keeps a text for a session that is being made in this transaction. Nothing
/// is written where it is there and needed anyway.
pub(crate) async fn keep(tx: &mut Tx<'_>, hash: &[u8], text: &str) -> Result<(), Error> {
    let there = tx.row(NEEDED, &values![hash.to_vec()]).await?;
    if there.map(|mut row| row.count()).transpose()? == Some(1) {
        return Ok(());
    }
    let text = text.as_bytes().to_vec();
    tx.exec(PUT, &values![hash.to_vec(), text]).await.map(drop)
}

/// The text of a session that goes may be needed no more.
pub(crate) async fn maybe_unused(tx: &mut Tx<'_>, session: &str, at: Millis) -> Result<(), Error> {
    tx.exec(UNUSED, &values![at, session]).await.map(drop)
}

impl Store {
    /// Takes away the texts that no session has since an hour; how many.
    pub(crate) async fn sweep_texts(&self, now: Millis) -> Result<u64, Error> {
        let mut gone = 0;
        let old = now.plus(-YOUNG);
        for mut row in self.db().rows(OLD, values![old, MOST]).await? {
            let (hash, unused) = (row.bytes()?, row.millis()?);
            let dropped = self.db().exec(DROP, values![hash.clone(), unused]).await?;
            if dropped == 0 {
                self.db().exec(USED, values![hash, unused]).await?;
            }
            gone += dropped;
        }
        Ok(gone)
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [NEEDED, UNUSED, OLD, USED, DROP].map(str::to_owned).into()
}
