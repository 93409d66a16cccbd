//! The one way facts come into the log.

use std::sync::Arc;

use futures::FutureExt;
use session::{Draft, Millis, Phase};

use crate::db::{Fails, Tx, Value, values};
use crate::facts::Facts;
use crate::{Amount, Checkpoint, Error, Logged, Projection, Store, Wake, hearing, outbox, reserve};

/// Facts to append, and what follows from them.
#[derive(Debug)]
pub struct Append<'a> {
    /// The session.
    pub session: &'a str,
    /// The number the log must still end with.
    pub head: u64,
    /// The lease's epoch, for the driver; `None` for a command from outside.
    pub epoch: Option<u64>,
    /// When.
    pub at: Millis,
    /// The facts, in order; at least one.
    pub drafts: Vec<Draft>,
    /// What follows from them.
    pub project: Projection,
    /// What becomes of the lease.
    pub lease: LeaseChange,
    /// Marks the first fact as said under a key, so that it is said once.
    pub dedupe: Option<Dedupe>,
    /// Ends the session's reservation, if it has one: this much was used.
    pub settle: Option<Amount>,
    /// A checkpoint that these facts tell of.
    pub checkpoint: Option<Checkpoint>,
}

/// What an append came to.
struct Appended {
    events: Vec<Arc<Logged>>,
    wake: Wake,
    /// Whether a destination is to be told.
    queued: bool,
}

/// What an append does with the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseChange {
    /// Nothing.
    Keep,
    /// Gives it back.
    Release,
}

/// The key of a message within its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe {
    /// As the sender gave it.
    pub key: String,
}

/// What is decided about the row beside the facts.
struct Change {
    session: String,
    head: u64,
    epoch: Option<u64>,
    at: Millis,
    project: Projection,
    release: bool,
    dedupe: Option<String>,
    settle: Option<Amount>,
    checkpoint: Option<Checkpoint>,
    mark: u64,
}

/// The usual case of [`GROW`], in the middle of a turn of a session without
/// destinations: whoever drives it goes on, and no index has to follow.
const GROW_ON: &str = "UPDATE sessions SET head = $1, input_cursor = $2, state = $3 \
    WHERE id = $4 AND head = $5 AND status = $6 AND due <= $7 AND node IS NOT NULL AND outbox = 0 \
    AND (CAST($8 AS BIGINT) IS NULL OR epoch = $8)";
const GROW: &str = "UPDATE sessions SET head = $1, input_cursor = $2, status = $3, \
    due = CASE WHEN $4 = 0 AND due < $5 THEN due ELSE $5 END, state = $6, \
    node = CASE WHEN $7 = 1 THEN NULL ELSE node END, placed = CASE WHEN $8 = 1 THEN 0 ELSE placed END \
    WHERE id = $9 AND head = $10 AND (CAST($11 AS BIGINT) IS NULL OR epoch = $11) RETURNING node, outbox";
const WHERE_IS_IT: &str = "SELECT head, epoch FROM sessions WHERE id = $1";
const SAID_BEFORE: &str = "SELECT seq FROM message_keys WHERE session = $1 AND key = $2";
const SAID_NOW: &str = "INSERT INTO message_keys (session, key, seq) VALUES ($1, $2, $3)";
const SAID: &str = "SELECT m.seq FROM message_keys m JOIN sessions s ON s.id = m.session \
    WHERE s.org = $1 AND m.session = $2 AND m.key = $3";

impl Store {
    /// Appends facts in one durable transaction. Large bodies go to the blob
    /// store first; the returned events are as stored.
    ///
    /// # Errors
    /// [`Error::Replayed`] if the dedupe key was used before, [`Error::Stale`]
    /// if the log ends elsewhere, [`Error::Fenced`] if the epoch is another,
    /// [`Error::NotFound`]; [`Error::Full`], [`Error::Unavailable`] and
    /// [`Error::Fatal`] as every write.
    pub async fn append(&self, append: Append<'_>) -> Result<Vec<Arc<Logged>>, Error> {
        self.passed("append.begun");
        let session = append.session.to_owned();
        let placed = self.place(append.session, append.drafts).await?;
        let facts = Facts::new(append.session, append.head, append.at, placed)?;
        let change = Change {
            session: session.clone(),
            head: append.head,
            epoch: append.epoch,
            at: append.at,
            project: append.project,
            release: append.lease == LeaseChange::Release,
            dedupe: append.dedupe.map(|dedupe| dedupe.key),
            settle: append.settle,
            checkpoint: append.checkpoint,
            mark: self.mark(),
        };
        let told = self.clone();
        // The driver knows what it wrote itself.
        let known = append.epoch.is_some();
        let done = move |appended: &Appended| {
            told.passed("append.durable");
            told.tell(&appended.events, &appended.wake, known);
            if appended.queued {
                told.outbox().notify_one();
            }
        };
        let appended = self
            .db()
            .write_as(change.fails(), |tx| change.append(tx, facts).boxed(), done)
            .await;
        if matches!(appended, Err(Error::Unavailable(_))) {
            // It may be there all the same.
            self.hub().look(&session);
        }
        appended.map(|appended| appended.events)
    }

