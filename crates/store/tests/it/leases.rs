//! Leases: who may drive, and when another may.

use std::collections::BTreeSet;

use session::Millis;
use store::{Append, Error, HEAD_START, LeaseChange, Quota, Store};
use tokio::task::JoinSet;

use crate::bed::{Bed, born, both, next, project};

both!(
    a_session_is_claimed_once,
    the_longest_due_comes_first,
    one_at_rest_is_not_claimed,
    a_dead_node_loses_its_sessions,
    a_renewed_lease_holds,
    what_was_lost_is_told,
    a_released_one_is_free_at_once,
    one_by_name,
    many_nodes_never_share_a_session,
    a_session_is_left_to_its_home_for_a_moment,
);

async fn claim(store: &Store, node: &str, now: i64, until: i64) -> Vec<(String, u64)> {
    let rows = store
        .claim(node, Millis(now), Millis(until), 100, &Quota::default())
        .await
        .unwrap();
    let each = rows.into_iter();
    each.map(|claimed| (claimed.row.id, claimed.row.epoch))
        .collect()
}

fn one(id: &str, epoch: u64) -> Vec<(String, u64)> {
    vec![(id.to_owned(), epoch)]
}

async fn a_session_is_claimed_once(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    assert_eq!(claim(&store, "a", 999, 5000).await, [], "not due yet");
    let row = store
        .claim("a", Millis(1000), Millis(5000), 9, &Quota::default())
        .await
        .unwrap()
        .remove(0)
        .row;
    assert_eq!((row.epoch, row.frozen.prompt.as_str()), (1, "Be brief."));
    assert_eq!(claim(&store, "a", 1000, 5000).await, []);
    assert_eq!(claim(&store, "b", 1000, 5000).await, []);
}

async fn the_longest_due_comes_first(bed: Bed) {
    let store = bed.open().await;
    for id in ["ses_1", "ses_2", "ses_3"] {
        born(&store, id).await;
    }
    // A message more changes nothing about who came first.
    store.append(next("ses_2", 1)).await.unwrap();
    let rest = Append {
        project: project(2, false),
        ..next("ses_1", 1)
    };
    store.append(rest).await.unwrap();
    let mut later = next("ses_1", 2);
    later.project.due = Some(Millis(1500));
    store.append(later).await.unwrap();
    let first = store
        .claim("a", Millis(2000), Millis(5000), 2, &Quota::default())
        .await
        .unwrap();
    assert!(first.iter().all(|claimed| claimed.row.id != "ses_1"));
    assert_eq!(claim(&store, "a", 2000, 5000).await, one("ses_1", 1));
}

async fn one_at_rest_is_not_claimed(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    store
        .append(Append {
            project: project(2, false),
            ..next("ses_1", 1)
        })
        .await
        .unwrap();
    assert_eq!(claim(&store, "a", 9000, 9999).await, []);
}

async fn a_dead_node_loses_its_sessions(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    born(&store, "ses_2").await;
    assert_eq!(claim(&store, "a", 1000, 5000).await.len(), 2);
    assert_eq!(claim(&store, "b", 4999, 9000).await, []);
    assert_eq!(claim(&store, "b", 5000, 9000).await.len(), 2);
}

async fn a_renewed_lease_holds(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let held = claim(&store, "a", 1000, 5000).await;
    assert_eq!(
        store.renew("a", &held, Millis(8000)).await.unwrap(),
        [""; 0]
    );
    assert_eq!(claim(&store, "b", 7999, 9000).await, []);
    // A lease is never made shorter.
    store.renew("a", &held, Millis(6000)).await.unwrap();
    assert_eq!(claim(&store, "b", 7999, 9000).await, []);
}

async fn what_was_lost_is_told(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    born(&store, "ses_2").await;
    let held = claim(&store, "a", 1000, 2000).await;
    assert_eq!(
        store
            .claim("b", Millis(3000), Millis(9000), 1, &Quota::default())
            .await
            .unwrap()
            .len(),
        1
    );
    let lost = store.renew("a", &held, Millis(9000)).await.unwrap();
    assert_eq!(lost.len(), 1);
    // What it still holds is its own again.
    assert_eq!(claim(&store, "b", 4000, 9000).await, []);
    let late = Append {
        epoch: Some(1),
        ..next(&lost[0], 1)
    };
    assert!(matches!(store.append(late).await, Err(Error::Fenced)));
}

