//! The outbox: queued with the facts, in their order, taken by one node at a time,
//! fair between orgs.

use std::collections::BTreeSet;

use session::{Actor, Draft, Level, Millis};
use store::{
    Append, DeliveryFilter, DeliveryRow, Error, NewDestination, NewSession, Origin, Outcome,
    Shares, Store, Taken, Tried,
};

use crate::bed::{Bed, both, draft, new, next, project};
use crate::checkpoints::org;

both!(
    facts_are_queued_for_who_is_to_be_told,
    what_is_queued_is_the_facts_transaction,
    first_attempts_go_in_order_and_a_failed_one_waits_for_its_own_moment,
    a_dead_letter_is_tried_no_more_until_it_is_asked_for_again,
    what_a_dead_node_had_in_hand_is_taken_up,
    two_nodes_have_nothing_in_hand_together,
    orgs_are_served_in_turn,
    a_clock_that_lags_does_not_change_the_order,
    what_a_node_does_not_know_that_it_has_is_let_go,
    a_fork_is_told_to_nobody_unless_asked,
    pages_show_each_delivery_once,
);

pub const NODE: &str = "node_a";

pub fn destination(id: &str) -> NewDestination {
    NewDestination {
        id: id.to_owned(),
        url: "http://127.0.0.1:9/".to_owned(),
        level: Level::Internal,
        types: None,
        include_raw: false,
        enabled: true,
        secret: None,
    }
}

/// A session of an org with these destinations, and one fact.
pub async fn born_of(store: &Store, org: &str, id: &str, destinations: Vec<NewDestination>) {
    let wish = NewSession {
        org: org.to_owned(),
        destinations,
        metadata: Some("{\"n\":1}".to_owned()),
        ..new(id)
    };
    store.create_session(wish).await.unwrap();
}

/// Takes what is due, by the usual node.
pub async fn take(store: &Store, now: i64) -> Vec<Taken> {
    take_as(store, NODE, now).await
}

async fn take_as(store: &Store, node: &str, now: i64) -> Vec<Taken> {
    let shares = Shares {
        room: 9,
        each: 9,
        ..Shares::default()
    };
    let looked = store.owed(node, Millis(now), Millis(now + 1000), shares);
    looked.await.unwrap().taken
}

fn tried(taken: &Taken, at: i64, outcome: &Outcome) -> Vec<Tried> {
    let tried = taken.due.iter().map(|pending| Tried {
        seq: pending.seq,
        round: pending.round,
        at: Millis(at),
        code: None,
        outcome: outcome.clone(),
    });
    tried.collect()
}

/// All that is in hand was delivered; lets go.
pub async fn delivered(store: &Store, taken: &Taken, at: i64) {
    let tried = tried(taken, at, &Outcome::Delivered);
    let left = store
        .settle_deliveries(NODE, &taken.destination, tried, Millis(at), false)
        .await;
    assert!(left.unwrap().is_none());
}

fn failed(again: Option<i64>) -> Outcome {
    Outcome::Failed {
        error: "status 500".to_owned(),
        again: again.map(Millis),
    }
}

async fn fail(store: &Store, taken: &Taken, at: i64, again: Option<i64>) {
    let tried = tried(taken, at, &failed(again));
    store
        .settle_deliveries(NODE, &taken.destination, tried, Millis(at), false)
        .await
        .unwrap();
}

fn seqs(taken: &Taken) -> Vec<u64> {
    taken.due.iter().map(|pending| pending.seq).collect()
}

async fn listed(store: &Store, org: &str) -> Vec<DeliveryRow> {
    let filter = DeliveryFilter {
        limit: 99,
        ..DeliveryFilter::default()
    };
    let mut rows = store.deliveries(org, "ses_1", filter).await.unwrap();
    rows.reverse();
    rows
}

async fn states(store: &Store, org: &str) -> Vec<String> {
    let rows = listed(store, org).await.into_iter();
    rows.map(|row| row.status).collect()
}

fn of(kind: &str, level: Level) -> Draft {
    Draft {
        level,
        actor: Actor::agent(),
        ..draft(kind)
    }
}

