//! The sweep: what nobody needs any more goes. It collects
//! old checkpoints and what a crash left behind.
//! It looks at what changed, not at everything there is; each step may fail and
//! is taken again by the next sweep, on this node or another.

use std::collections::BTreeSet;

use futures::FutureExt;
use session::Millis;

use crate::db::values;
use crate::litter::YOUNG;
use crate::{Error, Store, leases, pieces, reserve};

/// Most of each kind in one sweep.
const MOST: u64 = 512;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Checkpoints that were collected.
    pub checkpoints: u64,
    /// Pieces and large bodies that nobody named.
    pub blobs: u64,
    /// Prompts that no session has any more.
    pub prompts: u64,
    /// Rows of nodes that are long dead.
    pub nodes: u64,
    /// Reservations that nobody came to settle.
    pub reservations: u64,
}

const SURPLUS: &str = "SELECT folder FROM litter WHERE folder >= 'checkpoints/' AND folder < 'checkpoints0' \
    ORDER BY folder LIMIT $1";
const SEE: &str = "UPDATE litter SET seen = $1 WHERE seen IS NULL";
const SEEN: &str = "SELECT folder, seen FROM litter WHERE seen <= $1 ORDER BY seen LIMIT $2";
const AGAIN: &str = "UPDATE litter SET seen = $1 WHERE folder = $2 AND seen = $3";
const CLEAN: &str = "DELETE FROM litter WHERE folder = $1 AND seen = $2";
const CONTENTS: &str =
    "SELECT content FROM events WHERE session = $1 AND content IS NOT NULL ORDER BY seq";
const FOLDS: &str = "SELECT blob FROM folds WHERE session = $1";
const FAMILY: &str = "SELECT id FROM sessions WHERE id = $1 UNION ALL \
    SELECT session FROM lineage WHERE source = $1 LIMIT 1";
const UNSETTLED: &str = "SELECT r.session FROM reservations r WHERE NOT EXISTS \
    (SELECT 1 FROM sessions s WHERE s.id = r.session AND s.due IS NOT NULL) LIMIT $1";
const OWNER: &str = "SELECT status FROM sessions WHERE id = $1";

impl Store {
    /// Sweeps once. Of a session's checkpoints the newest `keep_checkpoints`
    /// stay, at least one, and those its forks may be restored from.
    ///
    /// # Errors
    /// The first that was met; the rest was swept all the same.
    pub async fn sweep(&self, now: Millis, keep_checkpoints: usize) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        let steps = [
            self.sweep_checkpoints(keep_checkpoints.max(1), &mut swept)
                .await,
            self.sweep_litter(now, &mut swept.blobs).await,
            self.sweep_rows(now, &mut swept).await,
        ];
        steps.into_iter().collect::<Result<(), Error>>()?;
        Ok(swept)
    }

    async fn sweep_checkpoints(&self, keep: usize, swept: &mut Swept) -> Result<(), Error> {
        for mut row in self.db().rows(SURPLUS, values![MOST]).await? {
            let folder = row.text()?;
            let Some((_, session)) = folder.split_once('/') else {
                continue;
            };
            let dropped = self.drop_checkpoints(session, keep).await?;
            swept.checkpoints += dropped.checkpoints;
            swept.blobs += self.delete_unnamed(&dropped.pieces, &dropped.root).await?;
        }
        Ok(())
    }

    /// Looks through the folders that something was put into more than an hour ago.
    async fn sweep_litter(&self, now: Millis, blobs: &mut u64) -> Result<(), Error> {
        self.db().exec(SEE, values![now]).await?;
        let old = now.plus(-YOUNG);
        for mut row in self.db().rows(SEEN, values![old, MOST]).await? {
            let (folder, seen) = (row.text()?, row.millis()?);
            // Listed first: what is put and named after that is not in the list.
            let listed = self.blobs().list(&folder).await?;
            let named = self.named_in(&folder).await?;
            let mut young = false;
            for (key, since) in listed {
                if named.contains(&key) {
                    continue;
                }
                if since > old {
                    young = true;
                } else {
                    self.blobs().delete(&key).await?;
                    *blobs += 1;
                }
            }
            if young {
                self.db().exec(AGAIN, values![now, folder, seen]).await?;
            } else {
                self.db().exec(CLEAN, values![folder, seen]).await?;
            }
        }
        Ok(())
    }

    async fn sweep_rows(&self, now: Millis, swept: &mut Swept) -> Result<(), Error> {
        swept.prompts = self.sweep_texts(now).await?;
        swept.nodes = self
            .db()
            .change(move |tx| leases::forget(tx, now).boxed())
            .await?;
        for mut row in self.db().rows(UNSETTLED, values![MOST]).await? {
            let session = row.text()?;
            self.db()
                .change(move |tx| async move { reserve::use_up(tx, &session).await }.boxed())
                .await?;
            swept.reservations += 1;
        }
        Ok(())
    }

    /// Every blob in a folder that a row names.
    async fn named_in(&self, folder: &str) -> Result<BTreeSet<String>, Error> {
        match pieces::root_of(folder) {
            Some(root) => self.named_by_checkpoints(root).await,
            None => self.named_by_events(folder).await,
        }
    }

    /// The blobs of a session's large bodies and folds.
    pub(crate) async fn named_by_events(&self, session: &str) -> Result<BTreeSet<String>, Error> {
        let mut named = BTreeSet::new();
        for mut row in self.db().rows(CONTENTS, values![session]).await? {
            let content: session::event::Content =
                serde_json::from_str(&row.text()?).map_err(|error| Error::Corrupt {
                    what: "event",
                    why: error.to_string(),
                })?;
            named.insert(content.blob);
        }
        for mut row in self.db().rows(FOLDS, values![session]).await? {
            named.insert(row.text()?);
        }
        Ok(named)
    }

    /// Whether any session of a family lives.
    pub(crate) async fn has_family(&self, root: &str) -> Result<bool, Error> {
        Ok(self.db().row(FAMILY, values![root]).await?.is_some())
    }

    /// Which of these sessions are archived, erased or unknown: their sandboxes
    /// are nobody's.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn gone(&self, sessions: &[String]) -> Result<Vec<String>, Error> {
        let mut gone = Vec::new();
        for session in sessions {
            let row = self.db().row(OWNER, values![session]).await?;
            let status = row.map(|mut row| row.text()).transpose()?;
            if status.is_none_or(|status| status == session::Phase::Archived.name()) {
                gone.push(session.clone());
            }
        }
        Ok(gone)
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [
        SURPLUS, SEE, SEEN, AGAIN, CLEAN, CONTENTS, FOLDS, FAMILY, UNSETTLED, OWNER,
    ]
    .map(str::to_owned)
    .into()
}
