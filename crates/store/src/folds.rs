//! Folds: what a session's facts came to at some number, so that nobody has to
//! fold a long log from its beginning. Compressed and sealed. A fold is never
//! the truth: where one is missing or damaged, an older one or the facts serve.

use bytes::Bytes;
use futures::FutureExt;
use secrecy::ExposeSecret;
use session::{Fold, State};

use crate::db::{Tx, values};
use crate::vault::{Place, Seal};
use crate::{Error, Store};

/// How hard to compress: quick, because a turn may wait for it.
const LEVEL: i32 = 1;

const PUT: &str = "INSERT INTO folds (session, seq, blob) SELECT s.id, $1, $2 FROM sessions s WHERE s.id = $3 \
    ON CONFLICT (session, seq) DO UPDATE SET blob = excluded.blob";
const NUMBERS: &str = "SELECT seq FROM folds WHERE session = $1 ORDER BY seq DESC";
const DROP: &str = "DELETE FROM folds WHERE session = $1 AND seq = $2";
const NEAREST: &str = "SELECT seq, blob FROM folds WHERE session = $1 AND seq >= $2 AND seq <= $3 \
    ORDER BY seq DESC";

fn place(key: &str) -> Place<'_> {
    Place {
        table: "folds",
        row: key,
        column: "sealed",
    }
}

impl Store {
    /// Keeps what the facts up to `seq` came to, frozen as
    /// [`Fold::freeze`] does. Older ones stay the sparser the older they are.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such session; as every write.
    pub async fn keep_fold(&self, session: &str, seq: u64, fold: Vec<u8>) -> Result<(), Error> {
        let key = format!("{session}/fold-{seq}-{:08x}", rand::random::<u32>());
        let seal = self.data_key(&self.org_of(session).await?).await?;
        let sealed = seal.aside(key.clone(), move |seal, key| {
            let small = zstd::bulk::compress(&fold, LEVEL).map_err(unreadable)?;
            seal.seal(place(key), &small).map(Bytes::from)
        });
        let sealed = sealed.await?;
        self.litter(session).await?;
        self.blobs().put(&key, sealed).await?;
        let session = session.to_owned();
        self.db()
            .change(move |tx| keep(tx, session, seq, key).boxed())
            .await
    }

    /// The newest fold at or before a number, and its own number; a fork has
    /// those of its ancestors too, as far as it has their facts.
    ///
    /// # Errors
    /// If the database cannot be read. One that cannot be opened is passed over.
    pub async fn nearest_fold(
        &self,
        session: &str,
        at_most: u64,
    ) -> Result<Option<(u64, Vec<u8>)>, Error> {
        for span in self.spans(session, 0).await?.iter().rev() {
            let values = values![&span.source, span.from, span.to.min(at_most)];
            let rows = self.db().few(NEAREST, values).await?;
            if rows.is_empty() {
                continue;
            }
            let seal = self.data_key(&self.org_of(session).await?).await?;
            for mut row in rows {
                let (seq, key) = (row.count()?, row.text()?);
                match self.fold(&seal, &key).await {
                    Ok(fold) => return Ok(Some((seq, fold))),
                    Err(error) => tracing::warn!(%error, key, "a fold is passed over"),
                }
            }
        }
        Ok(None)
    }

    /// The state of a session after its fact number `seq`.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session; [`Error::Stale`] if
    /// its log does not go that far.
    pub async fn state_at(&self, org: &str, session: &str, seq: u64) -> Result<State, Error> {
        self.reach(org, session).await?;
        let mut state = match self.nearest_fold(session, seq).await? {
            Some((_, fold)) => Fold::thaw(&fold).unwrap_or_default().state,
            None => State::default(),
        };
        while state.head < seq {
            let facts = self.fold_source(session, state.head).await?;
            if facts.is_empty() {
                return Err(Error::Stale { head: state.head });
            }
            for fact in facts.iter().filter(|fact| fact.event.seq <= seq) {
                state.apply(&fact.event).map_err(unreadable)?;
            }
        }
        Ok(state)
    }

    async fn fold(&self, seal: &Seal, key: &str) -> Result<Vec<u8>, Error> {
        let sealed = self.blobs().get(key).await?;
        let plain = seal.open(place(key), &sealed)?;
        zstd::stream::decode_all(plain.expose_secret().as_slice()).map_err(unreadable)
    }
}

async fn keep(tx: &mut Tx<'_>, session: String, seq: u64, key: String) -> Result<(), Error> {
    if tx.exec(PUT, &values![seq, key, &session]).await? == 0 {
        return Err(Error::NotFound);
    }
    let rows = tx.rows(NUMBERS, &values![&session]).await?;
    let numbers: Result<Vec<_>, _> = rows.into_iter().map(|mut row| row.count()).collect();
    for seq in too_close(&numbers?) {
        tx.exec(DROP, &values![&session, seq]).await?;
    }
    Ok(())
}

/// Of numbers from the newest to the oldest, those that nobody will miss: the
/// gap they leave is at most a quarter of the way back from the newest.
fn too_close(numbers: &[u64]) -> Vec<u64> {
    let mut close = Vec::new();
    // The two newest stay: the newest might turn out to be damaged.
    let [newest, second, rest @ ..] = numbers else {
        return close;
    };
    let mut kept = *second;
    for (at, &seq) in rest.iter().enumerate() {
        let older = rest.get(at + 1).copied().unwrap_or(0);
        if kept - older <= (newest - older) / 4 {
            close.push(seq);
        } else {
            kept = seq;
        }
    }
    close
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::Corrupt {
        what: "fold",
        why: error.to_string(),
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [NUMBERS, DROP, NEAREST].map(str::to_owned).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_the_sparser_and_never_many() {
        let mut kept: Vec<u64> = Vec::new();
        for n in 1..=1000 {
            kept.insert(0, n * 100);
            let close = too_close(&kept);
            kept.retain(|seq| !close.contains(seq));
            assert!(kept.len() <= 48, "{}", kept.len());
            assert_eq!(kept[0], n * 100);
        }
        // Wherever a reader goes back to, little more is folded than the way back.
        for seq in (100..100_000u64).step_by(77) {
            let nearest = kept.iter().find(|kept| **kept <= seq).copied().unwrap_or(0);
            assert!(seq - nearest <= (100_000 - seq) + 200, "{seq} {nearest}");
        }
    }
}
