//! A few threads that read from SQLite, so that no read blocks the runtime and
//! none waits for a write.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

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
