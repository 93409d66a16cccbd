//! Facts as rows, and back.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use session::event::Content;
use session::{Draft, Event, Level, Millis, id};

use crate::content::{Placed, json};
use crate::db::{Row, Tx, Value, storable, values};
use crate::{Error, Logged};

pub(crate) const INSERT: &str = "INSERT INTO events \
    (session, seq, at, turn, type, level, actor, body, refs, private, content) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// The columns of [`read`], for readers that may not see the private part.
pub(crate) const PUBLIC: &str =
    "session, seq, at, turn, type, level, actor, body, refs, CAST(NULL AS TEXT), content";
/// The columns of [`read`], for the fold.
pub(crate) const WHOLE: &str =
    "session, seq, at, turn, type, level, actor, body, refs, private, content";

/// Facts as they will stand in the log if it ends where it should, rendered
/// before anyone has to wait for them.
pub(crate) struct Facts {
    rows: Vec<Vec<Value>>,
    pub(crate) events: Vec<Arc<Logged>>,
}

impl Facts {
    /// As the numbers after `head`.
    pub(crate) fn new(
        session: &str,
        head: u64,
        at: Millis,
        placed: Vec<Placed>,
    ) -> Result<Self, Error> {
        let (mut rows, mut events) = (Vec::new(), Vec::new());
        for (seq, placed) in (head + 1..).zip(placed) {
            let (row, event) = fact(session, seq, at, placed);
            storable(&row)?;
            rows.push(row);
            events.push(event);
        }
        Ok(Self { rows, events })
    }

    pub(crate) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Takes in those that follow.
    pub(crate) fn extend(&mut self, more: Self) {
        self.rows.extend(more.rows);
        self.events.extend(more.events);
    }

    pub(crate) async fn write(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        tx.exec_each(INSERT, &self.rows).await.map(drop)
    }
}

fn fact(session: &str, seq: u64, at: Millis, placed: Placed) -> (Vec<Value>, Arc<Logged>) {
    let Placed {
        draft,
        content,
        body,
    } = placed;
    let row = values![
        session,
        seq,
        at,
        draft.turn.as_ref(),
        &draft.kind,
        rank(draft.level),
        json(&draft.actor),
        body,
        json(&draft.refs),
        draft.private.as_ref(),
        content.as_ref().map(json),
    ];
    let mut event = draft.at(session, seq, at);
    event.content = content;
    (row.into(), Arc::new(Logged::new(event)))
}

/// The number a level is stored as: a reader sees all up to its own.
pub(crate) fn rank(level: Level) -> i64 {
    match level {
        Level::User => 0,
        Level::Progress => 1,
        Level::Internal => 2,
    }
}

pub(crate) fn level(rank: i64) -> Result<Level, Error> {
    let named = usize::try_from(rank).ok().and_then(|at| Level::ALL.get(at));
    named.copied().ok_or_else(|| Error::Corrupt {
        what: "event",
        why: format!("level {rank}"),
    })
}

/// An event from its columns, as it stands in the log of `session`: its own, or
/// that of a fork of where it was written. The id tells where that was.
pub(crate) fn read(session: &str, mut row: Row) -> Result<Event, Error> {
    let source = row.text()?;
    let seq = row.count()?;
    let at = row.millis()?;
    let draft = Draft {
        turn: row.opt_text()?,
        kind: row.text()?,
        level: level(row.int()?)?,
        actor: parse(&row.text()?)?,
        body: parse(&row.text()?)?,
        refs: parse(&row.text()?)?,
        private: row.opt_text()?,
        attached: None,
    };
    let content: Option<Content> = row.opt_text()?.map(|text| parse(&text)).transpose()?;
    Ok(Event {
        id: id::event(&source, seq),
        session: session.to_owned(),
        seq,
        at,
        draft,
        content,
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt {
        what: "event",
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn stored_levels_are_frozen() {
        for (rank_wanted, at) in [(0, Level::User), (1, Level::Progress), (2, Level::Internal)] {
            assert_eq!(rank(at), rank_wanted);
            assert_eq!(level(rank_wanted).unwrap(), at);
        }
        assert!(level(3).is_err() && level(-1).is_err());
    }
}
