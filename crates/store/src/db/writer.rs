//! The connection that writes to SQLite, and what a transaction on it is: one
//! write, or a group of them that share one sync of the disk. Nobody is
//! answered before that sync.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Counters, Health, Tx, sqlite};
use crate::Error;

/// When an operation may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fails {
    /// Only before its first change: there is never anything to undo. Should it
    /// fail later all the same, those that share its transaction fail with it.
    First,
    /// At any time.
    Anywhere,
}

/// A write that waits, from its wish to its answer.
pub(super) trait Job: Send {
    /// When it may fail.
    fn fails(&self) -> Fails;
    /// Does it, in an open transaction. What it left undone if it failed.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Error>;
    /// Tells the one who waits; an error is that of the whole group.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) health: Arc<Health>,
    pub(super) counters: Arc<Counters>,
}

impl Writer {
    /// One write in a transaction of its own, durable when this returns.
    pub(super) fn alone(
        &mut self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.write(1, |writer| {
            sqlite::exec(&writer.conn, "BEGIN IMMEDIATE", &[])?;
            if let Err(error) = run(&mut Tx::Sqlite(&mut writer.conn)) {
                writer.health.take(&error);
                return writer.undo();
            }
            writer.commit()
        })
    }

    /// Many writes in one transaction, durable when this returns; the failure
    /// of one undoes its own work and no other's.
    pub(super) fn group(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Error> {
        if let [one] = group {
            return self.alone(|tx| one.run(tx));
        }
        self.write(group.len() as u64, |writer| {
            sqlite::exec(&writer.conn, "BEGIN IMMEDIATE", &[])?;
            for job in group {
                match job.fails() {
                    Fails::First => writer.trusting(job.as_mut())?,
                    Fails::Anywhere => writer.within(job.as_mut())?,
                }
            }
            writer.commit()
        })
    }

    fn write(
        &mut self,
        writes: u64,
        transaction: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.health.alive()?;
        // After a panic nobody knows what stands: all writing ends.
        let written = std::panic::catch_unwind(AssertUnwindSafe(|| transaction(self)))
            .unwrap_or_else(|_| Err(Error::Fatal("the writer panicked".to_owned())));
        match &written {
            Ok(()) => self.counters.wrote(writes),
            Err(error) => {
                self.health.take(error);
                // Only the answer matters now; a failed rollback shows at the
                // next begin.
                let _ = self.undo();
            }
        }
        written
    }

    fn commit(&self) -> Result<(), Error> {
        sqlite::exec(&self.conn, "COMMIT", &[])?;
        self.health.well();
        Ok(())
    }

    fn within(&mut self, job: &mut dyn Job) -> Result<(), Error> {
        sqlite::exec(&self.conn, "SAVEPOINT one", &[])?;
        if let Err(error) = job.run(&mut Tx::Sqlite(&mut self.conn)) {
            if self.conn.is_autocommit() {
                // A full disk or worse: SQLite has undone the whole group.
                return Err(error);
            }
            self.health.take(&error);
            sqlite::exec(&self.conn, "ROLLBACK TO one", &[])?;
        }
        sqlite::exec(&self.conn, "RELEASE one", &[]).map(drop)
    }

    /// Runs one that leaves nothing to undo: a savepoint would copy each page it
    /// touches.
    fn trusting(&mut self, job: &mut dyn Job) -> Result<(), Error> {
        let before = self.conn.total_changes();
        let Err(error) = job.run(&mut Tx::Sqlite(&mut self.conn)) else {
            return Ok(());
        };
        if self.conn.is_autocommit() {
            return Err(error);
        }
        if self.conn.total_changes() == before {
            self.health.take(&error);
            return Ok(());
        }
        match error {
            Error::Full | Error::Fatal(_) | Error::Unavailable(_) => Err(error),
            error => {
                tracing::error!(%error, "a write failed after its first change");
                Err(Error::Unavailable(
                    "a write beside this one failed".to_owned(),
                ))
            }
        }
    }

    /// Rolls back what is open; SQLite does so by itself after some errors.
    fn undo(&self) -> Result<(), Error> {
        if self.conn.is_autocommit() {
            return Ok(());
        }
        sqlite::exec(&self.conn, "ROLLBACK", &[]).map(drop)
    }
}

/// An operation, what it came to, and a hook for the moment that is durable.
pub(super) struct Op<T, F, D> {
    op: Option<F>,
    done: D,
    out: Option<Result<T, Error>>,
}

impl<T, F, D> Op<T, F, D>
where
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, Error>>,
    D: FnOnce(&T),
{
    pub(super) fn new(op: F, done: D) -> Self {
        Self {
            op: Some(op),
            done,
            out: None,
        }
    }

    pub(super) fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let Some(op) = self.op.take() else {
            return Ok(());
        };
        // On SQLite an operation never waits, so one look finds it finished. A
        // defect in one operation must not take the others' writer away.
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| op(tx).now_or_never()));
        let out = match polled {
            Ok(Some(out)) => out,
            Ok(None) => Err(Error::Database(
                "an operation waited for something else".to_owned(),
            )),
            Err(_) => Err(Error::Database("an operation panicked".to_owned())),
        };
        let failed = out.as_ref().err().cloned();
        self.out = Some(out);
        failed.map_or(Ok(()), Err)
    }

    /// What it came to, once its transaction has ended so.
    pub(super) fn end(self, committed: Result<(), Error>) -> Result<T, Error> {
        committed?;
        let out = self
            .out
            .unwrap_or_else(|| Err(Error::Database("an operation was not run".to_owned())))?;
        (self.done)(&out);
        Ok(out)
    }
}

/// A job made of an operation and the place where its caller waits.
pub(super) struct Work<T, F, D> {
    pub(super) fails: Fails,
    pub(super) op: Op<T, F, D>,
    pub(super) to: oneshot::Sender<Result<T, Error>>,
}

impl<T, F, D> Job for Work<T, F, D>
where
    T: Send,
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, Error>> + Send,
    D: FnOnce(&T) + Send,
{
    fn fails(&self) -> Fails {
        self.fails
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        self.op.run(tx)
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        // Whoever asked may be gone; the write stands all the same.
        let _ = self.to.send(self.op.end(committed));
    }
}
