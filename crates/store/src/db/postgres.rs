//! PostgreSQL: a pool, one transaction for each operation.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use bytes::BytesMut;
use deadpool_postgres::{
    GenericClient, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime,
};
use futures::future::BoxFuture;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_util::task::TaskTracker;

use super::{Counters, Health, Row, Tx, Value, connect};
use crate::Error;

/// Connections of one node.
const POOL: usize = 16;
/// How long an operation may take in all, waiting for a connection included.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Postgres {
    pool: Pool,
    /// Writes under way: they end on their own, whoever gives up waiting.
    writes: TaskTracker,
    health: Arc<Health>,
    counters: Arc<Counters>,
    /// Whether a probe is under way.
    probing: Arc<AtomicBool>,
    pub(super) config: tokio_postgres::Config,
}

impl Postgres {
    pub(super) async fn open(
        url: &str,
        health: Arc<Health>,
        counters: Arc<Counters>,
    ) -> Result<Self, Error> {
        let config = connect::config(url)?;
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(config.clone(), connect::tls()?, recycling);
        let pool = Pool::builder(manager)
            .max_size(POOL)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(DEADLINE))
            .create_timeout(Some(connect::CONNECT))
            .recycle_timeout(Some(connect::CONNECT))
            .build()
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        let postgres = Self {
            pool,
            writes: TaskTracker::new(),
            health,
            counters,
            probing: Arc::default(),
            config,
        };
        postgres.warn_if_forgetful().await?;
        Ok(postgres)
    }

    /// A server that acknowledges before it is durable breaks our promise.
    async fn warn_if_forgetful(&self) -> Result<(), Error> {
        const DURABLE: &str = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit') AND setting = 'off'";
        for mut row in self.rows(DURABLE, &[]).await? {
            tracing::warn!(
                setting = row.text()?,
                "this PostgreSQL may lose what it acknowledged"
            );
        }
        Ok(())
    }

    pub(super) async fn write<T, F, D>(&self, op: F, done: D) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
        D: FnOnce(&T) + Send + 'static,
    {
        if self.writes.is_closed() {
            return Err(Error::Unavailable("the store is closed".to_owned()));
        }
        let work = tokio::time::timeout(DEADLINE, transaction(self.pool.clone(), op, done));
        let ended = self.writes.spawn(work).await;
        let out = match ended {
            Ok(Ok(out)) => out,
            Ok(Err(_)) => Err(Error::Unavailable("no answer in time".to_owned())),
            Err(error) => Err(Error::Database(error.to_string())),
        };
        match &out {
            Ok(_) => {
                self.counters.wrote(1);
                self.health.well();
            }
            Err(error) => self.health.take(error),
        }
        out
    }

    /// Reads are tried a second time: the first may have met a connection that
    /// died in the pool, and a read can be repeated.
    pub(super) async fn rows(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        let read = || async {
            let client = self.pool.get().await.map_err(no_connection)?;
            rows(&client, sql, values).await
        };
        let twice = async {
            match read().await {
                Err(Error::Unavailable(_)) => {
                    // What killed one may have killed them all.
                    self.pool.retain(|_, _| false);
                    read().await
                }
                first => first,
            }
        };
        let out = tokio::time::timeout(DEADLINE, twice).await;
        let out = out.unwrap_or_else(|_| Err(Error::Unavailable("no answer in time".to_owned())));
        match &out {
            Ok(_) => self.health.well(),
            Err(error) => self.health.take(error),
        }
        out
    }

    /// Asks something small, so that a server that came back is noticed by a
    /// store that nobody uses; one question at a time.
    pub(super) fn probe(&self) {
        if self.writes.is_closed() || self.probing.swap(true, SeqCst) {
            return;
        }
        let (pool, health, probing) =
            (self.pool.clone(), self.health.clone(), self.probing.clone());
        let ask = async move {
            let client = pool.get().await.map_err(no_connection)?;
            rows(&client, "SELECT CAST(1 AS BIGINT)", &[]).await
        };
        self.writes.spawn(async move {
            if let Ok(Ok(_)) = tokio::time::timeout(DEADLINE, ask).await {
                health.well();
            }
            probing.store(false, SeqCst);
        });
    }

    pub(super) fn queued(&self) -> u64 {
        self.pool.status().waiting as u64
    }

    pub(super) async fn close(&self) {
        self.writes.close();
        self.writes.wait().await;
        self.pool.close();
    }
}

async fn transaction<T, F, D>(pool: Pool, op: F, done: D) -> Result<T, Error>
where
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, Error>>,
    D: FnOnce(&T),
{
    let mut client = pool.get().await.map_err(no_connection)?;
    let tx = client
        .transaction()
        .await
        .map_err(|error| classify(&error))?;
    match op(&mut Tx::Postgres(&tx)).await {
        Ok(out) => {
            tx.commit().await.map_err(|error| classify(&error))?;
            done(&out);
            Ok(out)
        }
        Err(error) => {
            // If this fails the connection is gone, and the work with it.
            let _ = tx.rollback().await;
            Err(error)
        }
    }
}

/// Runs a statement; how many rows it touched.
pub(super) async fn exec(
    client: &impl GenericClient,
    sql: &str,
    values: &[Value],
) -> Result<u64, Error> {
    let run = async {
        let statement = client.prepare_cached(sql).await?;
        client.execute(&statement, &refs(values)).await
    };
    run.await.map_err(|error| classify(&error))
}

/// Runs a query.
pub(super) async fn rows(
    client: &impl GenericClient,
    sql: &str,
    values: &[Value],
) -> Result<Vec<Row>, Error> {
    let run = async {
        let statement = client.prepare_cached(sql).await?;
        client.query(&statement, &refs(values)).await
    };
    let found = run.await.map_err(|error| classify(&error))?;
    found.iter().map(row).collect()
}

fn refs(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

fn row(found: &tokio_postgres::Row) -> Result<Row, Error> {
    let cell = |at: usize| -> Result<Value, tokio_postgres::Error> {
        Ok(match *found.columns()[at].type_() {
            Type::INT8 => found.try_get::<_, Option<i64>>(at)?.into(),
            Type::INT4 => found.try_get::<_, Option<i32>>(at)?.map(i64::from).into(),
            Type::BYTEA => found.try_get::<_, Option<Vec<u8>>>(at)?.into(),
            _ => found.try_get::<_, Option<String>>(at)?.into(),
        })
    };
    let cells = (0..found.len()).map(cell).collect::<Result<_, _>>();
    cells.map(Row::new).map_err(|error| classify(&error))
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(n) if *ty == Type::INT4 => i32::try_from(*n)?.to_sql(ty, out),
            Self::Int(n) => n.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT4, Type::INT8, Type::TEXT, Type::BYTEA].contains(ty)
    }

    to_sql_checked!();
}

fn no_connection(error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => classify(&error),
        other => Error::Unavailable(other.to_string()),
    }
}

/// What an error of PostgreSQL means for a caller.
pub(crate) fn classify(error: &tokio_postgres::Error) -> Error {
    let Some(state) = error.code() else {
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        return Error::Unavailable(format!("{error} {source}").trim_end().to_owned());
    };
    let text = error
        .as_db_error()
        .map_or_else(|| error.to_string(), ToString::to_string);
    // Classes: connection, transaction rolled back, resources, intervention.
    let passing = ["08", "40", "53", "57", "55", "28"];
    if *state == SqlState::DISK_FULL {
        Error::Full
    } else if passing.iter().any(|class| state.code().starts_with(class)) {
        Error::Unavailable(text)
    } else {
        Error::Database(text)
    }
}
