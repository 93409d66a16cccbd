//! SQLite as a database of the process: one pen to write with, a few readers.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::pen::Pen;
use super::readers::{self, Near, Query};
use super::writer::{Fails, Job, Op, Work, Writer};
use super::{Counters, Health, Row, Tx, Value, sqlite, wal};
use crate::Error;

/// Writes that may wait; more of them wait at the door.
const QUEUE: usize = 1024;
/// Threads that read.
const READERS: usize = 3;
/// Connections for looking up on the caller's own thread.
const NEAR: usize = 4;

pub(crate) struct Embedded {
    path: PathBuf,
    pen: Arc<Pen>,
    near: Near,
    doors: Mutex<Doors>,
    health: Arc<Health>,
}

/// Where jobs go in; gone once closed, and then the threads end.
#[derive(Default)]
struct Doors {
    writes: Option<mpsc::Sender<Box<dyn Job>>>,
    reads: Option<mpsc::Sender<Query>>,
    threads: Vec<JoinHandle<()>>,
    /// Ends with the pen.
    log: Option<JoinHandle<()>>,
}

impl Embedded {
    pub(super) async fn open(
        path: &Path,
        health: Arc<Health>,
        counters: Arc<Counters>,
    ) -> Result<Self, Error> {
        let (writes, jobs) = mpsc::channel(QUEUE);
        let at = path.to_owned();
        let told = health.clone();
        let open = move || {
            let mut conn = sqlite::open_writer(&at)?;
            let log = wal::beside(&mut conn, &at, told)?;
            Ok((conn, log))
        };
        let (conn, log) = blocking(open).await?;
        let pen = Arc::new(Pen::new(Writer {
            conn,
            health: health.clone(),
            counters,
        }));
        let writing = pen.clone();
        let thread = std::thread::Builder::new()
            .name("oc-write".to_owned())
            .spawn(move || writing.write_what_waits(jobs))
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        let doors = Doors {
            writes: Some(writes),
            reads: None,
            threads: vec![thread],
            log: Some(log),
        };
        Ok(Self {
            path: path.to_owned(),
            pen,
            near: Near::default(),
            doors: Mutex::new(doors),
            health,
        })
    }

    /// Starts the readers, once there is a schema to read.
    pub(super) async fn start_readers(&self) -> Result<(), Error> {
        let path = self.path.clone();
        let open = move || {
            let all = 0..READERS + NEAR;
            all.map(|_| sqlite::open_reader(&path)).collect()
        };
        let mut conns: Vec<_> = blocking(open).await?;
        self.near.open(conns.split_off(READERS))?;
        let (reads, queue) = mpsc::channel(QUEUE);
        let threads =
            readers::start(conns, queue).map_err(|error| Error::Unavailable(error.to_string()))?;
        let mut doors = self.doors();
        doors.reads = Some(reads);
        doors.threads.extend(threads);
        Ok(())
    }

    pub(super) async fn write<T, F, D>(&self, fails: Fails, op: F, done: D) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
        D: FnOnce(&T) + Send + 'static,
    {
        self.health.alive()?;
        // What is always done at once would never let its caller be stopped.
        tokio::task::consume_budget().await;
        let mut op = Op::new(op, done);
        let here = |writer: &mut Writer| writer.alone(|tx| op.run(tx));
        if let Some(committed) = self.pen.here(here) {
            return op.end(committed);
        }
        let (to, answer) = oneshot::channel();
        let door = self.doors().writes.clone().ok_or_else(closed)?;
        let place = door.reserve().await.map_err(|_| closed())?;
        self.pen.wait();
        place.send(Box::new(Work { fails, op, to }));
        drop(door);
        answer.await.map_err(|_| closed())?
    }

    pub(super) async fn rows(
        &self,
        sql: Cow<'static, str>,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, Error> {
        let (to, answer) = oneshot::channel();
        let door = self.doors().reads.clone().ok_or_else(closed)?;
        door.send(Query { sql, values, to })
            .await
            .map_err(|_| closed())?;
        drop(door);
        answer.await.map_err(|_| closed())?
    }

