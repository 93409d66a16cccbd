//! How many sessions of an org may run: never more, first come first served,
//! and no org holds up another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use session::{Millis, State};
use store::{Append, Birth, Claimed, Created, LeaseChange, NewSession, Quota, Store};
use tokio::task::JoinSet;

use crate::bed::{Bed, ORG, both, frozen, new, next, project};

both!(
    no_more_run_than_the_quota_and_who_came_first_goes_first,
    the_org_with_the_fewest_running_goes_first,
    a_dead_nodes_sessions_keep_their_places,
    a_turn_that_is_handed_over_keeps_its_place,
    one_that_was_not_begun_gives_its_place_back,
    a_birth_takes_a_place_and_never_overtakes,
    a_place_in_line_is_told,
    those_in_line_are_found_by_when_they_came,
    many_nodes_together_never_exceed_the_quota,
);

fn at_most(each: usize) -> Quota {
    Quota {
        each,
        of: BTreeMap::new(),
    }
}

/// Makes a session that waits since then.
async fn waiting(store: &Store, org: &str, id: &str, since: i64) {
    let mut project = project(1, true);
    project.due = Some(Millis(since));
    let wish = NewSession {
        org: org.to_owned(),
        project,
        ..new(id)
    };
    store.create_session(wish).await.unwrap();
}

async fn claim(store: &Store, node: &str, limit: usize, quota: &Quota) -> Vec<Claimed> {
    let (now, until) = (Millis(5000), Millis(9000));
    store.claim(node, now, until, limit, quota).await.unwrap()
}

fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|one| one.row.id.as_str()).collect()
}

/// Ends the turn of a claimed session of one event.
async fn finish(store: &Store, claimed: &Claimed) {
    let rest = Append {
        epoch: Some(claimed.row.epoch),
        project: project(2, false),
        lease: LeaseChange::Release,
        ..next(&claimed.row.id, 1)
    };
    store.append(rest).await.unwrap();
}

async fn no_more_run_than_the_quota_and_who_came_first_goes_first(bed: Bed) {
    let store = bed.open().await;
    for n in 0..5 {
        waiting(&store, ORG, &format!("ses_{n}"), 1000 - n).await;
    }
    let quota = at_most(2);
    let first = claim(&store, "a", 9, &quota).await;
    assert_eq!(ids(&first), ["ses_4", "ses_3"]);
    assert_eq!(ids(&claim(&store, "b", 9, &quota).await), [""; 0]);
    finish(&store, &first[1]).await;
    assert_eq!(ids(&claim(&store, "b", 9, &quota).await), ["ses_2"]);
    let wider = Quota {
        each: 2,
        of: BTreeMap::from([(ORG.to_owned(), 3)]),
    };
    assert_eq!(ids(&claim(&store, "b", 9, &wider).await), ["ses_1"]);
}

async fn the_org_with_the_fewest_running_goes_first(bed: Bed) {
    let store = bed.open().await;
    for n in 0..6 {
        waiting(&store, "org_a", &format!("ses_a{n}"), 1000 + n).await;
        if n < 2 {
            waiting(&store, "org_b", &format!("ses_b{n}"), 2000 + n).await;
        }
    }
    let quota = at_most(4);
    assert_eq!(
        ids(&claim(&store, "a", 3, &quota).await),
        ["ses_a0", "ses_b0", "ses_a1"]
    );
    waiting(&store, "org_c", "ses_c0", 3000).await;
    assert_eq!(
        ids(&claim(&store, "a", 9, &quota).await),
        ["ses_c0", "ses_b1", "ses_a2", "ses_a3"]
    );
}