async fn facts_are_queued_for_who_is_to_be_told(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let only = |level, types: &[&str]| NewDestination {
        level,
        types: (!types.is_empty()).then(|| types.iter().map(|t| (*t).to_owned()).collect()),
        ..destination("")
    };
    let wanted = [
        ("dst_a", only(Level::User, &[])),
        ("dst_b", only(Level::Internal, &["tool.*", "turn.started"])),
        ("dst_c", only(Level::Progress, &["tool.call"])),
    ];
    let wanted = wanted.map(|(id, new)| NewDestination {
        id: id.to_owned(),
        ..new
    });
    born_of(&store, &org, "ses_1", wanted.to_vec()).await;
    let append = Append {
        drafts: vec![
            of("turn.started", Level::Progress),
            of("tool.call", Level::Internal),
            of("agent.message", Level::User),
        ],
        project: project(4, true),
        ..next("ses_1", 1)
    };
    store.append(append).await.unwrap();
    let rows = listed(&store, &org).await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.seq, &*row.destination))
        .collect();
    let want = [(1, "dst_a"), (2, "dst_b"), (3, "dst_b"), (4, "dst_a")];
    assert_eq!(told, want);
    assert_eq!(rows[0].id(), "dlv_a_1");
    let mut taken = take(&store, 2000).await;
    taken.sort_by(|a, b| a.destination.cmp(&b.destination));
    assert_eq!(taken.iter().map(seqs).collect::<Vec<_>>(), [[1, 4], [2, 3]]);
    assert_eq!(taken[0].metadata.as_deref(), Some("{\"n\":1}"));
    assert_eq!((&*taken[0].org, &*taken[0].session), (&*org, "ses_1"));
    assert_eq!(states(&store, &org).await, ["delivering"; 4]);
}

async fn what_is_queued_is_the_facts_transaction(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    born_of(&store, &org, "ses_1", vec![destination("dst_1")]).await;
    let stale = store.append(next("ses_1", 7)).await;
    assert!(matches!(stale, Err(Error::Stale { head: 1 })));
    assert_eq!(listed(&store, &org).await.len(), 1);
    // The driver's way in, with a lease and in the middle of a turn.
    let claimed = store
        .claim_one("ses_1", "a", Millis(2000), Millis(9000))
        .await;
    let epoch = claimed.unwrap().unwrap().row.epoch;
    for head in 1..4 {
        let append = Append {
            epoch: Some(epoch),
            ..next("ses_1", head)
        };
        store.append(append).await.unwrap();
        assert_eq!(listed(&store, &org).await.len() as u64, head + 1);
    }
    let fenced = Append {
        epoch: Some(epoch + 1),
        ..next("ses_1", 4)
    };
    assert!(matches!(store.append(fenced).await, Err(Error::Fenced)));
    assert_eq!(listed(&store, &org).await.len(), 4);
    let waiting = store.waiting_deliveries().await.unwrap();
    assert_eq!((waiting.pending, waiting.oldest), (4, Some(Millis(1000))));
}

async fn first_attempts_go_in_order_and_a_failed_one_waits_for_its_own_moment(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    born_of(&store, &org, "ses_1", vec![destination("dst_1")]).await;
    let first = take(&store, 2000).await.remove(0);
    assert_eq!(seqs(&first), [1]);
    fail(&store, &first, 2001, Some(5000)).await;
    for head in 1..21 {
        store.append(next("ses_1", head)).await.unwrap();
    }
    let shares = Shares {
        room: 1,
        each: 1,
        ..Shares::default()
    };
    let looked = store.owed(NODE, Millis(1999), Millis(9000), shares).await;
    assert_eq!(looked.unwrap().next, Some(Millis(2000)));
    let fresh = take(&store, 4000).await.remove(0);
    assert_eq!(seqs(&fresh), (2..18).collect::<Vec<_>>(), "so many at once");
    let tried = tried(&fresh, 4001, &Outcome::Delivered);
    let rest = store
        .settle_deliveries(NODE, "dst_1", tried, Millis(6000), true)
        .await;
    assert_eq!(seqs(&rest.unwrap().unwrap()), [18, 19, 20, 21, 1]);
    let row = store.delivery(&org, "ses_1", "dst_1", 1).await.unwrap();
    assert_eq!((row.attempts, row.tried), (1, Some(Millis(2001))));
    assert_eq!(row.error.as_deref(), Some("status 500"));
    let failing = store.destination(&org, "ses_1", "dst_1").await.unwrap();
    assert_eq!(failing.failing, None, "the last ones were taken");
}

