//! Schedules: what begins a session of an agent at set times. When a slot is due
//! is computed elsewhere and handed in; here it is kept that a slot happens once.

mod change;
mod fire;
mod runs;

use futures::FutureExt;
use session::{Caps, Millis};

use crate::content::json;
use crate::db::{Row, Tx, values};
use crate::{Error, Store, causes};
pub use change::ScheduleChange;
pub(crate) use fire::enacted;
pub use fire::{Fire, Missed, PATIENCE};
pub use runs::{Fired, RunRow};

/// Most schedules of an agent.
pub const MOST: u64 = 20;

/// What to do with a slot while the session of the one before still works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// Let it pass.
    #[default]
    Skip,
    /// Begin another one beside it.
    Allow,
}

impl Overlap {
    /// The name on the wire and in rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Allow => "allow",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Skip, Self::Allow]
            .into_iter()
            .find(|overlap| overlap.name() == name)
    }
}

/// Whether a schedule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleState {
    /// At every slot.
    Active,
    /// Not at all: somebody wished it.
    Paused,
    /// Not at all: it failed too often in a row.
    AutoPaused,
}

impl ScheduleState {
    /// The name on the wire and in rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::AutoPaused => "auto_paused",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::AutoPaused]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A schedule to be made.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    /// A fresh id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// The agent whose sessions it begins.
    pub agent: String,
    /// Its name, unique among those of the agent.
    pub name: String,
    /// The expression, as it was sent.
    pub cron: String,
    /// The time zone it is meant in; UTC if none.
    pub tz: Option<String>,
    /// What each session is told first.
    pub input: String,
    /// What to do while the session before still works.
    pub overlap: Overlap,
    /// What all its sessions together may use.
    pub caps: Caps,
    /// The first slot.
    pub next: Option<Millis>,
    /// When.
    pub at: Millis,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleRow {
    /// Its id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// The agent whose sessions it begins.
    pub agent: String,
    /// Its name.
    pub name: String,
    /// The expression.
    pub cron: String,
    /// The time zone it is meant in; UTC if none.
    pub tz: Option<String>,
    /// What each session is told first.
    pub input: String,
    /// What to do while the session before still works.
    pub overlap: Overlap,
    /// What all its sessions together may use.
    pub caps: Caps,
    /// Whether it fires.
    pub state: ScheduleState,
    /// The slot that comes next, if one ever does.
    pub next: Option<Millis>,
    /// When it fired last.
    pub fired: Option<Millis>,
    /// Slots in a row whose session could not be made.
    pub failures: u64,
    /// Why a session could not be made, if the last one could not.
    pub error: Option<String>,
    /// When it was made.
    pub created: Millis,
    /// When it was last changed by a wish.
    pub updated: Millis,
}

macro_rules! columns {
    ($where:literal) => {
        concat!(
            "SELECT id, org, agent, name, cron, tz, input, overlap, caps, state, next_fire, last_fired, ",
            "failures, last_error, created, updated FROM schedules ", $where
        )
    };
}

const ONE: &str = columns!("WHERE org = $1 AND agent = $2 AND id = $3 AND deleted IS NULL");
const LISTED: &str = columns!("WHERE org = $1 AND agent = $2 AND deleted IS NULL ORDER BY name");
pub(crate) const DUE: &str = columns!(
    "WHERE state = 'active' AND deleted IS NULL AND next_fire <= $1 ORDER BY next_fire LIMIT $2"
);
const HOLD: &str =
    "UPDATE agents SET revision = revision WHERE org = $1 AND id = $2 AND deleted IS NULL";
const COUNT: &str =
    "SELECT COUNT(*) FROM schedules WHERE org = $1 AND agent = $2 AND deleted IS NULL";
const INSERT: &str = "INSERT INTO schedules \
    (id, org, agent, name, cron, tz, input, overlap, caps, state, next_fire, failures, created, updated) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'active', $10, 0, $11, $11) \
    ON CONFLICT (org, agent, name) WHERE deleted IS NULL DO NOTHING";
const DELETE: &str = "UPDATE schedules SET deleted = $1 \
    WHERE org = $2 AND agent = $3 AND id = $4 AND deleted IS NULL";
const END: &str =
    "UPDATE schedules SET deleted = $1 WHERE org = $2 AND agent = $3 AND deleted IS NULL";

pub(crate) fn read(mut row: Row) -> Result<ScheduleRow, Error> {
    Ok(ScheduleRow {
        id: row.text()?,
        org: row.text()?,
        agent: row.text()?,
        name: row.text()?,
        cron: row.text()?,
        tz: row.opt_text()?,
        input: String::from_utf8(row.bytes()?).map_err(|_| corrupt("its input"))?,
        overlap: Overlap::named(&row.text()?).ok_or_else(|| corrupt("its overlap"))?,
        caps: causes::read(&row.text()?)?,
        state: ScheduleState::named(&row.text()?).ok_or_else(|| corrupt("its state"))?,
        next: row.opt_millis()?,
        fired: row.opt_millis()?,
        failures: row.count()?,
        error: row.opt_text()?,
        created: row.millis()?,
        updated: row.millis()?,
    })
}

fn corrupt(why: &str) -> Error {
    Error::Corrupt {
        what: "schedule",
        why: why.to_owned(),
    }
}

impl Store {
    /// Makes a schedule.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent, [`Error::Taken`] if that
    /// has a schedule of the name, [`Error::TooMany`] if it has [`MOST`].
    pub async fn create_schedule(&self, new: NewSchedule) -> Result<ScheduleRow, Error> {
        self.db().change(move |tx| create(tx, new).boxed()).await
    }

