//! Turns as the log tells them.

use session::{Draft, id};
use store::{Append, Error, Store};

use crate::bed::{Bed, ORG, born, both, draft, next, project};

both!(turns_are_listed_newest_first, one_turn_by_its_number);

/// Three turns, with other events between; the last one runs.
async fn three(store: &Store) {
    born(store, "ses_1").await;
    let of = |kind: &str, number| Draft {
        turn: Some(id::turn("ses_1", number)),
        ..draft(kind)
    };
    let mut drafts = Vec::new();
    for number in 1..=3 {
        drafts.push(of("turn.started", number));
        drafts.push(of("tool.call", number));
        if number < 3 {
            drafts.push(of("turn.completed", number));
        }
        drafts.push(draft("user.message"));
    }
    let head = 1 + drafts.len() as u64;
    store
        .append(Append {
            drafts,
            project: project(head, true),
            ..next("ses_1", 1)
        })
        .await
        .unwrap();
}

async fn numbers(store: &Store, before: Option<u32>, limit: usize) -> Vec<(u32, bool)> {
    let turns = store.turns(ORG, "ses_1", before, limit).await.unwrap();
    turns
        .iter()
        .map(|turn| (turn.number, turn.completed.is_some()))
        .collect()
}

async fn turns_are_listed_newest_first(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_0").await;
    assert!(store.turns(ORG, "ses_0", None, 9).await.unwrap().is_empty());
    three(&store).await;
    let table = [
        (None, 9, vec![(3, false), (2, true), (1, true)]),
        (None, 1, vec![(3, false)]),
        (None, 2, vec![(3, false), (2, true)]),
        (Some(3), 9, vec![(2, true), (1, true)]),
        (Some(3), 1, vec![(2, true)]),
        (Some(1), 9, vec![]),
        (Some(7), 9, vec![]),
    ];
    for (before, limit, want) in table {
        assert_eq!(
            numbers(&store, before, limit).await,
            want,
            "{before:?} {limit}"
        );
    }
}

async fn one_turn_by_its_number(bed: Bed) {
    let store = bed.open().await;
    three(&store).await;
    let turn = store.turn(ORG, "ses_1", 2).await.unwrap();
    assert_eq!((turn.number, turn.started.event.seq), (2, 6));
    assert_eq!(turn.completed.unwrap().event.seq, 8);
    assert!(
        store
            .turn(ORG, "ses_1", 3)
            .await
            .unwrap()
            .completed
            .is_none()
    );
    for number in [0, 4] {
        assert!(matches!(
            store.turn(ORG, "ses_1", number).await,
            Err(Error::NotFound)
        ));
    }
    assert!(matches!(
        store.turns("org_2", "ses_1", None, 9).await,
        Err(Error::NotFound)
    ));
}