    /// Tells everyone here of facts that just became durable; whoever drives
    /// the session may know them already.
    pub(crate) fn tell(&self, events: &[Arc<Logged>], wake: &Wake, known: bool) {
        self.count_events(events.len());
        self.hub().tell(&wake.session, events);
        if wake.due || !known {
            self.wake(wake.clone());
        }
    }

    /// The number of the fact that a message of that key became.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn message_by_key(
        &self,
        org: &str,
        session: &str,
        key: &str,
    ) -> Result<Option<u64>, Error> {
        let found = self.db().row(SAID, values![org, session, key]).await?;
        found.map(|mut row| row.count()).transpose()
    }
}

impl Change {
    async fn append(self, tx: &mut Tx<'_>, facts: Facts) -> Result<Appended, Error> {
        if let Some(key) = &self.dedupe
            && let Some(mut row) = tx.row(SAID_BEFORE, &values![&self.session, key]).await?
        {
            return Err(Error::Replayed { seq: row.count()? });
        }
        let head = self.head + facts.len();
        let (leased, listened) = self.grow(tx, head).await?;
        facts.write(tx).await?;
        let queued = listened && outbox::put(tx, &self.session, &facts.events, self.at).await?;
        if let Some(key) = &self.dedupe {
            tx.exec(SAID_NOW, &values![&self.session, key, self.head + 1])
                .await?;
        }
        self.beside(tx).await?;
        let due = self.project.due.is_some() && !leased;
        let wake = Wake {
            session: self.session,
            head,
            due,
        };
        hearing::say(tx, self.mark, &wake).await?;
        Ok(Appended {
            events: facts.events,
            wake,
            queued,
        })
    }

    /// What goes with some appends only; a plain one has nothing of it.
    async fn beside(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        if let Some(tally) = &self.project.tally {
            tally.write(tx, &self.session).await?;
        }
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint.write(tx).await?;
        }
        if let Some(used) = self.settle {
            reserve::settle(tx, &self.session, used).await?;
        }
        Ok(())
    }

    /// When it may fail: a plain append either is refused or stands.
    fn fails(&self) -> Fails {
        let beside = self.project.tally.is_some() || self.checkpoint.is_some();
        if beside || self.settle.is_some() {
            Fails::Anywhere
        } else {
            Fails::First
        }
    }

    /// Changes the session's row; whether a node holds its lease now, and whether it
    /// has destinations.
    async fn grow(&self, tx: &mut Tx<'_>, head: u64) -> Result<(bool, bool), Error> {
        // PostgreSQL sees by itself which indexes have to follow.
        if !tx.is_shared() && !self.afresh() && tx.exec(GROW_ON, &self.grown_on(head)).await? == 1 {
            return Ok((true, false));
        }
        match tx.row(GROW, &self.grown(head)).await? {
            Some(mut grown) => Ok((grown.opt_text()?.is_some(), grown.yes()?)),
            None => Err(self.refused(tx).await?),
        }
    }

    /// Whether its place in the line is another: that is the one of the first
    /// input that waits.
    fn afresh(&self) -> bool {
        self.release || self.project.due.is_none_or(|due| due > self.at)
    }

    fn grown_on(&self, head: u64) -> [Value; 8] {
        let project = &self.project;
        values![
            head,
            project.input_cursor,
            &project.state,
            &self.session,
            self.head,
            &project.status,
            project.due,
            self.epoch
        ]
    }

    fn grown(&self, head: u64) -> [Value; 11] {
        let Projection {
            status,
            input_cursor,
            due,
            state,
            ..
        } = &self.project;
        // Its place among the running ones ends with the turn.
        let leaves = due.is_none() || (self.release && status == Phase::Queued.name());
        values![
            head,
            *input_cursor,
            status,
            self.afresh(),
            *due,
            state,
            self.release,
            leaves,
            &self.session,
            self.head,
            self.epoch
        ]
    }

    /// Why the row did not take the change.
    async fn refused(&self, tx: &mut Tx<'_>) -> Result<Error, Error> {
        let Some(mut row) = tx.row(WHERE_IS_IT, &values![&self.session]).await? else {
            // For a driver, a session that was erased is one it lost.
            return Ok(self.epoch.map_or(Error::NotFound, |_| Error::Fenced));
        };
        let (head, epoch) = (row.count()?, row.count()?);
        Ok(if self.epoch.is_some_and(|mine| mine != epoch) {
            Error::Fenced
        } else {
            Error::Stale { head }
        })
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [GROW_ON, GROW, WHERE_IS_IT, SAID_BEFORE, SAID]
        .map(str::to_owned)
        .into()
}
