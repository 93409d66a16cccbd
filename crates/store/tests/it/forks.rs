//! Forks: exactly the parent's prefix and then their own facts, forks of forks
//! too, whoever reads and however.

use proptest::prelude::*;
use serde_json::json;
use session::{Draft, Level, id};
use store::{Append, Created, Error, EventQuery, NewSession, Origin, Store};

use crate::bed::{Bed, ORG, both, draft, new, next, object, project};

both!(
    a_fork_reads_the_prefix_and_then_its_own,
    a_fork_beyond_the_head_is_refused,
    a_fork_of_nothing_is_refused,
    turns_of_the_prefix_are_the_forks_too,
    a_follower_of_a_fork_reads_on_across_the_seam,
    what_the_parent_does_later_is_not_the_forks,
);

/// A fact that can be told from every other.
fn said(text: &str) -> Draft {
    Draft {
        body: object(json!({ "text": text })),
        ..draft("user.message")
    }
}

pub fn fork_of(id: &str, session: &str, seq: u64) -> NewSession {
    NewSession {
        drafts: vec![said(&format!("{id} begins"))],
        project: project(seq + 1, true),
        origin: Some(Origin {
            session: session.to_owned(),
            seq,
            files: None,
        }),
        ..new(id)
    }
}

/// Id and text of each event, as a reader of pages of that size sees them.
async fn read(store: &Store, session: &str, after: u64, page: usize) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    let mut at = after;
    loop {
        let query = EventQuery {
            after: at,
            limit: page,
            ..EventQuery::default()
        };
        let events = store.events(ORG, session, query).await.unwrap();
        for event in &events {
            at += 1;
            assert_eq!(
                (event.event.seq, event.event.session.as_str()),
                (at, session)
            );
            let text = event.event.draft.body["text"].as_str().unwrap();
            seen.push((event.event.id.clone(), text.to_owned()));
        }
        if events.len() < page {
            return seen;
        }
    }
}

async fn say(store: &Store, session: &str, head: u64, text: &str) {
    let append = Append {
        drafts: vec![said(text)],
        ..next(session, head)
    };
    store.append(append).await.unwrap();
}

async fn long(store: &Store, id: &str, length: u64) {
    store.create_session(new(id)).await.unwrap();
    for head in 1..length {
        say(store, id, head, &format!("{id} {head}")).await;
    }
}

async fn a_fork_reads_the_prefix_and_then_its_own(bed: Bed) {
    let store = bed.open().await;
    long(&store, "ses_1", 5).await;
    let Created::New { row, events, .. } = store
        .create_session(fork_of("ses_2", "ses_1", 3))
        .await
        .unwrap()
    else {
        panic!("new")
    };
    assert_eq!((row.head, events[0].event.seq), (4, 4));
    say(&store, "ses_2", 4, "more").await;
    let mut want = read(&store, "ses_1", 0, 3).await;
    want.truncate(3);
    want.push((id::event("ses_2", 4), "ses_2 begins".to_owned()));
    want.push((id::event("ses_2", 5), "more".to_owned()));
    assert_eq!(read(&store, "ses_2", 0, 100).await, want);
    let parts = [
        (id::event("ses_1", 3), Some(3)),
        (id::event("ses_1", 4), None),
        (id::event("ses_2", 3), None),
        (id::event("ses_2", 4), Some(4)),
    ];
    for (named, seq) in parts {
        let found = store.event_named(ORG, "ses_2", &named).await;
        assert_eq!(found.ok(), seq, "{named}");
    }
    for (seq, (id, _)) in (1..).zip(&want) {
        assert_eq!(&store.event(ORG, "ses_2", seq).await.unwrap().event.id, id);
    }
    let filtered = EventQuery {
        level: Level::User,
        kind: Some(store::KindFilter::Prefix("user.".to_owned())),
        after: 2,
        limit: 2,
        ..EventQuery::default()
    };
    let filtered = store.events(ORG, "ses_2", filtered).await.unwrap();
    assert_eq!(crate::bed::seqs(&filtered), [3, 4]);
}

async fn a_fork_beyond_the_head_is_refused(bed: Bed) {
    let store = bed.open().await;
    long(&store, "ses_1", 2).await;
    let far = store.create_session(fork_of("ses_2", "ses_1", 3)).await;
    assert!(matches!(far, Err(Error::Stale { head: 2 })));
    let gone = store.session(ORG, "ses_2").await;
    assert!(matches!(gone, Err(Error::NotFound)), "nothing is half made");
}

async fn a_fork_of_nothing_is_refused(bed: Bed) {
    let store = bed.open().await;
    long(&store, "ses_1", 2).await;
    let none = store.create_session(fork_of("ses_2", "ses_0", 1)).await;
    assert!(matches!(none, Err(Error::NotFound)));
    let foreign = NewSession {
        org: "org_2".to_owned(),
        ..fork_of("ses_2", "ses_1", 1)
    };
    let foreign = store.create_session(foreign).await;
    assert!(matches!(foreign, Err(Error::NotFound)));
}