async fn a_dead_letter_is_tried_no_more_until_it_is_asked_for_again(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    born_of(&store, &org, "ses_1", vec![destination("dst_1")]).await;
    for (n, again) in [(0, Some(3000)), (1, None)] {
        let taken = take(&store, 2000 + n * 1000).await.remove(0);
        assert_eq!(taken.due[0].tries, u64::try_from(n).unwrap());
        fail(&store, &taken, 2001 + n * 1000, again).await;
    }
    assert_eq!(states(&store, &org).await, ["dead_letter"]);
    assert!(take(&store, 99_000).await.is_empty());
    let failing = store
        .destination(&org, "ses_1", "dst_1")
        .await
        .unwrap()
        .failing;
    let failing = failing.unwrap();
    assert_eq!((failing.attempts, failing.since), (2, Millis(2001)));
    let again = store
        .redeliver(&org, "ses_1", "dst_1", 1, Millis(5000))
        .await;
    assert_eq!(again.unwrap().status, "pending");
    let taken = take(&store, 5000).await.remove(0);
    let pending = taken.due[0];
    assert_eq!((pending.round, pending.tries), (1, 0));
    // Asked for while it is in hand: what comes of that one does not settle it.
    store
        .redeliver(&org, "ses_1", "dst_1", 1, Millis(5001))
        .await
        .unwrap();
    delivered(&store, &taken, 5002).await;
    assert_eq!(states(&store, &org).await, ["pending"]);
    let taken = take(&store, 5003).await.remove(0);
    assert_eq!(taken.due[0].round, 2);
    delivered(&store, &taken, 5004).await;
    assert_eq!(states(&store, &org).await, ["delivered"]);
    store
        .redeliver(&org, "ses_1", "dst_1", 1, Millis(5005))
        .await
        .unwrap();
    assert_eq!(take(&store, 5006).await.len(), 1, "delivered ones, too");
    for (who, id) in [("org_2", "dst_1"), (&*org, "dst_2")] {
        let foreign = store.redeliver(who, "ses_1", id, 1, Millis(5)).await;
        assert!(matches!(foreign, Err(Error::NotFound)));
    }
}

async fn what_a_dead_node_had_in_hand_is_taken_up(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    born_of(&store, &org, "ses_1", vec![destination("dst_1")]).await;
    let old = take_as(&store, "node_b", 2000).await.remove(0);
    store.append(next("ses_1", 1)).await.unwrap();
    assert!(take(&store, 2999).await.is_empty(), "it lives");
    let new = take(&store, 3000).await.remove(0);
    assert_eq!(seqs(&new), [1, 2]);
    // It was not dead after all: what it did is true, but it goes on with nothing.
    let done = tried(&old, 3001, &Outcome::Delivered);
    let more = store
        .settle_deliveries("node_b", "dst_1", done, Millis(3001), true)
        .await;
    assert!(more.unwrap().is_none());
    assert_eq!(states(&store, &org).await, ["delivered", "delivering"]);
    // And a failure of one that another delivered is no news.
    let done = tried(&old, 3002, &failed(Some(4000)));
    store
        .settle_deliveries("node_b", "dst_1", done, Millis(3002), true)
        .await
        .unwrap();
    assert_eq!(states(&store, &org).await, ["delivered", "delivering"]);
    delivered(&store, &new, 3003).await;
    assert_eq!(states(&store, &org).await, ["delivered"; 2]);
}

async fn two_nodes_have_nothing_in_hand_together(bed: Bed) {
    let (a, b) = (bed.open().await, bed.open().await);
    let org = org(&a).await;
    for n in 0..12 {
        let to = vec![destination(&format!("dst_{n}"))];
        born_of(&a, &org, &format!("ses_{n}"), to).await;
    }
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        let (one, two) = tokio::join!(take_as(&a, "node_a", 2000), take_as(&b, "node_b", 2000));
        for taken in one.into_iter().chain(two) {
            assert!(seen.insert(taken.destination), "by both");
        }
    }
    assert_eq!(seen.len(), 12);
}

