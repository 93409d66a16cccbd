//! The way of SQLite's write-ahead log back into the database file. By itself
//! SQLite goes it inside a commit, whose caller waits for that; here a thread
//! goes it beside the commits. Where writes do not pause, what came meanwhile is
//! left over: the next commit goes that last bit, and the log begins anew.
//!
//! So the log stays a few megabytes long, and commits mostly write over what is
//! there: for a file that grows, the disk is asked for its new length besides.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{Health, sqlite};
use crate::Error;

/// Pages of the log after which the thread goes, and after which it goes again.
const LONG: i32 = 1000;
/// Pages of the log at which a commit goes all of the way: 32 MiB.
const TOO_LONG: i32 = 8 * LONG;
/// Pages left over that a commit goes in passing.
const LITTLE: i64 = 250;

/// Takes the log's way off the commits of this connection. The thread ends when
/// the connection is closed.
pub(super) fn beside(
    conn: &mut Connection,
    path: &Path,
    health: Arc<Health>,
) -> Result<JoinHandle<()>, Error> {
    let own = sqlite::open_writer(path)?;
    let (to, asked) = sync_channel(1);
    let mut ask = asks(to);
    let rest = Arc::new(AtomicBool::new(false));
    let left = rest.clone();
    let hook = move |log: &mut rusqlite::hooks::Wal, pages| {
        if ask(pages) || left.swap(false, Ordering::Relaxed) {
            // The commit stands, whatever becomes of this; the next one sees.
            let _ = log.checkpoint();
        }
        Ok(())
    };
    conn.wal_hook(Some(hook))
        .map_err(|error| sqlite::classify(&error))?;
    std::thread::Builder::new()
        .name("oc-log".to_owned())
        .spawn(move || go(&own, &asked, &rest, &health))
        .map_err(|error| Error::Unavailable(error.to_string()))
}

/// Told the length of the log, asks the thread to go when it has grown enough;
/// whether the commit must help.
fn asks(to: SyncSender<()>) -> impl FnMut(i32) -> bool {
    let mut next = LONG;
    move |pages| {
        if pages < next - LONG {
            // It began anew.
            next = LONG;
        }
        if pages >= next {
            next = pages + LONG;
            // Asked already is asked enough.
            let _ = to.try_send(());
        }
        pages >= TOO_LONG
    }
}

fn go(conn: &Connection, asked: &Receiver<()>, rest: &AtomicBool, health: &Health) {
    while asked.recv().is_ok() {
        match way(conn) {
            Ok(left) => rest.store((1..=LITTLE).contains(&left), Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log stays where it is for now");
                if matches!(error, Error::Fatal(_)) {
                    health.take(&error);
                }
            }
        }
    }
}

/// Goes as far as nobody has to wait; how many pages are left.
fn way(conn: &Connection) -> Result<i64, Error> {
    let rows = sqlite::rows(conn, "PRAGMA wal_checkpoint(PASSIVE)", &[])?;
    let Some(mut row) = rows.into_iter().next() else {
        return Ok(0);
    };
    let (_busy, pages, gone) = (row.int()?, row.int()?, row.int()?);
    Ok(pages - gone)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Bytes of the log's file.
    fn length(path: &Path) -> u64 {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        std::fs::metadata(log).map_or(0, |log| log.len())
    }

    #[test]
    fn the_thread_is_asked_once_for_each_length_and_a_commit_helps_at_the_end() {
        let (to, asked) = sync_channel(1);
        let mut ask = asks(to);
        let mut when = Vec::new();
        for pages in (5..=TOO_LONG).step_by(5).chain((5..=LONG).step_by(5)) {
            let helps = ask(pages);
            assert_eq!(helps, pages == TOO_LONG);
            if asked.try_recv().is_ok() {
                when.push(pages);
            }
        }
        let mut want: Vec<_> = (1..=8).map(|n| n * LONG).collect();
        want.push(LONG);
        assert_eq!(when, want);
    }

    #[test]
    fn what_the_way_leaves_over_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oc.db");
        let conn = sqlite::open_writer(&path).unwrap();
        conn.execute_batch("CREATE TABLE t (n BIGINT)").unwrap();
        let reader = sqlite::open_reader(&path).unwrap();
        reader
            .execute_batch("BEGIN; SELECT * FROM sqlite_master")
            .unwrap();
        conn.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        let left = way(&sqlite::open_writer(&path).unwrap()).unwrap();
        assert!((1..=LITTLE).contains(&left), "{left}");
        reader.execute_batch("COMMIT").unwrap();
        assert_eq!(way(&conn).unwrap(), 0);
    }

    #[test]
    fn the_log_finds_its_way_and_the_thread_ends_with_the_connection() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oc.db");
        let mut conn = sqlite::open_writer(&path).unwrap();
        let thread = beside(&mut conn, &path, Arc::default()).unwrap();
        conn.execute_batch("CREATE TABLE t (b BYTEA)").unwrap();
        let empty = path.metadata().unwrap().len();
        // Ten thousand pages, more than the log may ever hold at once.
        for _ in 0..40 {
            conn.execute("INSERT INTO t VALUES (zeroblob(1000000))", [])
                .unwrap();
        }
        assert!(path.metadata().unwrap().len() > empty);
        let log = length(&path);
        assert!(log < 2 * 4096 * u64::try_from(TOO_LONG).unwrap(), "{log}");
        drop(conn);
        thread.join().unwrap();
        assert!(!path.with_extension("db-wal").exists());
    }
}
