//! Starting, finding and ending sandboxes.

use hands::Started;

use crate::support::{Bench, says};

#[tokio::test]
async fn an_owner_gets_one_sandbox_and_keeps_it_until_it_is_destroyed() {
    let bench = Bench::new().await;
    assert!(bench.hands.find("a").is_none());
    let first = bench.hands.obtain("a", None, None).await.unwrap();
    assert_eq!((first.fresh, first.started), (true, Started::Cold));
    assert_eq!(
        says(&first.sandbox, "echo hello; pwd; id -u").await,
        "hello\n/workspace\n0"
    );
    let again = bench.hands.obtain("a", None, None).await.unwrap();
    assert_eq!((again.fresh, again.started), (false, Started::Found));
    assert_eq!(again.sandbox.id(), first.sandbox.id());
    bench.hands.destroy("a").await.unwrap();
    assert!(!first.sandbox.alive() && bench.hands.find("a").is_none());
    bench.end().await;
}
