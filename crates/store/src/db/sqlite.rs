//! SQLite: how a connection is set up, how a statement runs on it, and what its
//! errors mean.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};

use super::{Row, Value};
use crate::{Error, Sabotage, sabotaged};

/// How long to wait for another process that writes to the same file.
const BUSY: Duration = Duration::from_secs(5);
/// Processes that may start on one file at the same time.
const STARTERS: usize = 100;
/// Statements kept prepared on each connection.
const PREPARED: usize = 256;

/// The one connection that writes.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Error> {
    own_file(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source: Arc::new(source),
    })?;
    let conn = Connection::open(path).map_err(|error| classify(&error))?;
    set_up(&conn)?;
    write_ahead(&conn)
        .and_then(|()| conn.pragma_update(None, "synchronous", durable()))
        .map_err(|error| classify(&error))?;
    Ok(conn)
}

/// A commit is answered when the disk has it.
fn durable() -> &'static str {
    if sabotaged(Sabotage::FsyncOff) {
        "off"
    } else {
        "full"
    }
}

/// Makes a new database a file that only its owner may read; SQLite gives its
/// other files the same mode. Made aside and linked into place: closing a
/// descriptor of the database itself would drop the locks on it.
fn own_file(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let aside = beside(path);
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside);
    let linked = made.and_then(|_| fs::hard_link(&aside, path));
    fs::remove_file(&aside)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension(format!("{:016x}.new", rand::random::<u64>()))
}

/// Turns on the write-ahead log. SQLite does not wait for others here, who may
/// be starting on the same new file; it does wait to begin a transaction.
fn write_ahead(conn: &Connection) -> rusqlite::Result<()> {
    for _ in 0..STARTERS {
        match conn.pragma_update(None, "journal_mode", "wal") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                conn.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
            }
            done => return done,
        }
    }
    conn.pragma_update(None, "journal_mode", "wal")
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|error| classify(&error))?;
    set_up(&conn)?;
    Ok(conn)
}

fn set_up(conn: &Connection) -> Result<(), Error> {
    conn.set_prepared_statement_cache_capacity(PREPARED);
    // Else the plan may depend on the values, and some statements (those with a
    // `LIMIT $1`) would be prepared anew each time.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .and_then(|_| conn.busy_timeout(BUSY))
        .map_err(|error| classify(&error))
}

/// Runs a statement; how many rows it touched.
pub(super) fn exec(conn: &Connection, sql: &str, values: &[Value]) -> Result<u64, Error> {
    let run = || {
        let mut statement = conn.prepare_cached(text(sql))?;
        bind(&mut statement, values)?;
        statement.raw_execute()
    };
    let touched = run().map_err(|error| classify(&error))?;
    Ok(touched as u64)
}

/// Runs a query.
pub(super) fn rows(conn: &Connection, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
    let run = || {
        let mut statement = conn.prepare_cached(text(sql))?;
        bind(&mut statement, values)?;
        let columns = statement.column_count();
        let mut found = statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let cells = (0..columns).map(|at| row.get_ref(at).and_then(cell));
            rows.push(Row::new(cells.collect::<Result<_, _>>()?));
        }
        Ok(rows)
    };
    run().map_err(|error: rusqlite::Error| classify(&error))
}

/// The text for SQLite: one writer needs no row locks, and has no words for them.
pub(super) fn text(sql: &str) -> &str {
    sql.strip_suffix(" FOR UPDATE SKIP LOCKED").unwrap_or(sql)
}

fn bind(statement: &mut rusqlite::Statement<'_>, values: &[Value]) -> rusqlite::Result<()> {
    debug_assert_eq!(statement.parameter_count(), values.len());
    for (at, value) in (1..).zip(values) {
        debug_assert_eq!(
            statement.parameter_name(at),
            Some(format!("${at}").as_str())
        );
        statement.raw_bind_parameter(at, value)?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn cell(value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Int(n),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
        })?),
        ValueRef::Real(_) => {
            return Err(rusqlite::Error::InvalidColumnType(
                0,
                "real".to_owned(),
                rusqlite::types::Type::Real,
            ));
        }
    })
}

/// What an error of SQLite means for a caller. After an input/output error the
/// file may or may not hold what was written: nothing can be promised any more.
pub(super) fn classify(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full,
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Fatal(error.to_string())
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::CannotOpen) => {
            Error::Unavailable(error.to_string())
        }
        _ => Error::Database(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use rusqlite::{StatementStatus, ffi};

    use super::*;

    fn classified(code: i32) -> Error {
        classify(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn an_error_means_what_a_caller_can_do() {
        assert!(matches!(classified(ffi::SQLITE_FULL), Error::Full));
        for fatal in [
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
        ] {
            assert!(matches!(classified(fatal), Error::Fatal(_)), "{fatal}");
        }
        for passing in [ffi::SQLITE_BUSY, ffi::SQLITE_LOCKED, ffi::SQLITE_CANTOPEN] {
            assert!(
                matches!(classified(passing), Error::Unavailable(_)),
                "{passing}"
            );
        }
        assert!(matches!(
            classified(ffi::SQLITE_CONSTRAINT),
            Error::Database(_)
        ));
    }

    #[test]
    fn the_files_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oc.db");
        let conn = open_writer(&path).unwrap();
        conn.execute_batch("CREATE TABLE t (n BIGINT)").unwrap();
        let files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(files.len(), 3, "database, log, index of the log: {files:?}");
        for file in files {
            assert_eq!(
                file.metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{file:?}"
            );
        }
    }

    #[test]
    fn a_statement_is_prepared_once_whatever_its_values() {
        let folder = tempfile::tempdir().unwrap();
        let conn = open_writer(&folder.path().join("oc.db")).unwrap();
        conn.execute_batch("CREATE TABLE t (n BIGINT)").unwrap();
        let sql = "SELECT n FROM t WHERE n > $1 LIMIT $2";
        for limit in 1..4 {
            rows(&conn, sql, &[Value::Int(0), Value::Int(limit)]).unwrap();
        }
        let kept = conn.prepare_cached(sql).unwrap();
        assert_eq!(kept.get_status(StatementStatus::Run), 3);
        assert_eq!(kept.get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn row_locks_are_left_out() {
        assert_eq!(text("SELECT 1 FOR UPDATE SKIP LOCKED"), "SELECT 1");
        assert_eq!(text("SELECT 1"), "SELECT 1");
    }
}
