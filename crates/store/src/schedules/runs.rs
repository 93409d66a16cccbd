//! What became of each firing of a schedule. Runs stay when the schedule goes.

use session::Millis;

use super::{Fire, corrupt};
use crate::db::{Row, Tx, Value, values};
use crate::{Cursor, Error, Listed, Page, Store};

/// What became of a firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fired {
    /// A session was begun.
    Enacted,
    /// The session before still worked.
    Skipped,
    /// The session could not be made.
    Failed,
}

impl Fired {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Enacted, Self::Skipped, Self::Failed];

    /// The name on the wire and in rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enacted => "enacted",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// A firing of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// The schedule.
    pub schedule: String,
    /// The slot; `None` if somebody fired it by hand.
    pub slot: Option<Millis>,
    /// When it fired.
    pub fired: Millis,
    /// What became of it.
    pub outcome: Fired,
    /// The session it began.
    pub session: Option<String>,
    /// Why it began none.
    pub error: Option<String>,
}

const THERE: &str = "SELECT id FROM schedules WHERE org = $1 AND agent = $2 AND id = $3";
const LISTED: &str = "SELECT r.id, r.schedule, r.slot, r.created, r.outcome, r.made, r.error \
    FROM schedule_runs r WHERE r.schedule = $1";
const INSERT: &str = "INSERT INTO schedule_runs (id, schedule, slot, created, outcome, made, error) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (schedule, slot) WHERE slot IS NOT NULL DO NOTHING";

impl Store {
    /// Runs of a schedule, newest first, also when it is gone.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org's agent never had such a schedule.
    pub async fn runs(
        &self,
        org: &str,
        agent: &str,
        schedule: &str,
        page: Page,
    ) -> Result<Listed<RunRow>, Error> {
        let there = self.db().row(THERE, values![org, agent, schedule]).await?;
        there.ok_or(Error::NotFound)?;
        let (mut sql, mut values) = (LISTED.to_owned(), vec![Value::from(schedule)]);
        page.select("r.", &mut sql, &mut values);
        let rows = self.db().rows(sql, values).await?;
        let rows = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(page.cut(rows, |row: &RunRow| Cursor {
            created: row.fired,
            id: row.id.clone(),
        }))
    }
}

fn read(mut row: Row) -> Result<RunRow, Error> {
    Ok(RunRow {
        id: row.text()?,
        schedule: row.text()?,
        slot: row.opt_millis()?,
        fired: row.millis()?,
        outcome: Fired::named(&row.text()?).ok_or_else(|| corrupt("what became of a run"))?,
        session: row.opt_text()?,
        error: row.opt_text()?,
    })
}

/// The row of a firing that came to this.
pub(super) fn of(
    fire: Fire,
    outcome: Fired,
    session: Option<String>,
    error: Option<String>,
) -> RunRow {
    RunRow {
        id: fire.run,
        schedule: fire.schedule,
        slot: fire.slot,
        fired: fire.at,
        outcome,
        session,
        error,
    }
}

/// Writes a run; 0 if the slot has one.
pub(super) async fn insert(tx: &mut Tx<'_>, run: &RunRow) -> Result<u64, Error> {
    let row = values![
        &run.id,
        &run.schedule,
        run.slot,
        run.fired,
        run.outcome.name(),
        run.session.as_ref(),
        run.error.as_ref(),
    ];
    tx.exec(INSERT, &row).await
}

#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    let listed = [
        None,
        Some(Cursor {
            created: Millis(5),
            id: "x".to_owned(),
        }),
    ]
    .map(|after| {
        let (mut sql, mut values) = (LISTED.to_owned(), vec![Value::from("sch")]);
        Page { after, limit: 1 }.select("r.", &mut sql, &mut values);
        sql
    });
    listed.into_iter().chain([THERE.to_owned()]).collect()
}
