//! Budgets: whatever happens in whatever order, what is spent and reserved
//! together stays within every cap, and nearly all of a cap can be used.

use proptest::prelude::*;
use session::{Millis, Usd};
use store::{Amount, Append, Cap, Error, LeaseChange, Reserved, Store};
use tokio::task::JoinSet;

use crate::bed::{Bed, ORG, born, both, next, project};

both!(
    a_reservation_never_goes_beyond_what_is_left,
    every_cap_of_the_tree_holds,
    a_new_reservation_replaces_the_old_one,
    one_who_lost_the_lease_reserves_nothing,
    an_unsettled_one_counts_as_used_after_a_sweep,
    nearly_all_of_a_cap_can_be_used,
    many_at_once_stay_within_the_cap,
);

fn cap(scope: &str, tokens: u64) -> Cap {
    Cap {
        scope: scope.to_owned(),
        period: "2026-11".to_owned(),
        tokens: Some(tokens),
        usd: None,
    }
}

fn tokens(tokens: u64) -> Amount {
    Amount {
        tokens,
        usd: Usd(tokens * 2),
    }
}

/// A session with its lease; the epoch.
async fn leased(store: &Store, id: &str) -> u64 {
    born(store, id).await;
    let claimed = store.claim_one(id, "a", Millis(1000), Millis(9000)).await;
    claimed.unwrap().unwrap().row.epoch
}

async fn reserve(store: &Store, id: &str, caps: &[Cap], least: u64, most: u64) -> Option<u64> {
    let answer = store
        .reserve(id, 1, caps, tokens(least), tokens(most))
        .await;
    match answer.unwrap() {
        Reserved::Granted(granted) => Some(granted.tokens),
        Reserved::Spent { .. } | Reserved::Held { .. } => None,
    }
}

async fn settle(store: &Store, id: &str, head: u64, used: u64) {
    let append = Append {
        epoch: Some(1),
        settle: Some(tokens(used)),
        ..next(id, head)
    };
    store.append(append).await.unwrap();
}

async fn spent(store: &Store, cap: &Cap) -> u64 {
    let spent = store.caps_spent(std::slice::from_ref(cap)).await.unwrap();
    spent[0].tokens
}

async fn a_reservation_never_goes_beyond_what_is_left(bed: Bed) {
    let store = bed.open().await;
    let caps = [cap("org", 100)];
    for id in ["ses_1", "ses_2", "ses_3"] {
        leased(&store, id).await;
    }
    assert_eq!(reserve(&store, "ses_1", &caps, 1, 70).await, Some(70));
    assert_eq!(reserve(&store, "ses_2", &caps, 1, 70).await, Some(30));
    assert_eq!(reserve(&store, "ses_3", &caps, 1, 70).await, None);
    assert_eq!(spent(&store, &caps[0]).await, 0, "reserved is not spent");
    settle(&store, "ses_1", 1, 10).await;
    assert_eq!(spent(&store, &caps[0]).await, 10);
    assert_eq!(reserve(&store, "ses_3", &caps, 61, 70).await, None);
    assert_eq!(reserve(&store, "ses_3", &caps, 60, 70).await, Some(60));
    assert_eq!(
        reserve(&store, "ses_1", &[], 60, 70).await,
        Some(70),
        "no cap"
    );
}

async fn every_cap_of_the_tree_holds(bed: Bed) {
    let store = bed.open().await;
    leased(&store, "ses_1").await;
    let money = Cap {
        usd: Some(Usd(50)),
        tokens: None,
        ..cap("money", 0)
    };
    let caps = [cap("org", 100), cap("agent", 40), money];
    let granted = store
        .reserve("ses_1", 1, &caps, tokens(1), tokens(90))
        .await;
    let want = Amount {
        tokens: 40,
        usd: Usd(50),
    };
    assert_eq!(granted.unwrap(), Reserved::Granted(want));
    let refused = store
        .reserve("ses_1", 1, &caps, tokens(41), tokens(90))
        .await;
    let Reserved::Spent { scope, period } = refused.unwrap() else {
        panic!("it is too much for one of them")
    };
    assert_eq!((scope.as_str(), period.as_str()), ("agent", "2026-11"));
}

