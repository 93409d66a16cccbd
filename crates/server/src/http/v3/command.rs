//! A command from outside, carried to the log: read the state, let the rules
//! decide, append under the head that was read. Whoever else was faster makes
//! this look again.

use std::time::{Duration, Instant};

use session::{Command, Decided, Refusal, decide};
use store::{Append, Dedupe, Error, LeaseChange, Projection, SessionRow};

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
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let row = app
            .store
            .session(org, session)
            .await
            .map_err(named("session", session))?;
        let now = clock::now();
        let decided = match decide(session, &row.frozen, &row.state, command.clone(), now) {
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
        let Decided { drafts, state } = decided;
        let append = Append {
            session,
            head: row.head,
            epoch: None,
            at: now,
            drafts,
            project: Projection::of(session, &row.frozen, &state, now),
            lease: LeaseChange::Keep,
            dedupe: key.map(|key| Dedupe {
                key: key.to_owned(),
            }),
        };
        match app.store.append(append).await {
            Ok(events) => {
                app.metrics.appended(events.len());
                return Ok(Carried {
                    first: Some(row.head + 1),
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
    Err(Problem::new(
        Code::Busy,
        "the session is changing too fast; try again",
    ))
}

/// The row after its state became this one.
fn after(row: SessionRow, state: session::State) -> SessionRow {
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
