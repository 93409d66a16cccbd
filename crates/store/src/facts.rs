//! Facts as rows, and back.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use session::event::Content;
use session::{Draft, Event, Level, Millis, id};

use crate::content::{Placed, json};
use crate::db::{Row, Tx, Value, values};
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

/// Facts ready to be written once their numbers are known.
pub(crate) struct Facts {
    pub(crate) session: String,
    pub(crate) at: Millis,
    pub(crate) placed: Vec<Placed>,
}

impl Facts {
    /// Writes them as the numbers after `head`, and returns them as written.
    pub(crate) async fn write(self, tx: &mut Tx<'_>, head: u64) -> Result<Vec<Arc<Logged>>, Error> {
        let numbered = || (head + 1..).zip(&self.placed);
        let rows: Vec<_> = numbered()
            .map(|(seq, placed)| row(&self.session, seq, self.at, placed))
            .collect();
        tx.exec_each(INSERT, &rows).await?;
        let written = (head + 1..).zip(self.placed).map(|(seq, placed)| {
            let mut event = placed.draft.at(&self.session, seq, self.at);
            event.content = placed.content;
            Arc::new(Logged::new(event))
        });
        Ok(written.collect())
    }
}

fn row(session: &str, seq: u64, at: Millis, placed: &Placed) -> Vec<Value> {
    let Placed {
        draft,
        content,
        body,
    } = placed;
    values![
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
    ]
    .into()
}

/// The number a level is stored as: a reader sees all up to its own.
pub(crate) fn rank(level: Level) -> i64 {
    match level {
        Level::User => 0,
        Level::Progress => 1,
        Level::Internal => 2,
    }
}

fn level(rank: i64) -> Result<Level, Error> {
    let named = usize::try_from(rank).ok().and_then(|at| Level::ALL.get(at));
    named.copied().ok_or_else(|| Error::Corrupt {
        what: "event",
        why: format!("level {rank}"),
    })
}

/// An event from its columns.
pub(crate) fn read(mut row: Row) -> Result<Event, Error> {
    let session = row.text()?;
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
        id: id::event(&session, seq),
        session,
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
