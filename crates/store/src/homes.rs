//! Where the sandbox of a session is: a hint for claims. The node of that place
//! has a head start when a turn waits, because any other would have to restore
//! the files first. It is a hint and no lease: after the head start anybody
//! takes the turn, so a place that is dead, full or slow holds up nobody for long.

use session::Millis;

use crate::db::values;
use crate::{Error, Store};

/// How long a session is left to the node that has its sandbox, in milliseconds.
pub const HEAD_START: i64 = 300;

const LIVES: &str = "INSERT INTO homes (session, place) SELECT id, $1 FROM sessions WHERE id = $2 \
    ON CONFLICT (session) DO UPDATE SET place = excluded.place";
const LEFT: &str = "DELETE FROM homes WHERE session = $1 AND place = $2";
pub(crate) const ERASE: &str = "DELETE FROM homes WHERE session = $1";

impl Store {
    /// Says, once, at which place this process has its sandboxes.
    pub fn settle_at(&self, place: String) {
        // Whoever said so first was right.
        let _ = self.place_cell().set(place);
    }

    /// The place of this process; empty if it has none.
    pub(crate) fn home(&self) -> &str {
        self.place_cell().get().map_or("", String::as_str)
    }

    /// The sandbox of a session is here.
    ///
    /// # Errors
    /// As every write.
    pub async fn lives_here(&self, session: &str) -> Result<(), Error> {
        self.db()
            .exec(LIVES, values![self.home(), session])
            .await
            .map(drop)
    }

    /// The sandbox of a session is here no more.
    ///
    /// # Errors
    /// As every write.
    pub async fn lives_elsewhere(&self, session: &str) -> Result<(), Error> {
        self.db()
            .exec(LEFT, values![session, self.home()])
            .await
            .map(drop)
    }
}

/// Since when a session that lives elsewhere must have waited to be taken here.
pub(crate) fn late(now: Millis) -> Millis {
    now.plus(-HEAD_START)
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [LIVES, LEFT, ERASE].map(str::to_owned).into()
}
