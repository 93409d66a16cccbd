//! A database that goes away: every call says so within bounds, and all is well
//! again when it is back, without a restart.

use std::time::Duration;

use session::Millis;
use store::{Amount, Database, Error, EventQuery, Quota, UsageBy};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bed::{Bed, ORG, born, next};

/// Far beyond every deadline of the store's own.
const BOUND: Duration = Duration::from_secs(120);

/// A line to a PostgreSQL server that can be cut and mended.
struct Line {
    folder: TempDir,
    up: watch::Sender<bool>,
    _lines: JoinSet<()>,
}

impl Line {
    fn to(server: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let (up, is_up) = watch::channel(true);
        let mut lines = JoinSet::new();
        lines.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (mut from, _) = listener.accept().await.unwrap();
                let (server, mut is_up) = (server.clone(), is_up.clone());
                open.spawn(async move {
                    if !*is_up.borrow() {
                        return;
                    }
                    let mut to = UnixStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
                        _ = is_up.wait_for(|up| !up) => {}
                    }
                });
            }
        });
        Self {
            folder,
            up,
            _lines: lines,
        }
    }
}

async fn unavailable<T>(call: impl Future<Output = Result<T, Error>>) {
    let answer = tokio::time::timeout(BOUND, call).await;
    match answer.expect("an answer within bounds") {
        Err(Error::Unavailable(_)) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it answered without a database"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_went_away_is_told_and_comes_back() {
    let mut bed = Bed::postgres();
    let Database::Postgres(url) = &bed.database else {
        panic!("PostgreSQL")
    };
    let folder = url.split(['=', ' ']).nth(1).unwrap().to_owned();
    let line = Line::to(format!("{folder}/.s.PGSQL.5432"));
    let near = line.folder.path().to_str().unwrap();
    bed.database = Database::Postgres(url.replace(&folder, near));
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let mut follow = store.follow(ORG, "ses_1", 0).await.unwrap();
    assert_eq!(follow.next().await.unwrap().event.seq, 1);

    line.up.send(false).unwrap();
    let (now, until, none) = (Millis(1000), Millis(9000), Amount::default());
    unavailable(store.session(ORG, "ses_1")).await;
    unavailable(store.events(ORG, "ses_1", EventQuery::default())).await;
    unavailable(store.append(next("ses_1", 1))).await;
    unavailable(store.claim("a", now, until, 9, &Quota::default())).await;
    unavailable(store.renew("a", &[], until)).await;
    unavailable(store.reservation("ses_1")).await;
    unavailable(store.settle_gone("ses_1", 1, none)).await;
    unavailable(store.usage(ORG, now, until, UsageBy::Day)).await;
    unavailable(store.erase(ORG, "ses_1", now)).await;
    unavailable(store.sweep(now, 1)).await;
    assert!(store.ready().is_err());

    line.up.send(true).unwrap();
    // It recovers by being asked whether it did.
    while store.ready().is_err() {
        tokio::task::yield_now().await;
    }
    store.append(next("ses_1", 1)).await.unwrap();
    assert_eq!(follow.next().await.unwrap().event.seq, 2);
    store.close().await;
}
