//! A slot happens once: the session it begins, the row that tells of it and the
//! step to the next slot are one transaction, and that finds the schedule where
//! it was read or does nothing. So two nodes may look at one slot, and a crash at
//! any moment leaves it either due or done.

use futures::FutureExt;
use session::Millis;

use super::runs::{self, Fired, RunRow};
use super::{DUE, ScheduleRow, read};
use crate::db::{Tx, values};
use crate::{Error, Store};

/// Slots in a row whose session could not be made after which a schedule pauses.
pub const PATIENCE: u64 = 5;

/// One firing of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fire {
    /// A fresh id of the run.
    pub run: String,
    /// Who owns the schedule.
    pub org: String,
    /// The schedule.
    pub schedule: String,
    /// The slot; `None` if somebody fires it by hand.
    pub slot: Option<Millis>,
    /// The slot that then comes next; a fire by hand moves nothing.
    pub next: Option<Millis>,
    /// When.
    pub at: Millis,
}

/// Why a firing began no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed {
    /// The session of the run before still works.
    Skipped,
    /// The session could not be made, because of this.
    Failed(String),
}

const SOON: &str = "SELECT next_fire FROM schedules \
    WHERE state = 'active' AND deleted IS NULL AND next_fire IS NOT NULL ORDER BY next_fire LIMIT 1";
const STEP: &str = "UPDATE schedules SET next_fire = $1, last_fired = $2, failures = 0, last_error = NULL \
    WHERE org = $3 AND id = $4 AND next_fire = $5 AND state = 'active' AND deleted IS NULL";
const PASS: &str = "UPDATE schedules SET next_fire = $1, last_fired = $2 \
    WHERE org = $3 AND id = $4 AND next_fire = $5 AND state = 'active' AND deleted IS NULL";
const STUMBLE: &str = "UPDATE schedules SET next_fire = $1, last_fired = $2, failures = failures + 1, \
    last_error = $3, state = CASE WHEN failures + 1 >= $4 THEN 'auto_paused' ELSE state END \
    WHERE org = $5 AND id = $6 AND next_fire = $7 AND state = 'active' AND deleted IS NULL";
const BY_HAND: &str = "UPDATE schedules SET last_fired = $1, last_error = NULL \
    WHERE org = $2 AND id = $3 AND deleted IS NULL";
const IN_VAIN: &str =
    "UPDATE schedules SET last_error = $1 WHERE org = $2 AND id = $3 AND deleted IS NULL";
const BEFORE: &str = "SELECT s.status FROM schedule_runs r LEFT JOIN sessions s ON s.id = r.made \
    WHERE r.schedule = $1 AND r.made IS NOT NULL ORDER BY r.created DESC, r.id DESC LIMIT 1";

impl Store {
    /// Schedules that are due at a moment, whoever owns them; at most so many.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn due_schedules(&self, at: Millis, most: u64) -> Result<Vec<ScheduleRow>, Error> {
        let rows = self.db().rows(DUE, values![at, most]).await?;
        rows.into_iter().map(read).collect()
    }

    /// When the next schedule is due, or was.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn next_due(&self) -> Result<Option<Millis>, Error> {
        let row = self.db().row(SOON, values![]).await?;
        row.map_or(Ok(None), |mut row| row.opt_millis())
    }

    /// The phase, by name, of the session that a schedule began last; `None` if it
    /// began none, or that is erased.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn begun_before(&self, schedule: &str) -> Result<Option<String>, Error> {
        let row = self.db().row(BEFORE, values![schedule]).await?;
        row.map_or(Ok(None), |mut row| row.opt_text())
    }

    /// Writes down that a firing began no session. `None` if somebody else was
    /// faster, or the schedule is not there any more.
    ///
    /// # Errors
    /// As every write.
    pub async fn missed(&self, fire: Fire, missed: Missed) -> Result<Option<RunRow>, Error> {
        self.db()
            .change(move |tx| miss(tx, fire, missed).boxed())
            .await
    }
}

async fn miss(tx: &mut Tx<'_>, fire: Fire, missed: Missed) -> Result<Option<RunRow>, Error> {
    let Fire { org, schedule, .. } = &fire;
    let found = match (fire.slot, &missed) {
        (Some(slot), Missed::Skipped) => {
            let row = values![fire.next, fire.at, org, schedule, slot];
            tx.exec(PASS, &row).await?
        }
        (Some(slot), Missed::Failed(why)) => {
            let row = values![fire.next, fire.at, why, PATIENCE, org, schedule, slot];
            tx.exec(STUMBLE, &row).await?
        }
        (None, Missed::Skipped) => 0,
        (None, Missed::Failed(why)) => tx.exec(IN_VAIN, &values![why, org, schedule]).await?,
    };
    if found == 0 {
        return Ok(None);
    }
    let row = match missed {
        Missed::Skipped => runs::of(fire, Fired::Skipped, None, None),
        Missed::Failed(why) => runs::of(fire, Fired::Failed, None, Some(why)),
    };
    runs::insert(tx, &row).await.map(|_| Some(row))
}

/// Writes down that a firing begins this session, in the transaction that makes it.
///
/// # Errors
/// [`Error::Taken`] if the slot is not due any more, [`Error::NotFound`] if the
/// schedule is gone: then there is to be no session.
pub(crate) async fn enacted(tx: &mut Tx<'_>, fire: &Fire, session: &str) -> Result<(), Error> {
    let Fire { org, schedule, .. } = fire;
    let found = match fire.slot {
        Some(slot) => {
            let row = values![fire.next, fire.at, org, schedule, slot];
            tx.exec(STEP, &row).await?
        }
        None => tx.exec(BY_HAND, &values![fire.at, org, schedule]).await?,
    };
    match (found, fire.slot) {
        (0, Some(_)) => return Err(Error::Taken),
        (0, None) => return Err(Error::NotFound),
        _ => {}
    }
    let row = runs::of(fire.clone(), Fired::Enacted, Some(session.to_owned()), None);
    match runs::insert(tx, &row).await? {
        0 => Err(Error::Taken),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    [SOON, STEP, PASS, STUMBLE, BY_HAND, IN_VAIN, BEFORE]
        .map(str::to_owned)
        .into()
}
