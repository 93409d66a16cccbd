//! Making sessions: what is kept, requests that are made once, births with a
//! lease.

use session::{Frozen, Millis};
use store::{Begins, Birth, Created, Error, NewSession, Once, Quota, SessionRow};

use crate::bed::{Bed, ORG, both, draft, new, project, seqs};

both!(
    a_session_is_kept_exactly,
    a_session_is_its_owners_alone,
    the_same_request_finds_the_same_session,
    one_of_many_equal_requests_makes_it,
    a_birth_brings_the_lease,
    a_turn_begins_with_a_birth_only_if_that_brings_the_lease,
);

fn made(created: Created) -> SessionRow {
    match created {
        Created::New { row, .. } => *row,
        other => panic!("{other:?}"),
    }
}

async fn a_session_is_kept_exactly(bed: Bed) {
    let store = bed.open().await;
    let metadata = r#"{ "b":1,"a" : [1.0, 1e2, "\u0000é"], "b":2 }"#;
    let asked = NewSession {
        key: Some("chat 7".to_owned()),
        frozen: Frozen {
            prompt: "line\n\0 é \u{1F980}".to_owned(),
            ..new("x").frozen
        },
        metadata: Some(metadata.to_owned()),
        ..new("ses_1")
    };
    let frozen = asked.frozen.clone();
    let Created::New { row, events, .. } = store.create_session(asked).await.unwrap() else {
        panic!("new")
    };
    assert_eq!(seqs(&events), [1]);
    let read = store.session(ORG, "ses_1").await.unwrap();
    assert_eq!(read, *row);
    assert_eq!(read.frozen, frozen);
    assert_eq!(read.metadata.as_deref(), Some(metadata), "byte for byte");
    assert_eq!(
        (read.status.as_str(), read.head, read.epoch),
        ("queued", 1, 0)
    );
    assert_eq!(read.key.as_deref(), Some("chat 7"));
}

async fn a_session_is_its_owners_alone(bed: Bed) {
    let store = bed.open().await;
    made(store.create_session(new("ses_1")).await.unwrap());
    assert!(matches!(
        store.session("org_2", "ses_1").await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        store.event("org_2", "ses_1", 1).await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        store.follow("org_2", "ses_1", 0).await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        store.turn("org_2", "ses_1", 1).await,
        Err(Error::NotFound)
    ));
}

fn once(id: &str, request: &str) -> NewSession {
    NewSession {
        once: Some(Once {
            scope: "session.key",
            key: "k".to_owned(),
            request: request.to_owned(),
        }),
        ..new(id)
    }
}

async fn the_same_request_finds_the_same_session(bed: Bed) {
    let store = bed.open().await;
    made(store.create_session(once("ses_1", "a")).await.unwrap());
    match store.create_session(once("ses_2", "a")).await.unwrap() {
        Created::Replay(row) => assert_eq!(row.id, "ses_1"),
        other => panic!("{other:?}"),
    }
    match store.create_session(once("ses_3", "b")).await.unwrap() {
        Created::Conflict(row) => assert_eq!(row.id, "ses_1"),
        other => panic!("{other:?}"),
    }
    // Another org's keys, and keys of another kind, are others.
    made(
        store
            .create_session(NewSession {
                org: "org_2".to_owned(),
                ..once("ses_4", "b")
            })
            .await
            .unwrap(),
    );
    let mut header = once("ses_5", "b");
    header.once.as_mut().unwrap().scope = "session.header";
    made(store.create_session(header).await.unwrap());
    assert!(matches!(
        store.session(ORG, "ses_2").await,
        Err(Error::NotFound)
    ));
}

async fn one_of_many_equal_requests_makes_it(bed: Bed) {
    let store = bed.open().await;
    let asked = (0..16).map(|n| store.create_session(once(&format!("ses_{n}"), "a")));
    let answers = futures::future::try_join_all(asked).await.unwrap();
    let news = answers
        .iter()
        .filter(|answer| matches!(answer, Created::New { .. }))
        .count();
    assert_eq!(news, 1);
    let ids: std::collections::BTreeSet<_> = answers
        .iter()
        .map(|answer| match answer {
            Created::New { row, .. } | Created::Replay(row) | Created::Conflict(row) => {
                row.id.clone()
            }
        })
        .collect();
    assert_eq!(ids.len(), 1, "all were told the same session");
}

async fn a_birth_brings_the_lease(bed: Bed) {
    let store = bed.open().await;
    let birth = Some(Birth {
        node: "node_a".to_owned(),
        until: Millis(5000),
        most: usize::MAX,
    });
    let row = made(
        store
            .create_session(NewSession {
                birth,
                ..new("ses_1")
            })
            .await
            .unwrap(),
    );
    assert_eq!(row.epoch, 1);
    assert!(
        store
            .claim("node_b", Millis(4999), Millis(9000), 9, &Quota::default())
            .await
            .unwrap()
            .is_empty()
    );
    let taken = store
        .claim("node_b", Millis(5000), Millis(9000), 9, &Quota::default())
        .await
        .unwrap();
    assert_eq!(taken[0].row.epoch, 2);
}

async fn a_turn_begins_with_a_birth_only_if_that_brings_the_lease(bed: Bed) {
    let store = bed.open().await;
    let born = |id: &str, most| NewSession {
        birth: Some(Birth {
            node: "node_a".to_owned(),
            until: Millis(5000),
            most,
        }),
        begins: Some(Begins {
            drafts: vec![draft("b"), draft("c")],
            project: project(3, true),
        }),
        ..new(id)
    };
    for (id, most, head) in [("ses_1", 1, 3), ("ses_2", 1, 1), ("ses_3", 9, 1)] {
        let created = store.create_session(born(id, most)).await.unwrap();
        let Created::New {
            row,
            events,
            leased,
        } = created
        else {
            panic!("{id} was there before");
        };
        assert_eq!((row.head, leased), (head, head == 3), "{id}");
        let seqs: Vec<u64> = events.iter().map(|logged| logged.event.seq).collect();
        assert_eq!(seqs, (1..=head).collect::<Vec<_>>());
        let stored = store.session(ORG, id).await.unwrap();
        assert_eq!(
            (stored.head, stored.state.clone()),
            (head, row.state),
            "{id}"
        );
        let read = store.fold_source(id, 0).await.unwrap();
        let event = |logged: &std::sync::Arc<store::Logged>| logged.event.clone();
        let of =
            |events: &[std::sync::Arc<store::Logged>]| events.iter().map(event).collect::<Vec<_>>();
        assert_eq!(of(&read), of(&events), "{id}");
    }
}
