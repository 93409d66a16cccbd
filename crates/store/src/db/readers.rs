//! Reading from SQLite, which never waits for a write.
//!
//! What may take long goes to a few threads of its own, so that it holds up
//! nobody else. A look-up by key takes some microseconds, less than waking a
//! thread and being woken by it, and so is done where it is asked for; a page of
//! the file that nobody touched lately makes it wait for the disk once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{Row, Value, sqlite};
use crate::Error;

/// A query, from its wish to its answer.
pub(super) struct Query {
    pub(super) sql: std::borrow::Cow<'static, str>,
    pub(super) values: Vec<Value>,
    pub(super) to: oneshot::Sender<Result<Vec<Row>, Error>>,
}

/// Starts a thread for each connection; they end when nobody can ask any more.
pub(super) fn start(
    conns: Vec<Connection>,
    queue: mpsc::Receiver<Query>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let queue = Arc::new(Mutex::new(queue));
    let start = |conn| {
        let queue = queue.clone();
        std::thread::Builder::new()
            .name("oc-read".to_owned())
            .spawn(move || read(&conn, &queue))
    };
    conns.into_iter().map(start).collect()
}

fn read(conn: &Connection, queue: &Mutex<mpsc::Receiver<Query>>) {
    loop {
        // Whoever holds the lock waits for the next query; the others wait for
        // the lock. A query is answered without it.
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        let Some(query) = next else { return };
        if !query.to.is_closed() {
            let _ = query.to.send(sqlite::rows(conn, &query.sql, &query.values));
        }
    }
}

/// Connections for looking up on the caller's own thread; each is used by one
/// caller at a time.
#[derive(Default)]
pub(super) struct Near(Mutex<Vec<Connection>>);

impl Near {
    pub(super) fn open(&self, conns: Vec<Connection>) -> Result<(), Error> {
        for conn in &conns {
            // Who would have to wait for another process goes to a thread.
            conn.busy_timeout(Duration::ZERO)
                .map_err(|error| sqlite::classify(&error))?;
        }
        *self.conns() = conns;
        Ok(())
    }

    /// Runs a query here and now; `None` if it must go to a thread.
    pub(super) fn rows(&self, sql: &str, values: &[Value]) -> Option<Result<Vec<Row>, Error>> {
        let conn = self.conns().pop()?;
        let rows = sqlite::rows(&conn, sql, values);
        self.conns().push(conn);
        match rows {
            Err(Error::Unavailable(_)) => None,
            rows => Some(rows),
        }
    }

    pub(super) fn close(&self) {
        self.conns().clear();
    }

    fn conns(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
