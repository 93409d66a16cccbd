//! Which folders of the blob store may hold what no row names: every folder
//! that something was put into lately. A row says so before anything is put, so
//! that a crash at any moment leaves nothing behind that is never looked at,
//! and no sweep has to list every blob there is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::db::{Tx, values};
use crate::{Error, Store};

/// How long what nobody names is kept, in milliseconds: its row may be on the way.
pub(crate) const YOUNG: i64 = 3600 * 1000;
/// How long a row that was written is relied on. Shorter than [`YOUNG`], after
/// which a sweep takes the row away.
const RELIED_ON: Duration = Duration::from_secs(30 * 60);
/// Folders remembered before the old ones are forgotten.
const REMEMBERED: usize = 1024;

const MARK: &str = "INSERT INTO litter (folder, seen) VALUES ($1, NULL) \
    ON CONFLICT (folder) DO UPDATE SET seen = NULL";

/// The folders whose rows this process wrote lately.
#[derive(Default)]
pub(crate) struct Marked(Mutex<HashMap<String, Instant>>);

impl Marked {
    fn has(&self, folder: &str) -> bool {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(folder).is_some_and(|at| at.elapsed() < RELIED_ON)
    }

    fn add(&self, folder: &str) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= REMEMBERED {
            map.retain(|_, at| at.elapsed() < RELIED_ON);
        }
        if map.len() >= REMEMBERED {
            map.clear();
        }
        map.insert(folder.to_owned(), Instant::now());
    }
}

/// Says in a transaction that there may be something to sweep.
pub(crate) async fn mark(tx: &mut Tx<'_>, folder: &str) -> Result<(), Error> {
    tx.exec(MARK, &values![folder]).await.map(drop)
}

impl Store {
    /// Says that something is about to be put into a folder.
    pub(crate) async fn litter(&self, folder: &str) -> Result<(), Error> {
        if !self.marked().has(folder) {
            self.db().exec(MARK, values![folder]).await?;
            self.marked().add(folder);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_marked_is_known_and_the_memory_is_bounded() {
        let marked = Marked::default();
        for n in 0..REMEMBERED * 3 {
            assert!(!marked.has(&n.to_string()));
            marked.add(&n.to_string());
            assert!(marked.has(&n.to_string()));
        }
        let kept = marked
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        assert!(kept <= REMEMBERED);
    }
}