async fn turns_of_the_prefix_are_the_forks_too(bed: Bed) {
    let store = bed.open().await;
    long(&store, "ses_1", 1).await;
    let of = |session: &str, kind: &str, number| Draft {
        turn: Some(id::turn(session, number)),
        ..draft(kind)
    };
    let drafts = vec![
        of("ses_1", "turn.started", 1),
        of("ses_1", "turn.completed", 1),
        of("ses_1", "turn.started", 2),
        of("ses_1", "turn.completed", 2),
    ];
    let append = Append {
        drafts,
        ..next("ses_1", 1)
    };
    store.append(append).await.unwrap();
    // In the middle of the second turn, which the fork ends itself.
    let mut fork = fork_of("ses_2", "ses_1", 4);
    fork.drafts = vec![
        of("ses_2", "turn.completed", 2),
        of("ses_2", "turn.started", 3),
    ];
    store.create_session(fork).await.unwrap();
    let turns = store.turns(ORG, "ses_2", None, 9).await.unwrap();
    let seen: Vec<_> = turns
        .iter()
        .map(|turn| {
            let ended = turn.completed.as_ref().map(|event| event.event.seq);
            (turn.number, turn.started.event.seq, ended)
        })
        .collect();
    assert_eq!(seen, [(3, 6, None), (2, 4, Some(5)), (1, 2, Some(3))]);
    for turn in turns {
        let named = turn.started.event.draft.turn.clone().unwrap();
        let again = store.turn_named(ORG, "ses_2", &named).await.unwrap();
        assert_eq!(again.number, turn.number);
        let number = store.turn(ORG, "ses_2", turn.number).await.unwrap();
        assert_eq!(number.started.event, turn.started.event);
    }
    let before = store.turns(ORG, "ses_2", Some(3), 1).await.unwrap();
    assert_eq!(before[0].number, 2);
    let ended = store.turn(ORG, "ses_1", 2).await.unwrap();
    assert_eq!(
        ended.completed.unwrap().event.seq,
        5,
        "the parent's is its own"
    );
}

async fn a_follower_of_a_fork_reads_on_across_the_seam(bed: Bed) {
    let store = bed.open().await;
    long(&store, "ses_1", 40).await;
    store
        .create_session(fork_of("ses_2", "ses_1", 30))
        .await
        .unwrap();
    let mut follow = store.follow(ORG, "ses_2", 5).await.unwrap();
    for seq in 6..=31 {
        assert_eq!(follow.next().await.unwrap().event.seq, seq);
    }
    say(&store, "ses_1", 40, "not for the fork").await;
    say(&store, "ses_2", 31, "for the fork").await;
    let event = follow.next().await.unwrap();
    assert_eq!(event.event.draft.body["text"], "for the fork");
}

async fn what_the_parent_does_later_is_not_the_forks(bed: Bed) {
    let store = bed.open().await;
    long(&store, "ses_1", 3).await;
    store
        .create_session(fork_of("ses_2", "ses_1", 3))
        .await
        .unwrap();
    let before = read(&store, "ses_2", 0, 9).await;
    say(&store, "ses_1", 3, "later").await;
    assert_eq!(read(&store, "ses_2", 0, 9).await, before);
    assert_eq!(read(&store, "ses_1", 0, 9).await.len(), 4);
}

#[derive(Debug, Clone)]
enum Step {
    Say { session: usize, count: u8 },
    Fork { session: usize, back: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..9usize, 1..4u8).prop_map(|(session, count)| Step::Say { session, count }),
        1 => (0..9usize, 0..9u64).prop_map(|(session, back)| Step::Fork { session, back }),
    ]
}

/// What the log of each session must be, kept in the simplest way: by copying.
async fn plays(bed: Bed, steps: &[Step], page: usize) {
    let store = bed.open().await;
    let mut logs = vec![vec![(id::event("ses_0", 1), "hi".to_owned())]];
    store.create_session(new("ses_0")).await.unwrap();
    for (n, step) in steps.iter().enumerate() {
        match step {
            Step::Say { session, count } => {
                let at = session % logs.len();
                let (name, log) = (format!("ses_{at}"), &mut logs[at]);
                let texts: Vec<_> = (0..*count).map(|each| format!("{n}.{each}")).collect();
                let append = Append {
                    drafts: texts.iter().map(|text| said(text)).collect(),
                    ..next(&name, log.len() as u64)
                };
                store.append(append).await.unwrap();
                for text in texts {
                    log.push((id::event(&name, log.len() as u64 + 1), text));
                }
            }
            Step::Fork { session, back } => {
                let at = session % logs.len();
                let seq = (logs[at].len() as u64).saturating_sub(*back).max(1);
                let name = format!("ses_{}", logs.len());
                let wish = fork_of(&name, &format!("ses_{at}"), seq);
                store.create_session(wish).await.unwrap();
                let mut log = logs[at][..usize::try_from(seq).unwrap()].to_vec();
                log.push((id::event(&name, seq + 1), format!("{name} begins")));
                logs.push(log);
            }
        }
    }
    for (at, log) in logs.iter().enumerate() {
        let name = format!("ses_{at}");
        assert_eq!(&read(&store, &name, 0, page).await, log);
        let half = log.len() / 2;
        assert_eq!(read(&store, &name, half as u64, page).await, log[half..]);
        let folded = store.fold_source(&name, 0).await.unwrap();
        let folded: Vec<_> = folded.iter().map(|event| &event.event.id).collect();
        assert_eq!(folded, log.iter().map(|(id, _)| id).collect::<Vec<_>>());
    }
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fork_is_a_copy_that_was_never_made(steps in proptest::collection::vec(step(), 1..24), page in 1..9usize) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            plays(Bed::sqlite(), &steps, page).await;
            plays(Bed::postgres(), &steps, page).await;
        });
    }
}
