//! Checkpoints: files of a sandbox at a moment, as rows. The files themselves
//! are pieces (`pieces.rs`), which a checkpoint names.

use session::Millis;

use crate::content::json;
use crate::db::{Row, Tx, values};
use crate::{Error, Store};

/// A checkpoint that is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its id.
    pub id: String,
    /// The session whose files these are.
    pub session: String,
    /// The newest fact that the files follow from.
    pub seq: u64,
    /// When.
    pub at: Millis,
    /// The piece that says what is where.
    pub manifest: String,
    /// The pieces that hold the files, all of them.
    pub packs: Vec<String>,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that were new when it was made.
    pub added: u64,
}

const INSERT: &str = "INSERT INTO checkpoints (id, session, root, seq, at, manifest, packs, files, bytes, added) \
    VALUES ($1, $2, COALESCE((SELECT l.source FROM lineage l WHERE l.session = $2 AND l.from_seq = 1), $2), \
    $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
// The span of a fork's ancestors, and then the session's own.
const OF_SESSION: &str = "SELECT c.id, c.session, c.seq, c.at, c.manifest, c.packs, c.files, c.bytes, c.added \
    FROM checkpoints c WHERE c.session = $1 AND c.seq >= $2 AND c.seq <= $3 ORDER BY c.seq DESC, c.at DESC, c.id DESC";

impl Checkpoint {
    /// Writes it beside the fact that tells of it.
    pub(crate) async fn write(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let values = values![
            &self.id,
            &self.session,
            self.seq,
            self.at,
            &self.manifest,
            json(&self.packs),
            self.files,
            self.bytes,
            self.added
        ];
        tx.exec(INSERT, &values).await.map(drop)
    }
}

fn read(mut row: Row) -> Result<Checkpoint, Error> {
    Ok(Checkpoint {
        id: row.text()?,
        session: row.text()?,
        seq: row.count()?,
        at: row.millis()?,
        manifest: row.text()?,
        packs: serde_json::from_str(&row.text()?).map_err(|error| Error::Corrupt {
            what: "checkpoint",
            why: error.to_string(),
        })?,
        files: row.count()?,
        bytes: row.count()?,
        added: row.count()?,
    })
}

impl Store {
    /// The checkpoints of a session, newest first; those of a fork's ancestors
    /// follow, as far as the fork has their facts.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn checkpoints(&self, session: &str) -> Result<Vec<Checkpoint>, Error> {
        let mut found = Vec::new();
        for span in self.spans(session, 0).await?.into_iter().rev() {
            let values = values![&span.source, span.from, span.to];
            for row in self.db().rows(OF_SESSION, values).await? {
                found.push(read(row)?);
            }
        }
        Ok(found)
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [INSERT, OF_SESSION].map(str::to_owned).into()
}