async fn a_dead_nodes_sessions_keep_their_places(bed: Bed) {
    let store = bed.open().await;
    for n in 0..4 {
        waiting(&store, ORG, &format!("ses_{n}"), 1000 + n).await;
    }
    let quota = at_most(2);
    claim(&store, "a", 2, &quota).await;
    let (now, until) = (Millis(9000), Millis(20_000));
    let over = store.claim("b", now, until, 9, &at_most(1)).await.unwrap();
    assert_eq!(ids(&over), ["ses_0", "ses_1"], "whatever the quota");
    assert!(over.iter().all(|one| one.from.as_deref() == Some("a")));
    let held = store.held("b").await.unwrap();
    assert_eq!(held, [("ses_0".to_owned(), 2), ("ses_1".to_owned(), 2)]);
    assert_eq!(store.held("a").await.unwrap(), []);
    let more = store.claim("b", now, until, 9, &quota).await.unwrap();
    assert_eq!(ids(&more), [""; 0]);
}

async fn a_turn_that_is_handed_over_keeps_its_place(bed: Bed) {
    let store = bed.open().await;
    for n in 0..3 {
        waiting(&store, ORG, &format!("ses_{n}"), 1000 + n).await;
    }
    let quota = at_most(1);
    let first = claim(&store, "a", 9, &quota).await;
    let mut running = next("ses_0", 1);
    running.epoch = Some(first[0].row.epoch);
    let state = State {
        head: 2,
        turn: Some(session::state::OpenTurn::default()),
        ..State::default()
    };
    running.project = store::Projection::of(&frozen(), &State::default(), &state, Millis(3000));
    store.append(running).await.unwrap();
    store.release("ses_0", 1).await.unwrap();
    assert_eq!(store.place_in_line(ORG, "ses_0").await.unwrap(), None);
    let again = claim(&store, "b", 9, &quota).await;
    assert_eq!(ids(&again), ["ses_0"], "before those who came after it");
    assert_eq!(again[0].from, None, "it was handed over");
}

async fn one_that_was_not_begun_gives_its_place_back(bed: Bed) {
    let store = bed.open().await;
    waiting(&store, ORG, "ses_1", 1001).await;
    let quota = at_most(1);
    claim(&store, "a", 9, &quota).await;
    waiting(&store, ORG, "ses_0", 1000).await;
    store.release("ses_1", 1).await.unwrap();
    assert_eq!(ids(&claim(&store, "b", 9, &quota).await), ["ses_0"]);
}

async fn born(store: &Store, id: &str, most: usize) -> bool {
    let birth = Birth {
        node: "a".to_owned(),
        until: Millis(9000),
        most,
    };
    let wish = NewSession {
        birth: Some(birth),
        ..new(id)
    };
    match store.create_session(wish).await.unwrap() {
        Created::New { row, leased, .. } => {
            assert_eq!(row.epoch, u64::from(leased));
            leased
        }
        other => panic!("{other:?}"),
    }
}

async fn a_birth_takes_a_place_and_never_overtakes(bed: Bed) {
    let store = bed.open().await;
    assert!(born(&store, "ses_1", 2).await);
    assert!(born(&store, "ses_2", 2).await);
    assert!(!born(&store, "ses_3", 2).await, "the quota is used up");
    assert!(!born(&store, "ses_4", 9).await, "another waits already");
    assert_eq!(ids(&claim(&store, "b", 9, &at_most(3)).await), ["ses_3"]);
    assert_eq!(store.held("a").await.unwrap().len(), 2);
}

async fn a_place_in_line_is_told(bed: Bed) {
    let store = bed.open().await;
    waiting(&store, "org_2", "ses_x", 1).await;
    for n in 0..4 {
        waiting(&store, ORG, &format!("ses_{n}"), 1000).await;
    }
    for (id, place) in [("ses_0", Some(1)), ("ses_3", Some(4)), ("ses_x", None)] {
        assert_eq!(store.place_in_line(ORG, id).await.unwrap(), place, "{id}");
    }
    claim(&store, "a", 9, &at_most(1)).await;
    for (id, place) in [("ses_0", None), ("ses_3", Some(3))] {
        assert_eq!(store.place_in_line(ORG, id).await.unwrap(), place, "{id}");
    }
    // Saying something more does not lose one's place.
    store.append(next("ses_1", 1)).await.unwrap();
    assert_eq!(store.place_in_line(ORG, "ses_1").await.unwrap(), Some(1));
}

