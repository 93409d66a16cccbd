//! The same random history on both databases gives the same answers.

use std::fmt::Debug;

use proptest::prelude::*;
use session::Millis;
use store::{
    Append, Begins, Birth, Dedupe, Error, EventQuery, LeaseChange, NewSession, Once, Page, Quota,
    SessionFilter, Store,
};

use crate::bed::{Bed, ORG, draft, new, next, project};

/// Something a caller does.
#[derive(Debug, Clone)]
enum Step {
    Create {
        session: u8,
        key: Option<u8>,
        request: u8,
        born: bool,
    },
    Append {
        session: u8,
        off: i8,
        epoch: Option<u8>,
        count: u8,
        rest: bool,
        key: Option<u8>,
    },
    Claim {
        node: u8,
        limit: u8,
    },
    ClaimOne {
        session: u8,
        node: u8,
    },
    Renew {
        node: u8,
        session: u8,
        epoch: u8,
    },
    Release {
        session: u8,
        epoch: u8,
    },
    Wait {
        ms: u16,
    },
    Look {
        session: u8,
        after: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let maybe = |most: u8| proptest::option::of(0..most);
    prop_oneof![
        3 => (0..6u8, maybe(3), 0..2u8, any::<bool>())
            .prop_map(|(session, key, request, born)| Step::Create { session, key, request, born }),
        8 => (0..6u8, prop_oneof![6 => Just(0i8), 1 => -1..2i8], maybe(4), 1..4u8, any::<bool>(), maybe(5))
            .prop_map(|(session, off, epoch, count, rest, key)| Step::Append { session, off, epoch, count, rest, key }),
        3 => (0..3u8, 1..4u8).prop_map(|(node, limit)| Step::Claim { node, limit }),
        1 => (0..6u8, 0..3u8).prop_map(|(session, node)| Step::ClaimOne { session, node }),
        1 => (0..3u8, 0..6u8, 0..4u8).prop_map(|(node, session, epoch)| Step::Renew { node, session, epoch }),
        2 => (0..6u8, 0..4u8).prop_map(|(session, epoch)| Step::Release { session, epoch }),
        2 => (0..900u16).prop_map(|ms| Step::Wait { ms }),
        2 => (0..6u8, 0..9u8).prop_map(|(session, after)| Step::Look { session, after }),
    ]
}

fn quota() -> Quota {
    Quota {
        each: 2,
        ..Quota::default()
    }
}

fn id(session: u8) -> String {
    format!("ses_{session}")
}

/// An answer as text, and a refusal by what it is.
fn said<T: Debug>(answer: Result<T, Error>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error @ (Error::Database(_) | Error::Unavailable(_) | Error::Corrupt { .. })) => {
            panic!("{error}")
        }
        Err(error) => format!("{error:?}"),
    }
}

async fn take(store: &Store, step: Step, now: &mut i64) -> String {
    let until = |now: i64| Millis(now + 500);
    match step {
        Step::Create {
            session,
            key,
            request,
            born,
        } => said(
            store
                .create_session(asked(session, key, request, born, *now))
                .await,
        ),
        Step::Append {
            session,
            off,
            epoch,
            count,
            rest,
            key,
        } => {
            let wish = (off, epoch, count, rest, key);
            append(store, &id(session), wish, *now).await
        }
        Step::Claim { node, limit } => said(
            store
                .claim(
                    &format!("n{node}"),
                    Millis(*now),
                    until(*now),
                    limit.into(),
                    &quota(),
                )
                .await,
        ),
        Step::ClaimOne { session, node } => said(
            store
                .claim_one(&id(session), &format!("n{node}"), Millis(*now), until(*now))
                .await,
        ),
        Step::Renew {
            node,
            session,
            epoch,
        } => said(
            store
                .renew(
                    &format!("n{node}"),
                    &[(id(session), epoch.into())],
                    until(*now),
                )
                .await,
        ),
        Step::Release { session, epoch } => said(store.release(&id(session), epoch.into()).await),
        Step::Wait { ms } => {
            *now += i64::from(ms);
            String::new()
        }
        Step::Look { session, after } => said(
            store
                .events(
                    ORG,
                    &id(session),
                    EventQuery {
                        after: after.into(),
                        limit: 3,
                        ..EventQuery::default()
                    },
                )
                .await,
        ),
    }
}

/// Appends with a head that may be off, an epoch that may be old, and a key that
/// may have been used.
async fn append(
    store: &Store,
    session: &str,
    (off, epoch, count, rest, key): (i8, Option<u8>, u8, bool, Option<u8>),
    now: i64,
) -> String {
    let head = store.session(ORG, session).await.map_or(0, |row| row.head);
    let head = head.saturating_add_signed(off.into());
    let append = Append {
        session,
        epoch: epoch.map(u64::from),
        at: Millis(now),
        drafts: vec![draft("user.message"); count.into()],
        project: project(head + u64::from(count), !rest),
        lease: if rest {
            LeaseChange::Release
        } else {
            LeaseChange::Keep
        },
        dedupe: key.map(|key| Dedupe {
            key: key.to_string(),
        }),
        ..next("", head)
    };
    said(store.append(append).await)
}

fn asked(session: u8, key: Option<u8>, request: u8, born: bool, now: i64) -> NewSession {
    NewSession {
        at: Millis(now),
        once: key.map(|key| Once {
            scope: "session.key",
            key: key.to_string(),
            request: request.to_string(),
        }),
        birth: born.then(|| Birth {
            node: "n0".to_owned(),
            until: Millis(now + 500),
            most: 2,
        }),
        begins: born.then(|| Begins {
            drafts: vec![draft("begun")],
            project: project(2, true),
        }),
        // An id is made once in earnest; here it is the key that repeats.
        ..new(&format!("ses_{session}"))
    }
}

/// Everything there is, as text.
async fn everything(store: &Store) -> String {
    let rows = store
        .sessions(
            ORG,
            SessionFilter::default(),
            Page {
                after: None,
                limit: 100,
            },
        )
        .await
        .unwrap();
    let mut all = format!("{rows:?}\n");
    for row in rows.rows {
        all += &format!("{:?}\n", store.fold_source(&row.id, 0).await.unwrap());
    }
    let stats = store.stats().await.unwrap();
    all + &format!("{:?} {}", stats.sessions, stats.due)
}

async fn answers(bed: Bed, steps: &[Step]) -> Vec<String> {
    let store = bed.open().await;
    let mut now = 1000;
    let mut made = std::collections::HashSet::new();
    let mut answers = Vec::new();
    for step in steps {
        // A fresh id is never used twice.
        if let Step::Create { session, .. } = step
            && !made.insert(*session)
        {
            continue;
        }
        answers.push(format!(
            "{step:?}: {}",
            take(&store, step.clone(), &mut now).await
        ));
    }
    answers.push(everything(&store).await);
    store.close().await;
    answers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_databases_answer_alike(steps in proptest::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (a, b) = runtime.block_on(async {
            (answers(Bed::sqlite(), &steps).await, answers(Bed::postgres(), &steps).await)
        });
        for (a, b) in a.iter().zip(&b) {
            prop_assert_eq!(a, b);
        }
    }
}
