//! Checkpoints: files of a sandbox at a moment, as rows. The files themselves
//! are pieces (`pieces.rs`), which a checkpoint names.

use std::collections::BTreeSet;

use futures::FutureExt;
use session::Millis;

use crate::content::json;
use crate::db::{Row, Tx, values};
use crate::{Error, Store, litter, pieces};

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
    /// When somebody who wanted its files last found that they cannot be had.
    pub damaged: Option<Millis>,
}

const INSERT: &str = "INSERT INTO checkpoints (id, session, root, seq, at, manifest, packs, files, bytes, added) \
    VALUES ($1, $2, COALESCE((SELECT l.source FROM lineage l WHERE l.session = $2 AND l.from_seq = 1), $2), \
    $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
// The span of a fork's ancestors, and then the session's own.
const OF_SESSION: &str = "SELECT c.id, c.session, c.seq, c.at, c.manifest, c.packs, c.files, c.bytes, c.added, c.damaged \
    FROM checkpoints c WHERE c.session = $1 AND c.seq >= $2 AND c.seq <= $3 ORDER BY c.seq DESC, c.at DESC, c.id DESC";

const OF_FAMILY: &str = "SELECT c.id, c.session, c.seq, c.at, c.manifest, c.packs, c.files, c.bytes, c.added, c.damaged \
    FROM checkpoints c WHERE c.root = $1";
const FOUND: &str = "UPDATE checkpoints SET damaged = $1 WHERE id = $2";
// Changes nothing, but holds the row until the end: whoever gives it up waits.
const HOLD: &str = "UPDATE checkpoints SET seq = seq WHERE id = $1";
const SEAMS: &str = "SELECT to_seq FROM lineage WHERE source = $1 ORDER BY to_seq";
const ROOT: &str = "SELECT root FROM checkpoints WHERE id = $1";
const DELETE: &str = "DELETE FROM checkpoints WHERE id = $1";
const TIDY: &str = "DELETE FROM litter WHERE folder = $1";
/// In the rows of litter: that a session may have too many checkpoints.
const SURPLUS: &str = "checkpoints/";

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
        tx.exec(INSERT, &values).await?;
        let surplus = format!("{SURPLUS}{}", self.session);
        litter::mark(tx, &surplus).await
    }

    fn pieces(self) -> impl Iterator<Item = String> {
        self.packs.into_iter().chain([self.manifest])
    }
}

/// Checkpoints that were given up.
#[derive(Default)]
pub(crate) struct Dropped {
    pub(crate) checkpoints: u64,
    /// What they named; another may name it too.
    pub(crate) pieces: BTreeSet<String>,
    /// The oldest session of the family.
    pub(crate) root: String,
}

/// Holds a checkpoint until the end of the transaction; false if it was given up.
pub(crate) async fn hold(tx: &mut Tx<'_>, id: &str) -> Result<bool, Error> {
    Ok(tx.exec(HOLD, &values![id]).await? == 1)
}

/// Where the forks of a session begin.
async fn seams(tx: &mut Tx<'_>, session: &str) -> Result<Vec<u64>, Error> {
    let mut seams = Vec::new();
    for mut row in tx.rows(SEAMS, &values![session]).await? {
        seams.push(row.count()?);
    }
    Ok(seams)
}

/// Those of a session's checkpoints, newest first, that nobody needs: all but the
/// newest `keep` and those of forks, each of which may be restored from the newest
/// that is no newer than where it forked. A damaged one is nothing to rely on, and
/// takes the place of no other; the newest `keep` of them stay, too, for a disk that
/// is mended.
fn surplus(made: &[Checkpoint], mut seams: Vec<u64>, keep: usize) -> Vec<&Checkpoint> {
    let (mut good, mut bad) = (0, 0);
    let mut needed = |checkpoint: &&Checkpoint| {
        let kind = match checkpoint.damaged {
            Some(_) => &mut bad,
            None => &mut good,
        };
        *kind += 1;
        let all = seams.len();
        if checkpoint.damaged.is_none() {
            seams.retain(|seam| *seam < checkpoint.seq);
        }
        *kind <= keep || seams.len() < all
    };
    let mut surplus: Vec<_> = made.iter().collect();
    surplus.retain(|checkpoint| !needed(checkpoint));
    surplus
}