    /// As [`Self::rows`], on the caller's own thread if that is possible now.
    pub(super) async fn few(
        &self,
        sql: Cow<'static, str>,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, Error> {
        tokio::task::consume_budget().await;
        let glance = self.pen.glance(|conn| sqlite::rows(conn, &sql, &values));
        match glance.or_else(|| self.near.rows(&sql, &values)) {
            Some(rows) => rows,
            None => self.rows(sql, values).await,
        }
    }

    pub(super) fn probe(&self) {
        let touch = |tx: &mut Tx<'_>| -> Result<(), Error> {
            let touched = tx.exec("UPDATE migrations SET number = number", &[]);
            touched.now_or_never().unwrap_or(Ok(0)).map(drop)
        };
        let door = self.doors().writes.clone();
        // A full queue probes well enough by itself.
        if let Some(place) = door.as_ref().and_then(|door| door.try_reserve().ok()) {
            self.pen.wait();
            place.send(Box::new(Probe(touch)));
        }
    }

    pub(super) fn queued(&self) -> u64 {
        self.pen.waiting() as u64
    }

    pub(super) async fn close(&self) {
        let doors = std::mem::take(&mut *self.doors());
        drop((doors.writes, doors.reads));
        let pen = self.pen.clone();
        let join = move || {
            // A thread that panicked has been told of by its callers.
            doors
                .threads
                .into_iter()
                .for_each(|thread| drop(thread.join()));
            pen.put_away();
            doors.log.into_iter().for_each(|thread| drop(thread.join()));
            Ok(())
        };
        self.near.close();
        if let Err(error) = blocking(join).await {
            tracing::warn!(%error, "the database was not closed in an orderly way");
        }
    }

    fn doors(&self) -> std::sync::MutexGuard<'_, Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Probe<F>(F);

