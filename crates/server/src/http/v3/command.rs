//! A command from outside, as HTTP answers it.

use session::{Command, Refusal};
use store::{Sabotage, SessionRow, sabotaged};

use crate::app::App;
use crate::http::problem::{Code, Problem, named};
use crate::outside::{self, Carried, NotCarried, To};

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
    let key = key.filter(|_| !sabotaged(Sabotage::DedupeOff));
    let to = To {
        org,
        session,
        key,
        checkpoint: None,
    };
    match outside::carry(app, to, command).await {
        Ok(carried) => Ok(carried),
        Err(NotCarried::Refused(refusal, row)) => refused(app, *row, refusal, key).await,
        Err(NotCarried::Unmade(problem)) => Err(problem),
        Err(NotCarried::Store(error)) => Err(named("session", session)(error)),
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