/// Gives up what nobody needs.
async fn give_up(tx: &mut Tx<'_>, session: String, keep: usize) -> Result<Dropped, Error> {
    let mut made = Vec::new();
    for row in tx
        .rows(OF_SESSION, &values![&session, 0u64, u64::MAX])
        .await?
    {
        made.push(read(row)?);
    }
    let mut held = BTreeSet::new();
    for checkpoint in surplus(&made, seams(tx, &session).await?, keep) {
        hold(tx, &checkpoint.id).await?;
        held.insert(&checkpoint.id);
    }
    // Asked again: a fork that held one of them is there now, and one that comes waits.
    let again = surplus(&made, seams(tx, &session).await?, keep);
    let mut dropped = Dropped::default();
    for checkpoint in again.into_iter().filter(|found| held.contains(&found.id)) {
        if dropped.root.is_empty()
            && let Some(mut row) = tx.row(ROOT, &values![&checkpoint.id]).await?
        {
            dropped.root = row.text()?;
            // Should their pieces not go now, a sweep will find them.
            litter::mark(tx, &pieces::folder(&dropped.root)).await?;
        }
        tx.exec(DELETE, &values![&checkpoint.id]).await?;
        dropped.checkpoints += 1;
        dropped.pieces.extend(checkpoint.clone().pieces());
    }
    tx.exec(TIDY, &values![format!("{SURPLUS}{session}")])
        .await?;
    Ok(dropped)
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
        damaged: row.opt_int()?.map(Millis),
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

    /// Notes that a checkpoint was found damaged then, or that it can be read again.
    ///
    /// # Errors
    /// As every write; one that was given up is none.
    pub async fn checkpoint_found(&self, id: &str, damaged: Option<Millis>) -> Result<(), Error> {
        self.db().exec(FOUND, values![damaged, id]).await.map(drop)
    }

    /// Gives up the checkpoints of a session beyond the newest `keep`, except
    /// what its forks need.
    pub(crate) async fn drop_checkpoints(
        &self,
        session: &str,
        keep: usize,
    ) -> Result<Dropped, Error> {
        let session = session.to_owned();
        self.db()
            .change(move |tx| give_up(tx, session, keep).boxed())
            .await
    }

    /// Every piece that a checkpoint of a family names.
    pub(crate) async fn named_by_checkpoints(&self, root: &str) -> Result<BTreeSet<String>, Error> {
        let mut named = BTreeSet::new();
        for row in self.db().rows(OF_FAMILY, values![root]).await? {
            named.extend(read(row)?.pieces());
        }
        Ok(named)
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [
        INSERT, OF_SESSION, OF_FAMILY, FOUND, HOLD, SEAMS, ROOT, DELETE, TIDY,
    ]
    .map(str::to_owned)
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_takes_no_good_checkpoint_s_place() {
        let made = |seqs: &[u64], damaged: &[u64]| -> Vec<Checkpoint> {
            let one = |seq: &u64| Checkpoint {
                id: seq.to_string(),
                session: "ses_1".to_owned(),
                seq: *seq,
                at: Millis(0),
                manifest: String::new(),
                packs: Vec::new(),
                files: 0,
                bytes: 0,
                added: 0,
                damaged: damaged.contains(seq).then_some(Millis(1)),
            };
            seqs.iter().map(one).collect()
        };
        let all = [9, 8, 7, 6, 5, 4];
        for (damaged, seams, keep, want) in [
            (&[][..], &[][..], 2, &["7", "6", "5", "4"][..]),
            (&[9, 8], &[], 1, &["8", "6", "5", "4"]),
            (&[9, 8, 7, 6, 5, 4], &[], 2, &["7", "6", "5", "4"]),
            // A fork behind 6 needs 5 if 6 cannot be read.
            (&[6], &[6], 1, &["8", "7", "4"]),
            (&[], &[5, 6], 1, &["8", "7", "4"]),
            (&[5], &[5], 0, &["9", "8", "7", "6", "5"]),
        ] {
            let made = made(&all, damaged);
            let gone = surplus(&made, seams.to_vec(), keep);
            let gone: Vec<_> = gone.iter().map(|found| &found.id).collect();
            assert_eq!(gone, want, "damaged {damaged:?}, forks {seams:?}, {keep}");
        }
    }
}
