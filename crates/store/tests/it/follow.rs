//! Following: everything once, in order, whatever happens meanwhile.

use store::{Append, Follow};
use tokio::task::JoinSet;

use crate::bed::{Bed, ORG, born, both, draft, next, project};

both!(
    it_catches_up_and_then_lives,
    it_starts_anywhere,
    a_slow_reader_misses_nothing,
    many_followers_all_see_everything,
    nobody_following_costs_nothing,
    giving_up_a_wait_loses_nothing,
);

async fn take(follow: &mut Follow, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    for _ in 0..count {
        seqs.push(follow.next().await.unwrap().event.seq);
    }
    seqs
}

async fn it_catches_up_and_then_lives(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let drafts = vec![draft("a"); 40];
    store
        .append(Append {
            drafts,
            project: project(41, true),
            ..next("ses_1", 1)
        })
        .await
        .unwrap();
    let mut follow = store.follow(ORG, "ses_1", 0).await.unwrap();
    assert_eq!(take(&mut follow, 41).await, (1..=41).collect::<Vec<_>>());
    for head in 41..45 {
        let told = store.append(next("ses_1", head)).await.unwrap().remove(0);
        let seen = follow.next().await.unwrap();
        assert_eq!(seen.event.seq, told.event.seq);
    }
}

async fn it_starts_anywhere(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    store.append(next("ses_1", 1)).await.unwrap();
    for (after, want) in [(0, 1), (1, 2), (2, 3), (3, 4)] {
        let mut follow = store.follow(ORG, "ses_1", after).await.unwrap();
        let head = store.session(ORG, "ses_1").await.unwrap().head;
        for head in head..4 {
            store.append(next("ses_1", head)).await.unwrap();
        }
        assert_eq!(
            follow.next().await.unwrap().event.seq,
            want,
            "after {after}"
        );
    }
}

async fn a_slow_reader_misses_nothing(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let mut follow = store.follow(ORG, "ses_1", 0).await.unwrap();
    assert_eq!(take(&mut follow, 1).await, [1]);
    for head in 1..300 {
        store.append(next("ses_1", head)).await.unwrap();
    }
    assert_eq!(take(&mut follow, 299).await, (2..=300).collect::<Vec<_>>());
}

async fn many_followers_all_see_everything(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let mut readers = JoinSet::new();
    for n in 0..100 {
        let store = store.clone();
        readers.spawn(async move {
            let mut follow = store.follow(ORG, "ses_1", n % 3).await.unwrap();
            let mut at = n % 3;
            while at < 60 {
                let event = follow.next().await.unwrap();
                assert_eq!(event.event.seq, at + 1);
                at += 1;
            }
        });
    }
    for head in 1..60 {
        store.append(next("ses_1", head)).await.unwrap();
    }
    readers.join_all().await;
}

async fn nobody_following_costs_nothing(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let (a, b) = (
        store.follow(ORG, "ses_1", 0).await.unwrap(),
        store.follow(ORG, "ses_1", 0).await.unwrap(),
    );
    assert_eq!(store.stats().await.unwrap().followed, 1);
    drop(a);
    assert_eq!(store.stats().await.unwrap().followed, 1);
    drop(b);
    assert_eq!(store.stats().await.unwrap().followed, 0);
}

async fn giving_up_a_wait_loses_nothing(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let mut follow = store.follow(ORG, "ses_1", 0).await.unwrap();
    for head in 1..50 {
        store.append(next("ses_1", head)).await.unwrap();
        // Polled once and dropped, again and again.
        let looked = tokio::select! {
            biased;
            event = follow.next() => Some(event.unwrap().event.seq),
            () = std::future::ready(()) => None,
        };
        assert!(looked.is_none_or(|seq| seq == follow.at()));
    }
    let at = follow.at();
    let rest = take(&mut follow, usize::try_from(50 - at).unwrap()).await;
    assert_eq!(rest, (at + 1..=50).collect::<Vec<_>>());
}