async fn a_new_reservation_replaces_the_old_one(bed: Bed) {
    let store = bed.open().await;
    leased(&store, "ses_1").await;
    let (day, next_day) = (cap("day", 100), cap("next day", 100));
    let month = cap("month", 150);
    for _ in 0..5 {
        let caps = [day.clone(), month.clone()];
        assert_eq!(reserve(&store, "ses_1", &caps, 1, 100).await, Some(100));
    }
    // At midnight the call is under another cap.
    let caps = [next_day.clone(), month.clone()];
    assert_eq!(reserve(&store, "ses_1", &caps, 1, 100).await, Some(100));
    settle(&store, "ses_1", 1, 80).await;
    settle(&store, "ses_1", 2, 80).await;
    for (cap, used) in [(day, 0), (next_day, 80), (month, 80)] {
        assert_eq!(spent(&store, &cap).await, used, "{}", cap.scope);
    }
}

async fn one_who_lost_the_lease_reserves_nothing(bed: Bed) {
    let store = bed.open().await;
    leased(&store, "ses_1").await;
    let caps = [cap("org", 100)];
    for (id, epoch) in [("ses_1", 0), ("ses_1", 2), ("ses_0", 1)] {
        let lost = store.reserve(id, epoch, &caps, tokens(1), tokens(9)).await;
        assert!(matches!(lost, Err(Error::Fenced)), "{id} {epoch}");
    }
}

async fn an_unsettled_one_counts_as_used_after_a_sweep(bed: Bed) {
    let store = bed.open().await;
    leased(&store, "ses_1").await;
    let caps = [cap("org", 100)];
    reserve(&store, "ses_1", &caps, 1, 30).await;
    assert_eq!(store.sweep(Millis(2000), 1).await.unwrap().reservations, 0);
    let rest = Append {
        epoch: Some(1),
        project: project(2, false),
        lease: LeaseChange::Release,
        ..next("ses_1", 1)
    };
    store.append(rest).await.unwrap();
    assert_eq!(store.sweep(Millis(2000), 1).await.unwrap().reservations, 1);
    assert_eq!(store.sweep(Millis(2000), 1).await.unwrap().reservations, 0);
    assert_eq!(spent(&store, &caps[0]).await, 30);
}

async fn nearly_all_of_a_cap_can_be_used(bed: Bed) {
    let store = bed.open().await;
    leased(&store, "ses_1").await;
    let caps = [cap("org", 100_000)];
    let (mut head, mut used) = (1, 0);
    // Each call asks for far more than it needs; the last ones get what is left.
    while let Some(granted) = reserve(&store, "ses_1", &caps, 500, 40_000).await {
        let uses = granted.min(3_000);
        settle(&store, "ses_1", head, uses).await;
        used += uses;
        head += 1;
    }
    assert_eq!(spent(&store, &caps[0]).await, used);
    assert!((95_000..=100_000).contains(&used), "{used}");
}

async fn many_at_once_stay_within_the_cap(bed: Bed) {
    let store = bed.open().await;
    let caps = [cap("org", 1000), cap("agent", 900)];
    let mut sessions = JoinSet::new();
    for n in 0..8 {
        let (store, caps) = (store.clone(), caps.clone());
        sessions.spawn(async move {
            let id = format!("ses_{n}");
            leased(&store, &id).await;
            let (mut head, mut used) = (1, 0);
            loop {
                let granted = match store.reserve(&id, 1, &caps, tokens(5), tokens(60)).await {
                    Ok(Reserved::Granted(granted)) => granted.tokens,
                    Ok(Reserved::Spent { .. }) => break,
                    Ok(Reserved::Held { .. }) => {
                        tokio::task::yield_now().await;
                        continue;
                    }
                    Err(error) => panic!("{error}"),
                };
                settle(&store, &id, head, granted).await;
                used += granted;
                head += 1;
            }
            used
        });
    }
    let used: u64 = sessions.join_all().await.into_iter().sum();
    assert!((895..=900).contains(&used), "{used}");
    for cap in &caps {
        assert_eq!(spent(&store, cap).await, used);
    }
}

/// What may happen to a session's reservation.
#[derive(Debug, Clone)]
enum Step {
    Reserve {
        session: u8,
        least: u64,
        most: u64,
        caps: u8,
    },
    Settle {
        session: u8,
        part: u64,
    },
    /// Its driver dies, and another takes it up and reserves anew or not.
    Crash {
        session: u8,
    },
    Rest {
        session: u8,
    },
    Erase {
        session: u8,
    },
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let session = || 0..4u8;
    prop_oneof![
        6 => (session(), 0..30u64, 0..200u64, 1..8u8)
            .prop_map(|(session, least, most, caps)| Step::Reserve { session, least, most: most.max(least), caps }),
        4 => (session(), 0..=100u64).prop_map(|(session, part)| Step::Settle { session, part }),
        2 => session().prop_map(|session| Step::Crash { session }),
        1 => session().prop_map(|session| Step::Rest { session }),
        1 => session().prop_map(|session| Step::Erase { session }),
        1 => Just(Step::Sweep),
    ]
}