    /// One schedule of an agent.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org's agent has no such schedule.
    pub async fn schedule(&self, org: &str, agent: &str, id: &str) -> Result<ScheduleRow, Error> {
        let row = self.db().row(ONE, values![org, agent, id]).await?;
        read(row.ok_or(Error::NotFound)?)
    }

    /// All schedules of an agent, by name.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn schedules(&self, org: &str, agent: &str) -> Result<Vec<ScheduleRow>, Error> {
        let rows = self.db().rows(LISTED, values![org, agent]).await?;
        rows.into_iter().map(read).collect()
    }

    /// Ends a schedule for good; its runs stay, and its name is free.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org's agent has no such schedule.
    pub async fn delete_schedule(
        &self,
        org: &str,
        agent: &str,
        id: &str,
        at: Millis,
    ) -> Result<(), Error> {
        match self.db().exec(DELETE, values![at, org, agent, id]).await? {
            0 => Err(Error::NotFound),
            _ => Ok(()),
        }
    }
}

async fn create(tx: &mut Tx<'_>, new: NewSchedule) -> Result<ScheduleRow, Error> {
    let (org, agent) = (&new.org, &new.agent);
    // The agent's row is taken, so that two do not both find the last place.
    if tx.exec(HOLD, &values![org, agent]).await? == 0 {
        return Err(Error::NotFound);
    }
    let count = tx.row(COUNT, &values![org, agent]).await?;
    let full = count.ok_or(Error::NotFound)?.count()? >= MOST;
    let row = values![
        &new.id,
        org,
        agent,
        &new.name,
        &new.cron,
        new.tz.as_ref(),
        new.input.into_bytes(),
        new.overlap.name(),
        json(&new.caps),
        new.next,
        new.at,
    ];
    if tx.exec(INSERT, &row).await? == 0 {
        return Err(Error::Taken);
    }
    if full {
        return Err(Error::TooMany { most: MOST });
    }
    let row = tx.row(ONE, &values![org, agent, &new.id]).await?;
    read(row.ok_or(Error::NotFound)?)
}

/// Ends all schedules of an agent.
pub(crate) async fn end(tx: &mut Tx<'_>, org: &str, agent: &str, at: Millis) -> Result<(), Error> {
    tx.exec(END, &values![at, org, agent]).await.map(drop)
}

/// Every query of this file and its folder, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let own = [ONE, LISTED, DUE, HOLD, COUNT, DELETE, END].map(str::to_owned);
    [
        own.into(),
        change::queries(),
        fire::queries(),
        runs::queries(),
    ]
    .concat()
}