async fn a_released_one_is_free_at_once(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    claim(&store, "a", 1000, 5000).await;
    store.release("ses_1", 7).await.unwrap();
    assert_eq!(
        claim(&store, "b", 1000, 5000).await,
        [],
        "released by another epoch"
    );
    let mut wakes = store.wakes();
    store.release("ses_1", 1).await.unwrap();
    let wake = wakes.recv().await.unwrap();
    assert!(wake.due && wake.session == "ses_1");
    assert_eq!(claim(&store, "b", 1000, 5000).await, one("ses_1", 2));
    store.release("ses_1", 1).await.unwrap();
    assert_eq!(
        claim(&store, "a", 1000, 5000).await,
        [],
        "an old holder frees nothing"
    );
}

async fn one_by_name(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    assert_eq!(
        store
            .claim_one("ses_0", "a", Millis(1000), Millis(5000))
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        store
            .claim_one("ses_1", "a", Millis(999), Millis(5000))
            .await
            .unwrap(),
        None
    );
    let row = store
        .claim_one("ses_1", "a", Millis(1000), Millis(5000))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.row.epoch, 1);
    assert_eq!(
        store
            .claim_one("ses_1", "b", Millis(1000), Millis(5000))
            .await
            .unwrap(),
        None
    );
}

/// One node: claims and finishes sessions until none is left to claim.
async fn work(store: Store, node: String) -> Vec<String> {
    let mut done = Vec::new();
    loop {
        let rows = store
            .claim(&node, Millis(1000), Millis(5000), 3, &Quota::default())
            .await
            .unwrap();
        if rows.is_empty() {
            return done;
        }
        for claimed in rows {
            let row = claimed.row;
            let rest = Append {
                epoch: Some(row.epoch),
                project: project(2, false),
                lease: LeaseChange::Release,
                ..next(&row.id, 1)
            };
            store.append(rest).await.unwrap();
            done.push(row.id);
        }
    }
}

async fn many_nodes_never_share_a_session(bed: Bed) {
    let store = bed.open().await;
    for n in 0..60 {
        born(&store, &format!("ses_{n}")).await;
    }
    let mut nodes = JoinSet::new();
    for n in 0..4 {
        // Stores of their own, as nodes have, where the database allows it.
        let store = if matches!(bed.database, store::Database::Postgres(_)) {
            bed.open().await
        } else {
            store.clone()
        };
        nodes.spawn(work(store, format!("node_{n}")));
    }
    let done: Vec<_> = nodes.join_all().await.concat();
    // SKIP LOCKED may leave a few to a second look.
    let rest = work(store, "node_9".to_owned()).await;
    let all: Vec<_> = done.iter().chain(&rest).collect();
    assert_eq!(all.len(), 60, "each exactly once");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 60);
}

async fn a_session_is_left_to_its_home_for_a_moment(bed: Bed) {
    let (home, other) = (bed.open().await, bed.open().await);
    home.settle_at("here".to_owned());
    other.settle_at("there".to_owned());
    for id in ["ses_1", "ses_2", "ses_3", "ses_4"] {
        born(&home, id).await;
    }
    for id in ["ses_1", "ses_2", "ses_4"] {
        home.lives_here(id).await.unwrap();
    }
    other.lives_elsewhere("ses_1").await.unwrap();
    home.lives_elsewhere("ses_4").await.unwrap();
    // Who lives nowhere is anybody's, and does not wait behind those who do.
    let taken = claim(&other, "b", 1000 + HEAD_START - 1, 9000).await;
    assert_eq!(taken, [one("ses_3", 1), one("ses_4", 1)].concat());
    assert_eq!(claim(&home, "a", 1000, 9000).await.len(), 2, "at once");

    // A home that does not come for it holds it up no longer.
    born(&home, "ses_5").await;
    home.lives_here("ses_5").await.unwrap();
    let late = 1000 + HEAD_START;
    assert_eq!(claim(&other, "b", late - 1, 9000).await, []);
    assert_eq!(claim(&other, "b", late, 9000).await, one("ses_5", 1));
}