/// A session as its driver knows it.
#[derive(Default)]
struct Driven {
    head: u64,
    epoch: u64,
    granted: u64,
    erased: bool,
}

async fn plays(bed: Bed, steps: &[Step]) -> Vec<u64> {
    let store = bed.open().await;
    let caps = [cap("org", 500), cap("agent", 300), cap("session", 200)];
    let mut driven: Vec<Driven> = Vec::new();
    for n in 0..4 {
        let epoch = leased(&store, &format!("ses_{n}")).await;
        driven.push(Driven {
            head: 1,
            epoch,
            ..Driven::default()
        });
    }
    for step in steps {
        take(&store, &caps, &mut driven, step).await;
        for (cap, most) in caps.iter().zip([500, 300, 200]) {
            assert!(spent(&store, cap).await <= most, "{step:?}");
        }
    }
    let mut sums = Vec::new();
    for cap in &caps {
        sums.push(spent(&store, cap).await);
    }
    store.close().await;
    sums
}

async fn take(store: &Store, caps: &[Cap], driven: &mut [Driven], step: &Step) {
    let of = |session: &u8| (usize::from(*session), format!("ses_{session}"));
    match step {
        Step::Reserve {
            session,
            least,
            most,
            caps: bits,
        } => {
            let (at, id) = of(session);
            let under = caps.iter().enumerate();
            let under: Vec<_> = under
                .filter(|(n, _)| bits & (1 << n) != 0)
                .map(|(_, cap)| cap.clone())
                .collect();
            let wish = (tokens(*least), tokens(*most));
            match store
                .reserve(&id, driven[at].epoch, &under, wish.0, wish.1)
                .await
            {
                Ok(Reserved::Granted(granted)) => {
                    assert!(granted.tokens >= *least && granted.tokens <= *most);
                    driven[at].granted = granted.tokens;
                }
                Ok(Reserved::Spent { .. } | Reserved::Held { .. }) => driven[at].granted = 0,
                Err(error) => assert!(driven[at].erased && matches!(error, Error::Fenced)),
            }
        }
        Step::Settle { session, part } => {
            let (at, id) = of(session);
            let used = driven[at].granted * part / 100;
            grow(store, &mut driven[at], &id, Some(used), false).await;
        }
        Step::Crash { session } => {
            let (at, id) = of(session);
            store.release(&id, driven[at].epoch).await.unwrap();
            let claimed = store.claim_one(&id, "b", Millis(5000), Millis(9000)).await;
            if let Some(claimed) = claimed.unwrap() {
                driven[at].epoch = claimed.row.epoch;
            }
        }
        Step::Rest { session } => {
            let (at, id) = of(session);
            grow(store, &mut driven[at], &id, None, true).await;
            store.sweep(Millis(2000), 1).await.unwrap();
            grow(store, &mut driven[at], &id, None, false).await;
        }
        Step::Erase { session } => {
            let (at, id) = of(session);
            let erased = store.erase(ORG, &id, Millis(3000)).await;
            assert_eq!(erased.is_ok(), !driven[at].erased);
            driven[at].erased = true;
        }
        Step::Sweep => drop(store.sweep(Millis(2000), 1).await.unwrap()),
    }
}

async fn grow(store: &Store, driven: &mut Driven, id: &str, used: Option<u64>, rest: bool) {
    let append = Append {
        epoch: Some(driven.epoch),
        settle: used.map(tokens),
        project: project(driven.head + 1, !rest),
        ..next(id, driven.head)
    };
    match store.append(append).await {
        Ok(_) => driven.head += 1,
        Err(error) => assert!(driven.erased && matches!(error, Error::Fenced), "{error}"),
    }
    if used.is_some() {
        driven.granted = 0;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_things_overshoots_a_cap(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (a, b) = runtime.block_on(async {
            (plays(Bed::sqlite(), &steps).await, plays(Bed::postgres(), &steps).await)
        });
        prop_assert_eq!(a, b);
    }
}
