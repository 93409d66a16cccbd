//! Changing a schedule: what is named is changed, and where that moves its slots
//! the next one is computed from what the row then says.

use futures::FutureExt;
use session::{Caps, Millis};

use super::{ONE, Overlap, ScheduleRow, ScheduleState, read};
use crate::content::json;
use crate::db::{Tx, values};
use crate::{Error, Store};

/// A change of a schedule; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct ScheduleChange {
    /// Another expression.
    pub cron: Option<String>,
    /// Another time zone; `Some(None)` for UTC.
    pub tz: Option<Option<String>>,
    /// Another first message.
    pub input: Option<String>,
    /// Another rule for overlaps.
    pub overlap: Option<Overlap>,
    /// Other caps.
    pub caps: Option<Caps>,
    /// Whether it is to rest. To go on begins anew: failures before are forgotten.
    pub paused: Option<bool>,
    /// When.
    pub at: Millis,
}

const LOCK: &str = "UPDATE schedules SET updated = $1 \
    WHERE org = $2 AND agent = $3 AND id = $4 AND deleted IS NULL";
const CHANGE: &str = "UPDATE schedules SET cron = $1, tz = $2, input = $3, overlap = $4, caps = $5, \
    state = $6, next_fire = $7, failures = $8 WHERE org = $9 AND id = $10";

impl Store {
    /// Changes a schedule. `next` says which slot comes next of a schedule that
    /// looks like this.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org's agent has no such schedule.
    pub async fn change_schedule(
        &self,
        org: &str,
        agent: &str,
        id: &str,
        change: ScheduleChange,
        next: impl FnOnce(&ScheduleRow) -> Option<Millis> + Send + 'static,
    ) -> Result<ScheduleRow, Error> {
        let names = [org, agent, id].map(str::to_owned);
        self.db()
            .change(move |tx| apply(tx, names, change, next).boxed())
            .await
    }
}

async fn apply(
    tx: &mut Tx<'_>,
    [org, agent, id]: [String; 3],
    change: ScheduleChange,
    next: impl FnOnce(&ScheduleRow) -> Option<Millis> + Send,
) -> Result<ScheduleRow, Error> {
    // The row is taken first, so that changes and slots follow each other.
    if tx
        .exec(LOCK, &values![change.at, &org, &agent, &id])
        .await?
        == 0
    {
        return Err(Error::NotFound);
    }
    let row = tx.row(ONE, &values![&org, &agent, &id]).await?;
    let before = read(row.ok_or(Error::NotFound)?)?;
    let moves = change.cron.is_some() || change.tz.is_some() || change.paused == Some(false);
    let mut row = changed(before, change);
    if moves {
        row.next = next(&row);
    }
    let values = values![
        &row.cron,
        row.tz.as_ref(),
        row.input.clone().into_bytes(),
        row.overlap.name(),
        json(&row.caps),
        row.state.name(),
        row.next,
        row.failures,
        org,
        id,
    ];
    tx.exec(CHANGE, &values).await?;
    Ok(row)
}

fn changed(before: ScheduleRow, change: ScheduleChange) -> ScheduleRow {
    let (state, failures) = match change.paused {
        Some(true) => (ScheduleState::Paused, before.failures),
        Some(false) => (ScheduleState::Active, 0),
        None => (before.state, before.failures),
    };
    ScheduleRow {
        cron: change.cron.unwrap_or(before.cron),
        tz: change.tz.unwrap_or(before.tz),
        input: change.input.unwrap_or(before.input),
        overlap: change.overlap.unwrap_or(before.overlap),
        caps: change.caps.unwrap_or(before.caps),
        state,
        failures,
        ..before
    }
}

#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    [LOCK, CHANGE].map(str::to_owned).into()
}
