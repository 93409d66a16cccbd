//! The one thread that writes to SQLite.
//!
//! It takes what waits, runs it in one transaction, and makes that durable with
//! one sync of the disk; only then is anyone answered. A group is whatever came
//! while the disk was busy with the one before: nobody waits for a fuller one.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{Counters, Health, Tx, sqlite};
use crate::Error;

/// Most writes that share one transaction.
const GROUP: usize = 256;

/// A write, from its wish to its answer.
pub(super) trait Job: Send {
    /// Does it, in an open transaction. What it left undone if it failed.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Error>;
    /// Tells the one who waits; an error is that of the whole group.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) jobs: mpsc::Receiver<Box<dyn Job>>,
    pub(super) health: Arc<Health>,
    pub(super) counters: Arc<Counters>,
}

impl Writer {
    /// Works until nobody can send any more. Should it end in any other way,
    /// there is no writer, and the process must know.
    pub(super) fn run_to_the_end(mut self) {
        if std::panic::catch_unwind(AssertUnwindSafe(|| self.run())).is_err() {
            self.health
                .take(&Error::Fatal("the writer panicked".to_owned()));
        }
    }

    fn run(&mut self) {
        let mut group = Vec::new();
        while let Some(first) = self.jobs.blocking_recv() {
            group.push(first);
            while group.len() < GROUP
                && let Ok(next) = self.jobs.try_recv()
            {
                group.push(next);
            }
            let committed = self.write(&mut group);
            for job in group.drain(..) {
                job.answer(committed.clone());
            }
        }
    }

    fn write(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Error> {
        self.health.alive()?;
        let written = self.transaction(group);
        match &written {
            Ok(()) => {
                self.counters.wrote(group.len() as u64);
            }
            Err(error) => {
                self.health.take(error);
                // Only the answer matters now; a failed rollback shows at the
                // next begin.
                let _ = self.undo();
            }
        }
        written
    }

    fn transaction(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Error> {
        sqlite::exec(&self.conn, "BEGIN IMMEDIATE", &[])?;
        if let [alone] = group {
            if let Err(error) = alone.run(&mut Tx::Sqlite(&mut self.conn)) {
                self.health.take(&error);
                return self.undo();
            }
        } else {
            for job in group {
                self.within(job.as_mut())?;
            }
        }
        sqlite::exec(&self.conn, "COMMIT", &[])?;
        self.health.well();
        Ok(())
    }

    /// Runs one of many, so that its failure undoes its own work and no other's.
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

    /// Rolls back what is open; SQLite does so by itself after some errors.
    fn undo(&self) -> Result<(), Error> {
        if self.conn.is_autocommit() {
            return Ok(());
        }
        sqlite::exec(&self.conn, "ROLLBACK", &[]).map(drop)
    }
}

/// A job made of an operation, a hook for the moment it is durable, and the
/// place where its caller waits.
pub(super) struct Work<T, F, D> {
    pub(super) op: Option<F>,
    pub(super) done: D,
    pub(super) out: Option<Result<T, Error>>,
    pub(super) to: oneshot::Sender<Result<T, Error>>,
}

impl<T, F, D> Job for Work<T, F, D>
where
    T: Send,
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, Error>> + Send,
    D: FnOnce(&T) + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
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

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let out = match committed {
            Ok(()) => self
                .out
                .unwrap_or_else(|| Err(Error::Database("an operation was not run".to_owned()))),
            Err(error) => Err(error),
        };
        if let Ok(out) = &out {
            (self.done)(out);
        }
        // Whoever asked may be gone; the write stands all the same.
        let _ = self.to.send(out);
    }
}
