//! The schema: taken once, by whoever comes first; a newer one is refused.

use store::{Database, Error};

use crate::bed::{Bed, ORG, born, both};

both!(
    a_restart_keeps_everything,
    nodes_may_start_together,
    a_newer_schema_is_refused
);

async fn a_restart_keeps_everything(bed: Bed) {
    let store = bed.open().await;
    let row = born(&store, "ses_1").await;
    store.close().await;
    assert!(store.session(ORG, "ses_1").await.is_err(), "closed");
    let again = bed.open().await;
    assert_eq!(again.session(ORG, "ses_1").await.unwrap(), row);
}

async fn nodes_may_start_together(bed: Bed) {
    let stores = futures::future::join_all((0..8).map(|_| bed.try_open(7))).await;
    for store in stores {
        store.unwrap().stats().await.unwrap();
    }
}

async fn a_newer_schema_is_refused(bed: Bed) {
    bed.open().await.close().await;
    let newer = "INSERT INTO migrations (number, name) VALUES (99, 'from the future')";
    match &bed.database {
        Database::Sqlite(path) => {
            rusqlite::Connection::open(path)
                .unwrap()
                .execute(newer, [])
                .unwrap();
        }
        Database::Postgres(url) => {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
                .await
                .unwrap();
            let line = tokio::spawn(connection);
            client.execute(newer, &[]).await.unwrap();
            drop(client);
            line.await.unwrap().unwrap();
        }
    }
    match bed.try_open(7).await {
        Err(Error::Corrupt { what, why }) => {
            assert!(what == "schema" && why.contains("from the future"), "{why}")
        }
        other => panic!("{:?}", other.err()),
    }
}
