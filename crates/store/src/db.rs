//! Two databases behind one small surface: statements with values, rows, and
//! transactions. What the tables mean is known elsewhere.

pub(crate) mod connect;
mod embedded;
mod health;
mod listen;
mod migrate;
mod pen;
#[cfg(test)]
mod plans;
mod postgres;
mod readers;
mod sqlite;
mod tx;
mod value;
mod wal;
mod writer;

use std::borrow::Cow;
use std::sync::Arc;

use futures::future::BoxFuture;

pub(crate) use health::{Counters, Health};
pub(crate) use listen::{CHANNEL, Heard};
pub(crate) use postgres::classify;
pub(crate) use tx::{Tx, storable};
pub(crate) use value::{Row, Value, values};
pub(crate) use writer::Fails;

use crate::{Database, Error};

/// The database.
pub(crate) enum Db {
    Sqlite(embedded::Embedded),
    Postgres(Box<postgres::Postgres>),
}

impl Db {
    /// Opens it and brings its schema up to date.
    pub(crate) async fn open(
        database: Database,
        health: Arc<Health>,
        counters: Arc<Counters>,
    ) -> Result<Self, Error> {
        let db = match database {
            Database::Sqlite(path) => {
                Self::Sqlite(embedded::Embedded::open(&path, health, counters).await?)
            }
            Database::Postgres(url) => Self::Postgres(Box::new(
                postgres::Postgres::open(&url, health, counters).await?,
            )),
        };
        Box::pin(migrate::migrate(&db)).await?;
        if let Self::Sqlite(embedded) = &db {
            embedded.start_readers().await?;
        }
        Ok(db)
    }

    /// Runs an operation in a transaction of its own and answers when it is
    /// durable. `done` runs right then, even if the caller has given up.
    pub(crate) async fn write<T, F, D>(&self, op: F, done: D) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
        D: FnOnce(&T) + Send + 'static,
    {
        self.write_as(Fails::Anywhere, op, done).await
    }

    /// As [`Db::write`], for an operation of which more is known.
    pub(crate) async fn write_as<T, F, D>(&self, fails: Fails, op: F, done: D) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
        D: FnOnce(&T) + Send + 'static,
    {
        match self {
            Self::Sqlite(embedded) => embedded.write(fails, op, done).await,
            Self::Postgres(postgres) => postgres.write(op, done).await,
        }
    }

    /// Runs an operation that nobody needs to hear of, as [`Db::write`] does.
    pub(crate) async fn change<T, F>(&self, op: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
    {
        self.write(op, |_| ()).await
    }

    /// Runs one statement in a transaction of its own; how many rows it touched.
    pub(crate) async fn exec(
        &self,
        sql: &'static str,
        values: impl Into<Vec<Value>>,
    ) -> Result<u64, Error> {
        let values = values.into();
        self.change(move |tx| Box::pin(async move { tx.exec(sql, &values).await }))
            .await
    }

    /// Runs one query, outside of any transaction.
    pub(crate) async fn rows(
        &self,
        sql: impl Into<Cow<'static, str>>,
        values: impl Into<Vec<Value>>,
    ) -> Result<Vec<Row>, Error> {
        let (sql, values) = (sql.into(), values.into());
        tx::storable(&values)?;
        match self {
            Self::Sqlite(embedded) => embedded.rows(sql, values).await,
            Self::Postgres(postgres) => postgres.rows(&sql, &values).await,
        }
    }

    /// Runs one query, outside of any transaction, that finds a few rows by
    /// their key: the caller is not worth putting to sleep for it.
    pub(crate) async fn few(
        &self,
        sql: impl Into<Cow<'static, str>>,
        values: impl Into<Vec<Value>>,
    ) -> Result<Vec<Row>, Error> {
        let (sql, values) = (sql.into(), values.into());
        tx::storable(&values)?;
        match self {
            Self::Sqlite(embedded) => embedded.few(sql, values).await,
            Self::Postgres(postgres) => postgres.rows(&sql, &values).await,
        }
    }

    /// As [`Db::few`], for at most one row.
    pub(crate) async fn row(
        &self,
        sql: impl Into<Cow<'static, str>>,
        values: impl Into<Vec<Value>>,
    ) -> Result<Option<Row>, Error> {
        Ok(self.few(sql, values).await?.into_iter().next())
    }

    /// Whether other nodes share it.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Tries a small write, to see whether writes work again.
    pub(crate) fn probe(&self) {
        match self {
            Self::Sqlite(embedded) => embedded.probe(),
            Self::Postgres(postgres) => postgres.probe(),
        }
    }

    /// Writes that wait.
    pub(crate) fn queued(&self) -> u64 {
        match self {
            Self::Sqlite(embedded) => embedded.queued(),
            Self::Postgres(postgres) => postgres.queued(),
        }
    }

    /// Ends it: what was taken is finished first.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(embedded) => embedded.close().await,
            Self::Postgres(postgres) => postgres.close().await,
        }
    }
}
