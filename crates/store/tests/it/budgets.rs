//! Budgets: whatever happens in whatever order, what is spent and reserved
//! together stays within every cap, and nearly all of a cap can be used.

use proptest::prelude::*;
use session::{Millis, Usd};
use store::{Amount, Append, Cap, Error, LeaseChange, Reservation, Reserved, Store, Wish};
use tokio::task::JoinSet;

use crate::bed::{Bed, ORG, born, both, next, project};

both!(
    a_reservation_never_goes_beyond_what_is_left,
    every_cap_of_the_tree_holds,
    a_new_reservation_replaces_the_old_one,
    what_nobody_told_of_is_used_up_whatever_is_asked_next,
    a_reservation_is_read_back_by_who_takes_over,
    who_drove_a_session_that_is_gone_tells_what_it_used,
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

/// A wish of the first lease, which tells nothing of the call before.
fn wish(id: &str, caps: &[Cap], least: u64, most: u64) -> Wish {
    Wish {
        session: id.to_owned(),
        epoch: 1,
        caps: caps.to_vec(),
        input: least,
        least: tokens(least),
        most: tokens(most),
        before: None,
    }
}

async fn reserve(store: &Store, id: &str, caps: &[Cap], least: u64, most: u64) -> Option<u64> {
    granted(store, wish(id, caps, least, most)).await
}

async fn granted(store: &Store, wish: Wish) -> Option<u64> {
    match store.reserve(wish).await.unwrap() {
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
    let granted = store.reserve(wish("ses_1", &caps, 1, 90)).await;
    let want = Amount {
        tokens: 40,
        usd: Usd(50),
    };
    assert_eq!(granted.unwrap(), Reserved::Granted(want));
    let again = Wish {
        before: Some(Amount::default()),
        ..wish("ses_1", &caps, 41, 90)
    };
    let refused = store.reserve(again).await;
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
    let unused = |caps: &[Cap]| Wish {
        before: Some(Amount::default()),
        ..wish("ses_1", caps, 1, 100)
    };
    for _ in 0..5 {
        let caps = [day.clone(), month.clone()];
        assert_eq!(granted(&store, unused(&caps)).await, Some(100));
    }
    // At midnight the call is under another cap.
    let caps = [next_day.clone(), month.clone()];
    assert_eq!(granted(&store, unused(&caps)).await, Some(100));
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
        let wish = wish(id, &caps, 1, 9);
        let lost = store.reserve(Wish { epoch, ..wish }).await;
        assert!(matches!(lost, Err(Error::Fenced)), "{id} {epoch}");
    }
}

async fn what_nobody_told_of_is_used_up_whatever_is_asked_next(bed: Bed) {
    let store = bed.open().await;
    for id in ["ses_1", "ses_2"] {
        leased(&store, id).await;
    }
    let caps = [cap("org", 100)];
    assert_eq!(reserve(&store, "ses_1", &caps, 1, 70).await, Some(70));
    // The next call would be larger than what is left: it is refused, and the
    // one before counts all the same.
    assert_eq!(reserve(&store, "ses_1", &caps, 31, 90).await, None);
    assert_eq!(spent(&store, &caps[0]).await, 70);
    assert_eq!(reserve(&store, "ses_1", &[], 31, 90).await, Some(90));
    assert_eq!(spent(&store, &caps[0]).await, 70, "counted once");
    assert_eq!(reserve(&store, "ses_2", &caps, 1, 90).await, Some(30));
}

async fn a_reservation_is_read_back_by_who_takes_over(bed: Bed) {
    let store = bed.open().await;
    leased(&store, "ses_1").await;
    assert_eq!(store.reservation("ses_1").await.unwrap(), None);
    for caps in [&[][..], &[cap("org", 50)]] {
        let most = caps.first().map_or(90, |_| 50);
        assert_eq!(reserve(&store, "ses_1", caps, 20, 90).await, Some(most));
        let left = store.reservation("ses_1").await.unwrap();
        let want = Reservation {
            input: 20,
            amount: Amount {
                tokens: most,
                usd: Usd(180),
            },
        };
        assert_eq!(left, Some(want));
    }
    settle(&store, "ses_1", 1, 50).await;
    assert_eq!(store.reservation("ses_1").await.unwrap(), None);
}

async fn who_drove_a_session_that_is_gone_tells_what_it_used(bed: Bed) {
    let store = bed.open().await;
    let caps = [cap("org", 1000)];
    for id in ["ses_1", "ses_2", "ses_3", "ses_4"] {
        leased(&store, id).await;
        reserve(&store, id, &caps, 1, 100).await;
    }
    // One that goes on is charged by who drives it then.
    store.settle_gone("ses_1", 1, tokens(1)).await.unwrap();
    assert_eq!(spent(&store, &caps[0]).await, 0);
    let archive = Append {
        project: project(2, false),
        ..next("ses_1", 1)
    };
    store.append(archive).await.unwrap();
    store.erase(ORG, "ses_2", Millis(3000)).await.unwrap();
    assert_eq!(spent(&store, &caps[0]).await, 0, "its node lives");
    for id in ["ses_1", "ses_2"] {
        store.settle_gone(id, 2, tokens(1)).await.unwrap();
        for _ in 0..2 {
            store.settle_gone(id, 1, tokens(30)).await.unwrap();
        }
    }
    assert_eq!(spent(&store, &caps[0]).await, 60);
    // Where nobody lives who could tell, nobody waits to be told.
    store.erase(ORG, "ses_3", Millis(9000)).await.unwrap();
    assert_eq!(spent(&store, &caps[0]).await, 160);
    store.release("ses_4", 1).await.unwrap();
    store.erase(ORG, "ses_4", Millis(3000)).await.unwrap();
    assert_eq!(spent(&store, &caps[0]).await, 260);
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
                let granted = match store.reserve(wish(&id, &caps, 5, 60)).await {
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
    /// At this moment: while its node lives, or later.
    Erase {
        session: u8,
        at: i64,
    },
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let session = || 0..4u8;
    prop_oneof![
        6 => (session(), 0..60u64, 0..200u64, 0..8u8)
            .prop_map(|(session, least, most, caps)| Step::Reserve { session, least, most: most.max(least), caps }),
        4 => (session(), 0..=100u64).prop_map(|(session, part)| Step::Settle { session, part }),
        2 => session().prop_map(|session| Step::Crash { session }),
        1 => session().prop_map(|session| Step::Rest { session }),
        1 => (session(), 1..4i64).prop_map(|(session, at)| Step::Erase { session, at: at * 3000 }),
        1 => Just(Step::Sweep),
    ]
}

const CAPS: [u64; 3] = [500, 300, 200];

/// A session, and the call that it makes.
#[derive(Default)]
struct Driven {
    head: u64,
    epoch: u64,
    call: Option<Flying>,
    erased: bool,
}

/// A call that was granted and not settled. If its driver died it used all that
/// it might.
struct Flying {
    granted: u64,
    caps: u8,
    died: bool,
}

/// A play: what the store keeps count of, and what was really used.
struct Play {
    store: Store,
    caps: Vec<Cap>,
    driven: Vec<Driven>,
    used: [u64; 3],
}

async fn plays(bed: Bed, steps: &[Step]) -> Vec<u64> {
    let store = bed.open().await;
    let names = ["org", "agent", "session"];
    let mut play = Play {
        caps: names
            .iter()
            .zip(CAPS)
            .map(|(n, most)| cap(n, most))
            .collect(),
        driven: Vec::new(),
        used: [0; 3],
        store,
    };
    for n in 0..4 {
        let epoch = leased(&play.store, &format!("ses_{n}")).await;
        play.driven.push(Driven {
            head: 1,
            epoch,
            ..Driven::default()
        });
    }
    for step in steps {
        play.take(step).await;
        play.check(step).await;
    }
    let mut sums = Vec::new();
    for cap in &play.caps {
        sums.push(spent(&play.store, cap).await);
    }
    play.store.close().await;
    sums
}

impl Play {
    async fn check(&self, step: &Step) {
        for (n, most) in CAPS.into_iter().enumerate() {
            let spent = spent(&self.store, &self.caps[n]).await;
            let calls = self.driven.iter().filter_map(|one| one.call.as_ref());
            let calls = calls.filter(|call| call.caps & (1 << n) != 0);
            let held: u64 = calls.map(|call| call.granted).sum();
            let used = self.used[n];
            assert!(spent + held <= most, "{step:?}: {spent} and {held}");
            assert!(used <= most, "{step:?}: {used} were used of {most}");
            assert!(used <= spent + held, "{step:?}: {used} of {spent}, {held}");
        }
    }

    /// So much was really used by the call of a session.
    fn uses(&mut self, caps: u8, tokens: u64) {
        for (n, used) in self.used.iter_mut().enumerate() {
            *used += if caps & (1 << n) == 0 { 0 } else { tokens };
        }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Reserve {
                session,
                least,
                most,
                caps,
            } => self.reserve(*session, (*least, *most), *caps).await,
            Step::Settle { session, part } => self.settle(*session, *part).await,
            Step::Crash { session } => self.crash(*session).await,
            Step::Rest { session } => {
                self.grow(*session, None, true).await;
                self.sweep().await;
                self.grow(*session, None, false).await;
            }
            Step::Erase { session, at } => {
                let id = format!("ses_{session}");
                let erased = self.store.erase(ORG, &id, Millis(*at)).await;
                let one = &mut self.driven[usize::from(*session)];
                assert_eq!(erased.is_ok(), !one.erased);
                one.erased = true;
                self.lapsed().await;
            }
            Step::Sweep => self.sweep().await,
        }
    }

    async fn reserve(&mut self, session: u8, (least, most): (u64, u64), caps: u8) {
        let one = &mut self.driven[usize::from(session)];
        let under = self.caps.iter().enumerate();
        let under = under.filter(|(n, _)| caps & (1 << n) != 0);
        let under: Vec<_> = under.map(|(_, cap)| cap.clone()).collect();
        let wish = Wish {
            epoch: one.epoch,
            ..wish(&format!("ses_{session}"), &under, least, most)
        };
        let answer = self.store.reserve(wish).await;
        let before = match &answer {
            Ok(_) => one.call.take(),
            Err(error) => {
                assert!(one.erased && matches!(error, Error::Fenced));
                None
            }
        };
        if let Ok(Reserved::Granted(granted)) = answer {
            let granted = granted.tokens;
            assert!(granted >= least && granted <= most);
            one.call = Some(Flying {
                granted,
                caps,
                died: false,
            });
        }
        // Nobody told of it, so it may have used all.
        if let Some(before) = before.filter(|call| !call.died) {
            self.uses(before.caps, before.granted);
        }
    }

    /// The driver tells what its call used, or what that of a dead one can have used.
    async fn settle(&mut self, session: u8, part: u64) {
        let call = self.driven[usize::from(session)].call.take();
        let Some(call) = call else {
            return self.grow(session, Some(0), false).await;
        };
        let id = format!("ses_{session}");
        let left = self.store.reservation(&id).await.unwrap();
        if let Some(left) = left {
            assert_eq!(left.amount.tokens, call.granted);
        }
        let used = if call.died {
            call.granted
        } else {
            call.granted * part / 100
        };
        if !call.died {
            self.uses(call.caps, used);
        }
        let one = &self.driven[usize::from(session)];
        if one.erased {
            let (epoch, used) = (one.epoch, tokens(used));
            self.store.settle_gone(&id, epoch, used).await.unwrap();
        } else {
            self.grow(session, Some(used), false).await;
        }
    }

    async fn crash(&mut self, session: u8) {
        let (one, id) = (
            &mut self.driven[usize::from(session)],
            format!("ses_{session}"),
        );
        self.store.release(&id, one.epoch).await.unwrap();
        let claimed = self.store.claim_one(&id, "b", Millis(5000), Millis(9000));
        if let Some(claimed) = claimed.await.unwrap() {
            one.epoch = claimed.row.epoch;
        }
        let died = one.call.as_mut().filter(|call| !call.died);
        let used = died.map(|call| {
            call.died = true;
            (call.caps, call.granted)
        });
        if let Some((caps, granted)) = used {
            self.uses(caps, granted);
        }
    }

    async fn sweep(&mut self) {
        self.store.sweep(Millis(2000), 1).await.unwrap();
        self.lapsed().await;
    }

    /// What the store took as used up, because nobody will settle it.
    async fn lapsed(&mut self) {
        for n in 0..self.driven.len() {
            let left = self.store.reservation(&format!("ses_{n}")).await.unwrap();
            let swept = self.driven[n].call.take_if(|_| left.is_none());
            if let Some(call) = swept.filter(|call| !call.died) {
                self.uses(call.caps, call.granted);
            }
        }
    }

    async fn grow(&mut self, session: u8, used: Option<u64>, rest: bool) {
        let (one, id) = (
            &mut self.driven[usize::from(session)],
            format!("ses_{session}"),
        );
        let append = Append {
            epoch: Some(one.epoch),
            settle: used.map(tokens),
            project: project(one.head + 1, !rest),
            ..next(&id, one.head)
        };
        match self.store.append(append).await {
            Ok(_) => one.head += 1,
            Err(error) => assert!(one.erased && matches!(error, Error::Fenced), "{error}"),
        }
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
