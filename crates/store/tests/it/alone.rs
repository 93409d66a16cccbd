//! Being the only server: after a crash its own past must not hold it up.

use session::Millis;

use store::Quota;

use crate::bed::{Bed, born};

#[tokio::test]
async fn a_server_that_is_alone_takes_over_at_once() {
    let bed = Bed::sqlite();
    let store = bed.open().await;
    assert!(store.alone().await.unwrap());
    born(&store, "ses_1").await;
    assert_eq!(
        store
            .claim("a", Millis(1000), Millis(99_000), 1, &Quota::default())
            .await
            .unwrap()
            .len(),
        1
    );

    let second = bed.open().await;
    assert!(!second.alone().await.unwrap(), "the first still runs");
    assert!(
        second
            .claim("b", Millis(2000), Millis(99_000), 1, &Quota::default())
            .await
            .unwrap()
            .is_empty()
    );

    store.close().await;
    assert!(second.alone().await.unwrap());
    let row = second
        .claim("b", Millis(2000), Millis(99_000), 1, &Quota::default())
        .await
        .unwrap()
        .remove(0);
    assert_eq!(row.from.as_deref(), Some("a"), "who held it is told");
    assert_eq!(
        row.row.epoch, 2,
        "and the first, should it still write, is fenced"
    );
}

#[tokio::test]
async fn on_a_shared_database_nobody_is_alone() {
    let store = Bed::postgres().open().await;
    assert!(!store.alone().await.unwrap());
}
