//! One firing: the session is begun as anybody's would be, with the agent as it is
//! now, or it is written down why not. What may pass by itself (a database that
//! does not answer, a full disk) is tried again: the slot stays due.

use serde_json::json;
use session::fact::Message;
use session::id::Noun;
use session::{Actor, Cause, CauseKind, Command, Millis, Phase};
use store::{Fire, Fired, Missed, Overlap, RunRow, ScheduleRow};

use crate::app::App;
use crate::begin::{Wish, begin};
use crate::clock;
use crate::http::problem::{Code, Problem, named};

/// What became of a slot for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// It is written down, by us or by whoever was faster.
    Done,
    /// It is still due.
    Later,
}

/// Lets the slot of a schedule that is due happen.
pub(super) async fn slot(app: &App, row: ScheduleRow) -> Passed {
    let Some(due) = row.next else {
        return Passed::Done;
    };
    crate::points::passed("schedule.due");
    let now = clock::now();
    // Slots that were missed meanwhile are this one slot.
    let next = super::next(&row.cron, row.tz.as_deref(), now.max(due));
    let fire = Fire {
        slot: Some(due),
        next,
        ..by(&row, now)
    };
    let made = match overlaps(app, &row).await {
        Ok(true) => Err(Missed::Skipped),
        Ok(false) => match made(app, &row, fire.clone()).await {
            Ok(session) => Ok(session),
            Err(problem) => match again(&problem) {
                true => return later(&row, &problem),
                false => Err(missed(problem)),
            },
        },
        Err(error) => return later(&row, &error.into()),
    };
    crate::points::passed("schedule.fired");
    match made {
        Ok(session) => {
            app.metrics.schedule(Fired::Enacted);
            tracing::info!(schedule = row.id, session, "fired");
            Passed::Done
        }
        Err(missed) => tell(app, row, fire, missed).await,
    }
}

/// Fires a schedule now, whatever its state. Its slots stay as they are.
///
/// # Errors
/// If the schedule is gone, or nothing can be written now. That the session could
/// not be made is no error but what became of the run.
pub async fn by_hand(app: &App, row: ScheduleRow) -> Result<RunRow, Problem> {
    let fire = by(&row, clock::now());
    let run = match made(app, &row, fire.clone()).await {
        Ok(session) => RunRow {
            id: fire.run,
            schedule: fire.schedule,
            slot: None,
            fired: fire.at,
            outcome: Fired::Enacted,
            session: Some(session),
            error: None,
        },
        Err(problem) if again(&problem) => return Err(problem),
        Err(problem) => {
            let failed = Missed::Failed(problem.message);
            let run = app.store.missed(fire, failed).await?;
            run.ok_or_else(|| Problem::missing("schedule", &row.id))?
        }
    };
    app.metrics.schedule(run.outcome);
    Ok(run)
}

/// A firing at this moment that moves no slot.
fn by(row: &ScheduleRow, at: Millis) -> Fire {
    Fire {
        run: clock::fresh(Noun::Run),
        org: row.org.clone(),
        schedule: row.id.clone(),
        slot: None,
        next: None,
        at,
    }
}

/// Whether the session before still works, and that matters.
async fn overlaps(app: &App, row: &ScheduleRow) -> Result<bool, store::Error> {
    if row.overlap == Overlap::Allow {
        return Ok(false);
    }
    let before = app.store.begun_before(&row.id).await?;
    let phase = before.as_deref().and_then(Phase::named);
    Ok(matches!(phase, Some(Phase::Queued | Phase::Running)))
}

/// Makes the session of a firing; its id.
async fn made(app: &App, row: &ScheduleRow, fire: Fire) -> Result<String, Problem> {
    let agent = app.store.agent(&row.org, &row.agent).await;
    let agent = agent.map_err(named("agent", &row.agent))?;
    let metadata = json!({ "schedule": {
        "id": row.id,
        "run_id": fire.run,
        "scheduled_for": fire.slot.map(clock::rfc3339),
    } });
    let mut wish = Wish::new(row.org.clone(), agent, first(row));
    wish.metadata = Some(metadata.to_string());
    wish.cause = Some(Cause {
        kind: CauseKind::Schedule,
        id: row.id.clone(),
        caps: row.caps,
    });
    wish.fire = Some(fire);
    begin(app, wish).await.map(|born| born.row.id)
}

/// What the session is told first.
fn first(row: &ScheduleRow) -> Command {
    Command::Send {
        message: Message {
            text: row.input.clone(),
            ..Message::default()
        },
        actor: Some(Actor {
            id: row.id.clone(),
            kind: "schedule".to_owned(),
            display: Some(row.name.clone()),
        }),
        refs: serde_json::Map::new(),
    }
}

/// Whether the same may be possible in a moment. A defect is none of these: it
/// would be met again and again.
fn again(problem: &Problem) -> bool {
    problem.code.retriable() && problem.code != Code::Internal
}

fn later(row: &ScheduleRow, problem: &Problem) -> Passed {
    tracing::warn!(
        schedule = row.id,
        why = problem.message,
        "a slot has to wait"
    );
    Passed::Later
}

/// That a slot has its session already is no failure: the next one comes.
fn missed(problem: Problem) -> Missed {
    match problem.code {
        Code::Conflict => Missed::Skipped,
        _ => Missed::Failed(problem.message),
    }
}

/// Writes down that a slot began no session.
async fn tell(app: &App, row: ScheduleRow, fire: Fire, missed: Missed) -> Passed {
    match app.store.missed(fire, missed).await {
        Ok(Some(run)) => {
            app.metrics.schedule(run.outcome);
            let (why, outcome) = (run.error, run.outcome.name());
            tracing::info!(schedule = row.id, outcome, why, "fired in vain");
            Passed::Done
        }
        Ok(None) => Passed::Done,
        Err(error) => later(&row, &error.into()),
    }
}
