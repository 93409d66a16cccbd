//! Schedules and their runs on the wire.

use serde::Serialize;
use session::{Waiting, What};
use store::{RunRow, ScheduleRow, ScheduleState};
use utoipa::ToSchema;

use super::super::policy::{CapsIn, CapsObject};
use crate::clock;
use crate::http::v3::sessions::WaitingObject;

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub struct ScheduleObject {
    /// Its id.
    id: String,
    /// The agent whose sessions it begins.
    agent_id: String,
    /// Its name.
    name: String,
    /// Minute, hour, day of month, month, day of week.
    cron: String,
    /// The time zone that is meant; null for UTC.
    tz: Option<String>,
    /// What each session is told first.
    input: String,
    /// What becomes of a slot while the session before still works: `skip` or `allow`.
    #[schema(value_type = String, example = "skip")]
    overlap: &'static str,
    /// What all its sessions together may use; days and months are UTC.
    #[schema(value_type = CapsIn)]
    caps: CapsObject,
    /// `active`, `paused`, or `auto_paused` after five failures in a row.
    #[schema(value_type = String, example = "active")]
    state: &'static str,
    /// The slot that comes next; null if none ever does.
    next_fire_at: Option<String>,
    /// When it fired last.
    last_fired_at: Option<String>,
    /// Slots in a row whose session could not be made.
    consecutive_failures: u64,
    /// Why the last session could not be made, if it could not.
    last_error: Option<String>,
    /// What it waits on; null while it rests.
    waiting_on: Option<WaitingObject>,
    /// When it was made.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

/// One schedule.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneSchedule {
    /// The schedule.
    schedule: ScheduleObject,
}

/// All schedules of an agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleList {
    /// The schedules, by name.
    pub schedules: Vec<ScheduleObject>,
}

/// What became of one firing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduleRun)]
pub struct RunObject {
    /// Its id.
    id: String,
    /// The schedule.
    schedule_id: String,
    /// The slot; null if somebody fired it by hand.
    scheduled_for: Option<String>,
    /// When it fired.
    fired_at: String,
    /// `enacted`, `skipped` or `failed`.
    #[schema(value_type = String, example = "enacted")]
    outcome: &'static str,
    /// The session it began.
    session_id: Option<String>,
    /// Why it began none.
    error: Option<String>,
}

/// One run.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneRun {
    /// The run.
    pub run: RunObject,
}

/// A page of runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunPage {
    /// The runs.
    pub runs: Vec<RunObject>,
    /// Goes on as `cursor`, if there are more.
    pub next_cursor: Option<String>,
}

impl From<ScheduleRow> for ScheduleObject {
    fn from(row: ScheduleRow) -> Self {
        Self {
            waiting_on: waiting(&row).map(WaitingObject::from),
            id: row.id,
            agent_id: row.agent,
            name: row.name,
            cron: row.cron,
            tz: row.tz,
            input: row.input,
            overlap: row.overlap.name(),
            caps: row.caps.into(),
            state: row.state.name(),
            next_fire_at: row.next.map(clock::rfc3339),
            last_fired_at: row.fired.map(clock::rfc3339),
            consecutive_failures: row.failures,
            last_error: row.error,
            created_at: clock::rfc3339(row.created),
            updated_at: clock::rfc3339(row.updated),
        }
    }
}

impl From<ScheduleRow> for OneSchedule {
    fn from(row: ScheduleRow) -> Self {
        Self {
            schedule: row.into(),
        }
    }
}

impl From<RunRow> for RunObject {
    fn from(row: RunRow) -> Self {
        Self {
            id: row.id,
            schedule_id: row.schedule,
            scheduled_for: row.slot.map(clock::rfc3339),
            fired_at: clock::rfc3339(row.fired),
            outcome: row.outcome.name(),
            session_id: row.session,
            error: row.error,
        }
    }
}

/// Each slot begins a session of its own, so it is the schedule that waits and
/// never a session.
fn waiting(row: &ScheduleRow) -> Option<Waiting> {
    let active = row.state == ScheduleState::Active;
    let next = row.next.filter(|_| active)?;
    let since = row.fired.map_or(row.updated, |at| at.max(row.updated));
    Some(Waiting {
        what: What::Schedule,
        since,
        deadline: Some(next),
        next: "a session of its agent begins".to_owned(),
        place: None,
    })
}
