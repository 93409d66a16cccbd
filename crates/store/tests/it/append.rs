//! Appending: numbers without gaps, fences, messages said once.

use session::Millis;
use store::{Append, Dedupe, Error, EventQuery, LeaseChange, Quota, Store};
use tokio::task::JoinSet;

use crate::bed::{Bed, ORG, born, both, draft, next, project, seqs};

both!(
    numbers_have_no_gap,
    a_stale_head_is_told_the_new_one,
    an_unknown_session_is_not_found,
    an_older_epoch_is_fenced,
    a_release_frees_the_session,
    a_message_is_said_once,
    many_writers_of_one_session_all_get_through,
    many_sessions_at_once,
    a_failed_append_undoes_only_itself,
);

async fn numbers_have_no_gap(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let drafts = vec![draft("a"), draft("b"), draft("c")];
    let events = store
        .append(Append {
            drafts,
            project: project(4, true),
            ..next("ses_1", 1)
        })
        .await
        .unwrap();
    assert_eq!(seqs(&events), [2, 3, 4]);
    let stored = store
        .events(ORG, "ses_1", EventQuery::default())
        .await
        .unwrap();
    assert_eq!(seqs(&stored), [1, 2, 3, 4]);
    assert_eq!(store.session(ORG, "ses_1").await.unwrap().head, 4);
}

async fn a_stale_head_is_told_the_new_one(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    store.append(next("ses_1", 1)).await.unwrap();
    for head in [0, 1, 3] {
        let error = store.append(next("ses_1", head)).await.unwrap_err();
        assert!(matches!(error, Error::Stale { head: 2 }), "{head}: {error}");
    }
    let stored = store
        .events(ORG, "ses_1", EventQuery::default())
        .await
        .unwrap();
    assert_eq!(seqs(&stored), [1, 2], "nothing of a refused append is kept");
}

async fn an_unknown_session_is_not_found(bed: Bed) {
    let store = bed.open().await;
    let error = store.append(next("ses_0", 0)).await.unwrap_err();
    assert!(matches!(error, Error::NotFound), "{error}");
}

async fn an_older_epoch_is_fenced(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let old = store
        .claim("node_a", Millis(1000), Millis(2000), 1, &Quota::default())
        .await
        .unwrap()
        .remove(0);
    let new = store
        .claim("node_b", Millis(3000), Millis(4000), 1, &Quota::default())
        .await
        .unwrap()
        .remove(0);
    assert_eq!((old.row.epoch, new.row.epoch), (1, 2));
    // Even with the right head: the older driver may write nothing.
    let late = Append {
        epoch: Some(old.row.epoch),
        ..next("ses_1", 1)
    };
    assert!(matches!(store.append(late).await, Err(Error::Fenced)));
    let good = Append {
        epoch: Some(new.row.epoch),
        ..next("ses_1", 1)
    };
    assert_eq!(seqs(&store.append(good).await.unwrap()), [2]);
}

async fn a_release_frees_the_session(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let row = store
        .claim("node_a", Millis(1000), Millis(9000), 1, &Quota::default())
        .await
        .unwrap()
        .remove(0);
    let rest = Append {
        epoch: Some(row.row.epoch),
        project: project(2, false),
        lease: LeaseChange::Release,
        ..next("ses_1", 1)
    };
    store.append(rest).await.unwrap();
    assert!(
        store
            .claim("node_b", Millis(2000), Millis(9000), 1, &Quota::default())
            .await
            .unwrap()
            .is_empty(),
        "at rest"
    );
    store.append(next("ses_1", 2)).await.unwrap();
    let again = store
        .claim("node_b", Millis(2000), Millis(9000), 1, &Quota::default())
        .await
        .unwrap()
        .remove(0);
    assert_eq!(again.row.epoch, 2);
}

async fn a_message_is_said_once(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    born(&store, "ses_2").await;
    let said = |session, head| Append {
        dedupe: Some(Dedupe {
            key: "k".to_owned(),
        }),
        ..next(session, head)
    };
    assert_eq!(seqs(&store.append(said("ses_1", 1)).await.unwrap()), [2]);
    for head in [1, 2] {
        assert!(matches!(
            store.append(said("ses_1", head)).await,
            Err(Error::Replayed { seq: 2 })
        ));
    }
    // The key is the session's own.
    assert_eq!(seqs(&store.append(said("ses_2", 1)).await.unwrap()), [2]);
    assert_eq!(
        store.message_by_key(ORG, "ses_1", "k").await.unwrap(),
        Some(2)
    );
    assert_eq!(
        store.message_by_key(ORG, "ses_1", "other").await.unwrap(),
        None
    );
    assert_eq!(
        store.message_by_key("org_2", "ses_1", "k").await.unwrap(),
        None
    );
}

/// Appends one event, reading the head again as often as it takes.
async fn persist(store: &Store, session: &str) {
    let mut head = 1;
    loop {
        match store.append(next(session, head)).await {
            Ok(_) => return,
            Err(Error::Stale { head: now }) => head = now,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn many_writers_of_one_session_all_get_through(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let mut writers = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        writers.spawn(async move { persist(&store, "ses_1").await });
    }
    writers.join_all().await;
    let stored = store
        .events(ORG, "ses_1", EventQuery::default())
        .await
        .unwrap();
    assert_eq!(seqs(&stored), (1..=17).collect::<Vec<_>>());
}

async fn many_sessions_at_once(bed: Bed) {
    let store = bed.open().await;
    let mut writers = JoinSet::new();
    for n in 0..64 {
        let store = store.clone();
        writers.spawn(async move {
            let id = format!("ses_{n}");
            born(&store, &id).await;
            for head in 1..5 {
                store.append(next(&id, head)).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    for n in 0..64 {
        let stored = store
            .events(ORG, &format!("ses_{n}"), EventQuery::default())
            .await
            .unwrap();
        assert_eq!(seqs(&stored), [1, 2, 3, 4, 5]);
    }
}

async fn a_failed_append_undoes_only_itself(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let mut writers = JoinSet::new();
    for n in 0..48u64 {
        let store = store.clone();
        writers.spawn(async move {
            if n % 3 == 0 {
                // May fail after the row was changed: no event can be of that type.
                let nul = Append {
                    drafts: vec![draft("a\0")],
                    ..next("ses_1", 1)
                };
                assert!(store.append(nul).await.is_err());
            } else {
                persist(&store, "ses_1").await;
            }
        });
    }
    writers.join_all().await;
    let stored = store
        .events(ORG, "ses_1", EventQuery::default())
        .await
        .unwrap();
    assert_eq!(seqs(&stored), (1..=33).collect::<Vec<_>>());
}
