//! A transaction, the same on both databases.
//!
//! Statements have `$1`, `$2`, … that first appear in that order, so that both
//! databases bind them alike. On SQLite every call is done when it returns.

use deadpool_postgres::Transaction;
use rusqlite::Connection;

use super::{Row, Value, postgres, sqlite};
use crate::Error;

/// The number is ours; any would do.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(7165011)";
const ONE_CLAIM: &str = "SELECT pg_advisory_xact_lock(7165012)";
const ONE_OF_ORG: &str = "SELECT CAST(pg_advisory_xact_lock(7165013, hashtext($1)) AS TEXT)";
const ALONE_IN_ORG: &str =
    "SELECT CASE WHEN pg_try_advisory_xact_lock(7165013, hashtext($1)) THEN 1 ELSE 0 END";

/// An open transaction.
pub(crate) enum Tx<'a> {
    Sqlite(&'a mut Connection),
    Postgres(&'a Transaction<'a>),
}

impl Tx<'_> {
    /// Runs a statement; how many rows it touched.
    pub(crate) async fn exec(&mut self, sql: &str, values: &[Value]) -> Result<u64, Error> {
        storable(values)?;
        match self {
            Self::Sqlite(conn) => sqlite::exec(conn, sql, values),
            Self::Postgres(tx) => postgres::exec(*tx, sql, values).await,
        }
    }

    /// Runs a statement once for each set of values, without waiting in between.
    pub(crate) async fn exec_each(
        &mut self,
        sql: &str,
        sets: &[Vec<Value>],
    ) -> Result<Vec<u64>, Error> {
        for values in sets {
            storable(values)?;
        }
        match self {
            Self::Sqlite(conn) => sets
                .iter()
                .map(|values| sqlite::exec(conn, sql, values))
                .collect(),
            Self::Postgres(tx) => {
                let tx = *tx;
                let each = sets.iter().map(|values| postgres::exec(tx, sql, values));
                futures::future::try_join_all(each).await
            }
        }
    }

    /// Runs a query.
    pub(crate) async fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        storable(values)?;
        match self {
            Self::Sqlite(conn) => sqlite::rows(conn, sql, values),
            Self::Postgres(tx) => postgres::rows(*tx, sql, values).await,
        }
    }

    /// Runs a query that gives at most one row.
    pub(crate) async fn row(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Runs many statements without values.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(conn) => conn
                .execute_batch(sql)
                .map_err(|error| sqlite::classify(&error)),
            Self::Postgres(tx) => tx
                .batch_execute(sql)
                .await
                .map_err(|error| postgres::classify(&error)),
        }
    }

    /// Lets no other node do, until the end of this transaction, what also asks
    /// for this: for rare changes that look first and write then.
    pub(crate) async fn one_at_a_time(&mut self) -> Result<(), Error> {
        match self {
            // There is one writer anyway.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => self.script(ONE_AT_A_TIME).await,
        }
    }

    /// Lets no other node claim until the end of this transaction.
    pub(crate) async fn claims_one_at_a_time(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => self.script(ONE_CLAIM).await,
        }
    }

    /// Lets no other node give away places of an org until the end of this
    /// transaction; waits for one that does.
    pub(crate) async fn one_of_org_at_a_time(&mut self, org: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => self.rows(ONE_OF_ORG, &[org.into()]).await.map(drop),
        }
    }

    /// The same without waiting: whether no other node does.
    pub(crate) async fn alone_in_org(&mut self, org: &str) -> Result<bool, Error> {
        match self {
            Self::Sqlite(_) => Ok(true),
            Self::Postgres(_) => {
                let row = self.row(ALONE_IN_ORG, &[org.into()]).await?;
                row.map_or(Ok(false), |mut row| row.yes())
            }
        }
    }

    /// Whether other nodes share this database.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

/// PostgreSQL's text holds no NUL, so ours holds none on either database.
pub(crate) fn storable(values: &[Value]) -> Result<(), Error> {
    let nul = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
    if values.iter().any(nul) {
        Err(Error::Nul)
    } else {
        Ok(())
    }
}
