//! Turns, as the log tells them: each is the event that began it and the one
//! that ended it.

use std::sync::Arc;

use session::id;

use crate::db::values;
use crate::events::logged;
use crate::lineage::Span;
use crate::{Error, Logged, Store};

/// A turn of a session.
#[derive(Debug, Clone)]
pub struct Turn {
    /// From 1.
    pub number: u32,
    /// `turn.started`.
    pub started: Arc<Logged>,
    /// `turn.completed`, once it has come to rest.
    pub completed: Option<Arc<Logged>>,
}

// The condition repeats the words of the index `events_turns`, or it would not
// be used.
const STARTED: &str = "SELECT session, seq, at, turn, type, level, actor, body, refs, CAST(NULL AS TEXT), content \
    FROM events WHERE session = $1 AND seq >= $2 AND seq <= $3 AND type IN ('turn.started', 'turn.completed') \
    ORDER BY seq DESC LIMIT $4";
const OF_TURN: &str = "SELECT session, seq, at, turn, type, level, actor, body, refs, CAST(NULL AS TEXT), content \
    FROM events WHERE session = $1 AND turn = $2 AND type IN ('turn.started', 'turn.completed') AND seq >= $3 AND seq <= $4 ORDER BY seq";

impl Store {
    /// The newest turns below number `before` (all if `None`), newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn turns(
        &self,
        org: &str,
        session: &str,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Turn>, Error> {
        let spans = self.reach(org, session).await?;
        let below = match before {
            None => u64::MAX,
            Some(number) => match self.turn_of(session, &spans, number).await? {
                Some(turn) => turn.started.event.seq,
                None => return Ok(Vec::new()),
            },
        };
        // A turn that began below ended below, too: turns follow one another.
        let ends = limit.saturating_mul(2);
        let mut events = Vec::new();
        for span in spans.iter().rev() {
            let (to, left) = (span.to.min(below - 1), (ends - events.len()) as u64);
            let values = values![&span.source, span.from, to, left];
            events.extend(logged(session, self.db().rows(STARTED, values).await?)?);
        }
        let mut turns = Vec::new();
        let mut completed = None;
        for event in events {
            if event.event.draft.kind == "turn.completed" {
                completed = Some(event);
            } else {
                turns.push(turn(event, completed.take())?);
            }
        }
        turns.truncate(limit);
        Ok(turns)
    }

    /// One turn.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session or it no such turn.
    pub async fn turn(&self, org: &str, session: &str, number: u32) -> Result<Turn, Error> {
        let spans = self.reach(org, session).await?;
        let turn = self.turn_of(session, &spans, number).await?;
        turn.ok_or(Error::NotFound)
    }

    /// The turn of that id. A fork knows its ancestors' turns, as far as it has
    /// them, by the ids they were given there.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session or it no such turn.
    pub async fn turn_named(&self, org: &str, session: &str, id: &str) -> Result<Turn, Error> {
        let spans = self.reach(org, session).await?;
        let number = |span: &Span| id::turn_number(&span.source, id);
        let number = spans.iter().find_map(number).ok_or(Error::NotFound)?;
        let turn = self.turn_of(session, &spans, number).await?;
        turn.filter(|turn| turn.started.event.draft.turn.as_deref() == Some(id))
            .ok_or(Error::NotFound)
    }

    /// A turn by its number. One that was open where the session was forked has
    /// its beginning in one span and its end in another.
    async fn turn_of(
        &self,
        session: &str,
        spans: &[Span],
        number: u32,
    ) -> Result<Option<Turn>, Error> {
        let mut events = Vec::new();
        for span in spans {
            let turn = id::turn(&span.source, number);
            let values = values![&span.source, turn, span.from, span.to];
            events.extend(logged(session, self.db().few(OF_TURN, values).await?)?);
        }
        let mut events = events.into_iter();
        let started = events.next();
        started
            .map(|started| turn(started, events.next()))
            .transpose()
    }
}

fn turn(started: Arc<Logged>, completed: Option<Arc<Logged>>) -> Result<Turn, Error> {
    let event = &started.event;
    let number = event
        .draft
        .turn
        .as_deref()
        .and_then(|turn| turn.rsplit_once('_')?.1.parse().ok());
    let number = number.ok_or_else(|| Error::Corrupt {
        what: "turn",
        why: format!("{} names none", event.id),
    })?;
    Ok(Turn {
        number,
        started,
        completed,
    })
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [STARTED, OF_TURN].map(str::to_owned).into()
}