async fn orgs_are_served_in_turn(bed: Bed) {
    let store = bed.open().await;
    // Their destinations have no secrets, so orgs need no keys.
    for (org, n) in [("org_a", 6), ("org_b", 2), ("org_c", 1)] {
        for at in 0..n {
            let id = format!("{org}{at}");
            born_of(&store, org, &format!("ses_{id}"), vec![destination(&id)]).await;
        }
    }
    let shares = Shares {
        room: 5,
        each: 4,
        held: [("org_b".to_owned(), 1)].into(),
    };
    let looked = store.owed(NODE, Millis(2000), Millis(9000), shares).await;
    let mut count = std::collections::BTreeMap::new();
    for taken in looked.unwrap().taken {
        *count.entry(taken.org).or_insert(0) += 1;
    }
    let want = [("org_a", 3), ("org_b", 1), ("org_c", 1)];
    assert_eq!(count, want.map(|(org, n)| (org.to_owned(), n)).into());
}

async fn a_clock_that_lags_does_not_change_the_order(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    born_of(&store, &org, "ses_1", vec![destination("dst_1")]).await;
    for (head, at) in [(1, 5000), (2, 1500), (3, 5000), (4, 900)] {
        let append = Append {
            at: Millis(at),
            ..next("ses_1", head)
        };
        store.append(append).await.unwrap();
    }
    assert_eq!(seqs(&take(&store, 6000).await.remove(0)), [1, 2, 3, 4, 5]);
}

async fn what_a_node_does_not_know_that_it_has_is_let_go(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    for id in ["1", "2"] {
        let to = vec![destination(&format!("dst_{id}"))];
        born_of(&store, &org, &format!("ses_{id}"), to).await;
    }
    assert_eq!(take(&store, 2000).await.len(), 2);
    let known = BTreeSet::from(["dst_2".to_owned()]);
    assert_eq!(store.let_go(NODE, &known).await.unwrap(), 1);
    assert_eq!(states(&store, &org).await, ["pending"]);
    let again = take(&store, 2001).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].destination, "dst_1");
}

async fn a_fork_is_told_to_nobody_unless_asked(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    born_of(&store, &org, "ses_1", vec![destination("dst_1")]).await;
    let fork = |id: &str, destinations| NewSession {
        org: org.clone(),
        destinations,
        origin: Some(Origin {
            session: "ses_1".to_owned(),
            seq: 1,
            files: None,
        }),
        project: project(2, true),
        ..new(id)
    };
    store
        .create_session(fork("ses_2", Vec::new()))
        .await
        .unwrap();
    assert_eq!(store.destinations(&org, "ses_2").await.unwrap(), []);
    let to = vec![destination("dst_3")];
    store.create_session(fork("ses_3", to)).await.unwrap();
    let made = store.destinations(&org, "ses_3").await.unwrap();
    assert_eq!(made[0].after_seq, 1, "of what is its own");
    let taken = take(&store, 2000).await;
    let told: Vec<_> = taken.iter().map(|t| (&*t.destination, seqs(t))).collect();
    assert_eq!(told, [("dst_1", vec![1]), ("dst_3", vec![2])]);
}

async fn pages_show_each_delivery_once(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let two = vec![destination("dst_1"), destination("dst_2")];
    born_of(&store, &org, "ses_1", two).await;
    for head in 1..5 {
        store.append(next("ses_1", head)).await.unwrap();
    }
    let taken = take(&store, 9000).await.remove(0);
    delivered(&store, &taken, 9001).await;
    for (destination, status, want) in [
        (None, None, 10),
        (Some("dst_1"), None, 5),
        (None, Some("delivered"), 5),
        (Some("dst_2"), Some("dead_letter"), 0),
    ] {
        let mut filter = DeliveryFilter {
            destination: destination.map(str::to_owned),
            status: status.map(str::to_owned),
            after: None,
            limit: 3,
        };
        let mut seen = Vec::new();
        loop {
            let page = store
                .deliveries(&org, "ses_1", filter.clone())
                .await
                .unwrap();
            filter.after = page.last().map(|row| (row.destination.clone(), row.seq));
            seen.extend(page.iter().map(DeliveryRow::id));
            if page.len() < 3 {
                break;
            }
        }
        let all = seen.len();
        seen.dedup();
        assert_eq!((all, seen.len()), (want, want));
    }
}
