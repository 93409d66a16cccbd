//! A command from outside, carried to the log: read the state, let the rules
//! decide, append under the head that was read. Whoever else was faster makes
//! this look again.

use std::time::{Duration, Instant};

use session::{Command, Decided, Millis, Refusal, State, decide};
use store::{Append, Dedupe, Error, LeaseChange, Projection, Sabotage, SessionRow, sabotaged};

use crate::app::App;
use crate::clock;
use crate::http::problem::{Code, Problem, named};

/// How long to look again before giving up: each round somebody gets through, so
/// this is for sessions that very many write to at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a command.
pub struct Carried {
    /// The session as it is now.
    pub row: SessionRow,
    /// Number of the first fact it led to; `None` if there was nothing to do.
    pub first: Option<u64>,
    /// Whether the fact is of an earlier command with the same key.
    pub replay: bool,
}

/// Carries a command to a session.
///
/// # Errors
/// 404, 409 if the rules refuse it, 503 if others are always faster.
pub async fn carry(
    app: &App,
    org: &str,
    session: &str,
    command: &Command,
    key: Option<&str>,
) -> Result<Carried, Problem> {
    carry_with(app, org, session, |_| Ok(command.clone()), key).await
}

/// The same for a command that depends on what the session is: made anew for
/// each look at it.
///
/// # Errors
/// As [`carry`], and the command's own.
pub async fn carry_with(
    app: &App,
    org: &str,
    session: &str,
    command: impl Fn(&SessionRow) -> Result<Command, Problem>,
    key: Option<&str>,
) -> Result<Carried, Problem> {
    let began = Instant::now();
    let key = key.filter(|_| !sabotaged(Sabotage::DedupeOff));
    while began.elapsed() < PATIENCE {
        let row = app.store.session(org, session).await;
        let row = row.map_err(named("session", session))?;
        let now = clock::now();
        let decided = match decide(session, &row.frozen, &row.state, command(&row)?, now) {
            Ok(decided) => decided,
            Err(refusal) => return refused(app, row, refusal, key).await,
        };
        if decided.drafts.is_empty() {
            return Ok(Carried {
                row,
                first: None,
                replay: false,
            });
        }
        match append(app, &row, decided, now, key).await {
            Ok(state) => {
                let first = Some(row.head + 1);
                return Ok(Carried {
                    first,
                    row: after(row, state),
                    replay: false,
                });
            }
            Err(Error::Replayed { seq }) => {
                return Ok(Carried {
                    row,
                    first: Some(seq),
                    replay: true,
                });
            }
            Err(Error::Stale { .. }) => {}
            Err(error) => return Err(named("session", session)(error)),
        }
    }
    Err(Error::Stale { head: 0 }.into())
}

/// Appends what was decided, if the log still ends where it was read; returns the
/// state after it.
async fn append(
    app: &App,
    row: &SessionRow,
    decided: Decided,
    at: Millis,
    key: Option<&str>,
) -> Result<State, Error> {
    let Decided { drafts, state } = decided;
    let append = Append {
        session: &row.id,
        head: row.head,
        epoch: None,
        at,
        drafts,
        project: Projection::of(&row.frozen, &row.state, &state, at),
        lease: LeaseChange::Keep,
        dedupe: key.map(|key| Dedupe {
            key: key.to_owned(),
        }),
        settle: None,
        checkpoint: None,
    };
    let events = app.store.append(append).await?;
    app.metrics.appended(events.len());
    Ok(state)
}

/// The row after its state became this one.
fn after(row: SessionRow, state: State) -> SessionRow {
    SessionRow {
        status: state.phase().name().to_owned(),
        head: state.head,
        input_cursor: state.input_cursor,
        state,
        ..row
    }
}

/// A refusal; unless the same message was taken when it still was allowed.
async fn refused(
    app: &App,
    row: SessionRow,
    refusal: Refusal,
    key: Option<&str>,
) -> Result<Carried, Problem> {
    if let Some(key) = key
        && let Some(seq) = app.store.message_by_key(&row.org, &row.id, key).await?
    {
        return Ok(Carried {
            row,
            first: Some(seq),
            replay: true,
        });
    }
    Err(Problem::new(Code::Conflict, refusal.to_string()))
}
