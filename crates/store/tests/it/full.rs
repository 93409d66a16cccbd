//! A full disk: nothing is half done, it is told, and it passes.

use session::Draft;
use store::{Append, Error, EventQuery};

use crate::bed::{Bed, ORG, born, draft, next, seqs};
use crate::disk::{Disk, inside};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_passes() {
    if !inside("full::a_full_disk_is_told_and_passes") {
        return;
    }
    let disk = Disk::of_megabytes(4);
    let bed = Bed {
        database: store::Database::Sqlite(disk.path().join("oc.db")),
        ..Bed::sqlite()
    };
    let store = bed.open().await;
    born(&store, "ses_1").await;
    assert!(store.ready().is_ok());
    let ballast = disk.fill();

    let big = Draft {
        private: Some("x".repeat(200_000)),
        ..draft("a")
    };
    let mut head = 1;
    let error = loop {
        match store
            .append(Append {
                drafts: vec![big.clone()],
                ..next("ses_1", head)
            })
            .await
        {
            Ok(_) => head += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Full), "{error}");
    assert!(store.ready().is_err());
    let stored = store
        .events(ORG, "ses_1", EventQuery::default())
        .await
        .unwrap();
    assert_eq!(
        seqs(&stored),
        (1..=head).collect::<Vec<_>>(),
        "all that was acknowledged, and nothing else"
    );

    drop(ballast);
    store.append(next("ses_1", head)).await.unwrap();
    assert!(store.ready().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_nobody_writes_to_recovers_by_being_asked() {
    if !inside("full::a_store_nobody_writes_to_recovers_by_being_asked") {
        return;
    }
    let disk = Disk::of_megabytes(4);
    let bed = Bed {
        database: store::Database::Sqlite(disk.path().join("oc.db")),
        ..Bed::sqlite()
    };
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let ballast = disk.fill();
    let big = Draft {
        private: Some("x".repeat(2_000_000)),
        ..draft("a")
    };
    assert!(
        store
            .append(Append {
                drafts: vec![big],
                ..next("ses_1", 1)
            })
            .await
            .is_err()
    );
    drop(ballast);
    while store.ready().is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.session(ORG, "ses_1").await.unwrap().head, 1);
}