const MOST: usize = 3;
const SESSIONS: usize = 40;

/// What runs of each org. Counted after a claim and before an end, so that it
/// is never above what really runs.
type Counts = Arc<[AtomicUsize; 2]>;

fn org_of(id: &str) -> usize {
    usize::from(id.contains("_b"))
}

/// A node: makes sessions, claims and ends them until all are done.
async fn work(store: Store, node: usize, counts: Counts, left: Arc<AtomicUsize>) {
    let (name, quota) = (format!("node_{node}"), at_most(MOST));
    for n in 0..SESSIONS / 4 {
        let org = ["a", "b"][n % 2];
        let birth = Birth {
            node: name.clone(),
            until: Millis(9000),
            most: MOST,
        };
        let wish = NewSession {
            org: format!("org_{org}"),
            birth: Some(birth),
            ..new(&format!("ses_{org}{node}{n}"))
        };
        if let Created::New {
            row, leased: true, ..
        } = store.create_session(wish).await.unwrap()
        {
            run(
                &store,
                Claimed {
                    row: *row,
                    from: None,
                },
                &counts,
                &left,
            )
            .await;
        }
        for one in claim(&store, &name, 2, &quota).await {
            run(&store, one, &counts, &left).await;
        }
    }
    while left.load(SeqCst) > 0 {
        for one in claim(&store, &name, 2, &quota).await {
            run(&store, one, &counts, &left).await;
        }
        tokio::task::yield_now().await;
    }
}

async fn run(store: &Store, claimed: Claimed, counts: &Counts, left: &AtomicUsize) {
    let running = &counts[org_of(&claimed.row.id)];
    assert!(running.fetch_add(1, SeqCst) < MOST, "{}", claimed.row.id);
    tokio::task::yield_now().await;
    running.fetch_sub(1, SeqCst);
    finish(store, &claimed).await;
    left.fetch_sub(1, SeqCst);
}

async fn many_nodes_together_never_exceed_the_quota(bed: Bed) {
    let store = bed.open().await;
    let (counts, left) = (Counts::default(), Arc::new(AtomicUsize::new(SESSIONS)));
    let mut nodes = JoinSet::new();
    for node in 0..4 {
        // Stores of their own, as nodes have, where the database allows it.
        let store = if matches!(bed.database, store::Database::Postgres(_)) {
            bed.open().await
        } else {
            store.clone()
        };
        nodes.spawn(work(store, node, counts.clone(), left.clone()));
    }
    nodes.join_all().await;
    assert_eq!(left.load(SeqCst), 0, "everyone had a turn");
}

async fn those_in_line_are_found_by_when_they_came(bed: Bed) {
    let store = bed.open().await;
    let found = |from, until, limit| {
        let store = store.clone();
        async move {
            let found = store.in_line(Millis(from), Millis(until), limit).await;
            let told = found.unwrap().into_iter();
            told.map(|one| (one.org, one.session, one.since.0))
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(found(0, 9000, 9).await, []);
    for (org, id, since) in [
        (ORG, "ses_a", 100),
        (ORG, "ses_b", 300),
        ("org_other", "ses_c", 200),
    ] {
        waiting(&store, org, id, since).await;
    }
    let line = |org: &str, id: &str, since| (org.to_owned(), id.to_owned(), since);
    let (a, b, c) = (
        line(ORG, "ses_a", 100),
        line(ORG, "ses_b", 300),
        line("org_other", "ses_c", 200),
    );
    assert_eq!(
        found(100, 300, 9).await,
        [a.clone(), c.clone(), b.clone()],
        "both ends are included"
    );
    assert_eq!(found(0, 299, 9).await, [a.clone(), c.clone()]);
    assert_eq!(found(0, 9000, 1).await, [a, c], "so many of each org");
    let claimed = claim(&store, "n", 3, &at_most(9)).await;
    assert_eq!(claimed.len(), 3);
    assert_eq!(found(0, 9000, 9).await, [], "who runs stands in no line");
}
