//! What begins sessions by itself, and what all sessions that it began together
//! may use, as it is at this moment. Schedules and hooks keep their own caps; this
//! is where the driver asks for either's.

use session::{Caps, Cause, CauseKind};

use crate::db::values;
use crate::{Error, Store};

// What a deleted schedule or a revoked hook began goes on under its last caps.
const SCHEDULE: &str = "SELECT caps FROM schedules WHERE org = $1 AND id = $2";
const HOOK: &str = "SELECT caps FROM hooks WHERE org = $1 AND id = $2";

impl Store {
    /// The caps of a cause, as they are now; those that it had when it began the
    /// session, if it is gone.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn caps_of(&self, org: &str, cause: &Cause) -> Result<Caps, Error> {
        let caps = match cause.kind {
            CauseKind::Schedule => SCHEDULE,
            CauseKind::Hook => HOOK,
        };
        match self.db().row(caps, values![org, &cause.id]).await? {
            Some(mut row) => read(&row.text()?),
            None => Ok(cause.caps),
        }
    }
}

/// Caps from their column.
pub(crate) fn read(text: &str) -> Result<Caps, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt {
        what: "caps",
        why: error.to_string(),
    })
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [SCHEDULE, HOOK].map(str::to_owned).into()
}