impl<F: FnMut(&mut Tx<'_>) -> Result<(), Error> + Send> Job for Probe<F> {
    fn fails(&self) -> Fails {
        Fails::Anywhere
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        (self.0)(tx)
    }

    fn answer(self: Box<Self>, _: Result<(), Error>) {}
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Unavailable(error.to_string()))?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const COUNT: &str = "SELECT COUNT(*) FROM t";

    async fn open(folder: &Path) -> Embedded {
        let db = Embedded::open(&folder.join("t.db"), Arc::default(), Arc::default())
            .await
            .unwrap();
        db.write(
            Fails::Anywhere,
            |tx| tx.script("CREATE TABLE t (n BIGINT NOT NULL)").boxed(),
            |()| (),
        )
        .await
        .unwrap();
        db.start_readers().await.unwrap();
        db
    }

    async fn put(
        db: &Embedded,
        n: Option<i64>,
        then: fn() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let op = async move |tx: &mut Tx<'_>| -> Result<(), Error> {
            tx.exec("INSERT INTO t VALUES ($1)", &[Value::from(n)])
                .await?;
            then()
        };
        db.write(
            Fails::Anywhere,
            move |tx| Box::pin(async move { op(tx).await }),
            |()| (),
        )
        .await
    }

    async fn count(db: &Embedded) -> i64 {
        db.rows(COUNT.into(), Vec::new())
            .await
            .unwrap()
            .remove(0)
            .int()
            .unwrap()
    }

    #[tokio::test]
    async fn a_failed_operation_undoes_its_own_work_alone() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path()).await;
        let ends: [fn() -> Result<(), Error>; 3] =
            [|| Ok(()), || Err(Error::NotFound), || panic!("a defect")];
        let all = (0..60usize).map(|n| put(&db, Some(1), ends[n % 3]));
        let ended = futures::future::join_all(all).await;
        assert_eq!(ended.iter().filter(|end| end.is_ok()).count(), 20);
        assert_eq!(
            ended
                .iter()
                .filter(|end| matches!(end, Err(Error::NotFound)))
                .count(),
            20
        );
        assert_eq!(count(&db).await, 20);
        assert!(
            matches!(put(&db, None, || Ok(())).await, Err(Error::Database(_))),
            "the row must not be NULL"
        );
        put(&db, Some(1), || Ok(())).await.unwrap();
        assert_eq!(count(&db).await, 21);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_finds_nobody_writing_writes_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path()).await;
        // On a worker of the runtime, where threads may be kept.
        let mut alone = tokio::task::JoinSet::new();
        alone.spawn(async move {
            for (then, want) in [
                (Err(Error::NotFound), 0),
                (Err(Error::Fenced), 0),
                (Ok(()), 1),
            ] {
                let given = then.clone();
                let put = db.write(
                    Fails::Anywhere,
                    move |tx| {
                        Box::pin(async move {
                            tx.exec("INSERT INTO t VALUES (1)", &[]).await?;
                            given
                        })
                    },
                    |()| (),
                );
                // Never waiting, so there was no other thread in it.
                let ended = put.now_or_never().map(|end| end.is_ok());
                assert_eq!(ended, Some(then.is_ok()));
                assert_eq!(count(&db).await, want);
            }
            let broken = put(&db, Some(1), || panic!("a defect")).now_or_never();
            assert!(matches!(broken, Some(Err(Error::Database(_)))));
            put(&db, Some(1), || Ok(())).await.unwrap();
            db.close().await;
            assert!(put(&db, Some(1), || Ok(())).await.is_err());
        });
        alone.join_all().await;
        assert_eq!(count(&open_again(folder.path()).await).await, 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_at_once_all_come_to_their_turn() {
        let folder = tempfile::tempdir().unwrap();
        let db = Arc::new(open(folder.path()).await);
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let db = db.clone();
            writers.spawn(async move {
                for _ in 0..20 {
                    put(&db, Some(1), || Ok(())).await.unwrap();
                }
            });
        }
        writers.join_all().await;
        assert_eq!(count(&db).await, 160);
        assert_eq!(db.queued(), 0);
    }

    /// Fails before its first change or after it, as one that only does the first.
    async fn put_or_refuse(db: &Embedded, early: bool, late: bool) -> Result<(), Error> {
        let op = async move |tx: &mut Tx<'_>| -> Result<(), Error> {
            if early {
                return Err(Error::Fenced);
            }
            tx.exec("INSERT INTO t VALUES (1)", &[]).await?;
            if late { Err(Error::NotFound) } else { Ok(()) }
        };
        db.write(
            Fails::First,
            move |tx| Box::pin(async move { op(tx).await }),
            |()| (),
        )
        .await
    }

    #[tokio::test]
    async fn a_refusal_has_nothing_to_undo_and_a_broken_word_undoes_all() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path()).await;
        let some = (0..30).map(|n| put_or_refuse(&db, n % 3 == 0, false));
        let ended = futures::future::join_all(some).await;
        assert_eq!(ended.iter().filter(|end| end.is_ok()).count(), 20);
        assert_eq!(count(&db).await, 20);

        let some = (0..30).map(|n| put_or_refuse(&db, false, n == 17));
        let ended = futures::future::join_all(some).await;
        let kept = ended.iter().filter(|end| end.is_ok()).count();
        assert!(ended[17].is_err());
        assert_eq!(usize::try_from(count(&db).await).unwrap(), 20 + kept);
    }

    #[tokio::test]
    async fn what_was_taken_is_finished_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path()).await;
        let (all, ()) = tokio::join!(
            futures::future::join_all((0..40).map(|_| put(&db, Some(1), || Ok(())))),
            db.close()
        );
        assert!(put(&db, Some(1), || Ok(())).await.is_err());
        let kept = all.iter().filter(|end| end.is_ok()).count();
        let again = open_again(folder.path()).await;
        assert_eq!(usize::try_from(count(&again).await).unwrap(), kept);
    }

    async fn open_again(folder: &Path) -> Embedded {
        let db = Embedded::open(&folder.join("t.db"), Arc::default(), Arc::default())
            .await
            .unwrap();
        db.start_readers().await.unwrap();
        db
    }
}
