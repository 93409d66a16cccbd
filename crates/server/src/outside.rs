//! A command that comes from outside a session's run, carried to its log: read
//! the state, let the rules decide, append under the head that was read. Whoever
//! else was faster makes this look again; whoever runs the session is not
//! disturbed.
//!
//! It may not know who wishes: HTTP renders its answers, the keeper of files and
//! the gate have theirs.

use std::time::{Duration, Instant};

use session::{Command, Decided, Millis, Refusal, State, decide};
use store::{Append, Checkpoint, Dedupe, Error, LeaseChange, Projection, SessionRow};

use crate::app::App;
use crate::clock;

/// How long to look again before giving up: each round somebody gets through, so
/// this is for sessions that very many write to at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose log, and what goes with the facts.
#[derive(Debug, Clone, Default)]
pub struct To<'a> {
    /// The org the session belongs to.
    pub org: &'a str,
    /// The session.
    pub session: &'a str,
    /// The key under which the command is carried once.
    pub key: Option<&'a str>,
    /// The row of a checkpoint that the facts tell of.
    pub checkpoint: Option<Checkpoint>,
}

/// What became of a command.
#[derive(Debug)]
pub struct Carried {
    /// The session as it is now.
    pub row: SessionRow,
    /// Number of the first fact it led to; `None` if there was nothing to do.
    pub first: Option<u64>,
    /// Whether the fact is of an earlier command with the same key.
    pub replay: bool,
}

/// Why a command was not carried.
#[derive(Debug)]
pub enum NotCarried<E> {
    /// The rules do not allow it in this state.
    Refused(Refusal, Box<SessionRow>),
    /// The log cannot be read or written, or others were always faster.
    Store(Error),
    /// The command could not be made.
    Unmade(E),
}

/// Carries a command, which is made anew for each look at the session.
///
/// # Errors
/// See [`NotCarried`]; nothing was written then.
pub async fn carry<E>(
    app: &App,
    to: To<'_>,
    command: impl Fn(&SessionRow) -> Result<Command, E>,
) -> Result<Carried, NotCarried<E>> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let row = app.store.session(to.org, to.session).await;
        let row = row.map_err(NotCarried::Store)?;
        let now = clock::now();
        let command = command(&row).map_err(NotCarried::Unmade)?;
        let decided = match decide(to.session, &row.frozen, &row.state, command, now) {
            Ok(decided) => decided,
            Err(refusal) => return Err(NotCarried::Refused(refusal, Box::new(row))),
        };
        let first = (!decided.drafts.is_empty()).then_some(row.head + 1);
        if first.is_none() {
            return Ok(carried(row, None, false));
        }
        match append(app, &row, decided, now, &to).await {
            Ok(state) => return Ok(carried(in_state(row, state), first, false)),
            Err(Error::Replayed { seq }) => return Ok(carried(row, Some(seq), true)),
            Err(Error::Stale { .. }) => {}
            Err(error) => return Err(NotCarried::Store(error)),
        }
    }
    Err(NotCarried::Store(Error::Stale { head: 0 }))
}

fn carried(row: SessionRow, first: Option<u64>, replay: bool) -> Carried {
    Carried { row, first, replay }
}

/// Appends what was decided, if the log still ends where it was read; returns the
/// state after it.
async fn append(
    app: &App,
    row: &SessionRow,
    decided: Decided,
    at: Millis,
    to: &To<'_>,
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
        dedupe: to.key.map(|key| Dedupe {
            key: key.to_owned(),
        }),
        settle: None,
        checkpoint: to.checkpoint.clone(),
    };
    let events = app.store.append(append).await?;
    app.metrics.appended(events.len());
    Ok(state)
}

/// The row as it is with that state.
#[must_use]
pub fn in_state(row: SessionRow, state: State) -> SessionRow {
    SessionRow {
        status: state.phase().name().to_owned(),
        head: state.head,
        input_cursor: state.input_cursor,
        state,
        ..row
    }
}
