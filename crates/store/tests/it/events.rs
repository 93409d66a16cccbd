//! Reading the log: filters, levels, and what only the brain may read.

use serde_json::json;
use session::{Actor, Draft, Level, Millis, id};
use store::{Append, Error, EventQuery, KindFilter, Store};

use crate::bed::{Bed, ORG, born, both, draft, next, object, project, seqs};

both!(
    an_event_is_kept_exactly,
    the_private_part_is_for_the_fold_alone,
    a_reader_sees_what_it_asks_for,
    one_event_by_its_number,
    a_fold_reads_page_by_page,
);

fn full() -> Draft {
    Draft {
        turn: Some("trn_1_1".to_owned()),
        kind: "exec.completed".to_owned(),
        level: Level::Internal,
        actor: Actor {
            display: Some("Ann é".to_owned()),
            ..Actor::agent()
        },
        body: object(
            json!({ "text": "a\u{0}b\n", "n": 1e300, "deep": [{"z": null, "a": "\u{1F980}"}] }),
        ),
        refs: object(json!({ "pr": 7 })),
        private: Some("{ \"b\":1, \"a\": 1.0, \"s\": \"\\u0000\" }".to_owned()),
        attached: None,
    }
}

async fn an_event_is_kept_exactly(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let drafts = vec![full()];
    let told = store
        .append(Append {
            drafts,
            ..next("ses_1", 1)
        })
        .await
        .unwrap()
        .remove(0);
    let read = store.fold_source("ses_1", 1).await.unwrap().remove(0);
    assert_eq!(read.event, told.event);
    assert_eq!(read.event.draft, full());
    assert_eq!((read.event.seq, read.event.at), (2, Millis(2000)));
    assert_eq!(read.event.id, id::event("ses_1", 2));
}

async fn the_private_part_is_for_the_fold_alone(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    store
        .append(Append {
            drafts: vec![full()],
            ..next("ses_1", 1)
        })
        .await
        .unwrap();
    let listed = store
        .events(ORG, "ses_1", EventQuery::default())
        .await
        .unwrap();
    assert_eq!(
        listed[1].event.draft,
        Draft {
            private: None,
            ..full()
        }
    );
    assert_eq!(
        store
            .event(ORG, "ses_1", 2)
            .await
            .unwrap()
            .event
            .draft
            .private,
        None
    );
    let mut follow = store.follow(ORG, "ses_1", 1).await.unwrap();
    assert_eq!(follow.next().await.unwrap().event.draft.private, None);
}

/// Numbers 1 to 7: one of each.
async fn varied(store: &Store) {
    born(store, "ses_1").await;
    let of = |kind: &str, level, turn: Option<&str>| Draft {
        level,
        turn: turn.map(str::to_owned),
        ..draft(kind)
    };
    let drafts = vec![
        of("turn.started", Level::Progress, Some("t1")),
        of("tool.call", Level::Internal, Some("t1")),
        of("tool_call", Level::Internal, Some("t1")),
        of("agent.message", Level::Progress, Some("t1")),
        of("agent.message", Level::User, Some("t2")),
        of("message", Level::User, None),
    ];
    store
        .append(Append {
            drafts,
            project: project(7, true),
            ..next("ses_1", 1)
        })
        .await
        .unwrap();
}

async fn a_reader_sees_what_it_asks_for(bed: Bed) {
    let store = bed.open().await;
    varied(&store).await;
    let all = EventQuery::default;
    let kind = |text: &str| EventQuery {
        kind: Some(KindFilter::parse(text)),
        ..all()
    };
    let turn = |text: &str| EventQuery {
        turn: Some(text.to_owned()),
        ..all()
    };
    let table = [
        (all(), vec![1, 2, 3, 4, 5, 6, 7]),
        (
            EventQuery {
                level: Level::User,
                ..all()
            },
            vec![1, 6, 7],
        ),
        (
            EventQuery {
                level: Level::Progress,
                ..all()
            },
            vec![1, 2, 5, 6, 7],
        ),
        (EventQuery { after: 5, ..all() }, vec![6, 7]),
        (EventQuery { after: 7, ..all() }, vec![]),
        (
            EventQuery {
                after: u64::MAX,
                ..all()
            },
            vec![],
        ),
        (EventQuery { limit: 2, ..all() }, vec![1, 2]),
        (EventQuery { limit: 0, ..all() }, vec![]),
        (kind("agent.message"), vec![5, 6]),
        (kind("tool.*"), vec![3]),
        (kind("*.message"), vec![1, 5, 6]),
        (kind("*"), vec![1, 2, 3, 4, 5, 6, 7]),
        (kind("TOOL.*"), vec![]),
        (kind("tool%"), vec![]),
        (kind("*_call"), vec![4]),
        (turn("t1"), vec![2, 3, 4, 5]),
        (turn("t3"), vec![]),
        (
            EventQuery {
                level: Level::User,
                after: 1,
                turn: Some("t2".to_owned()),
                ..kind("*.message")
            },
            vec![6],
        ),
    ];
    for (query, want) in table {
        let found = store.events(ORG, "ses_1", query.clone()).await.unwrap();
        assert_eq!(seqs(&found), want, "{query:?}");
        let takes = |event: &&std::sync::Arc<store::Logged>| {
            query
                .kind
                .as_ref()
                .is_none_or(|kind| kind.takes(&event.event.draft.kind))
        };
        assert_eq!(
            found.iter().filter(takes).count(),
            found.len(),
            "a live reader must see the same: {query:?}"
        );
    }
    let nul = store.events(ORG, "ses_1", kind("\0")).await;
    assert!(matches!(nul, Err(Error::Nul)));
}

async fn one_event_by_its_number(bed: Bed) {
    let store = bed.open().await;
    varied(&store).await;
    assert_eq!(
        store.event(ORG, "ses_1", 3).await.unwrap().event.draft.kind,
        "tool.call"
    );
    for seq in [0, 8, u64::MAX] {
        assert!(
            matches!(store.event(ORG, "ses_1", seq).await, Err(Error::NotFound)),
            "{seq}"
        );
    }
}

async fn a_fold_reads_page_by_page(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let drafts = vec![draft("a"); 700];
    store
        .append(Append {
            drafts,
            project: project(701, true),
            ..next("ses_1", 1)
        })
        .await
        .unwrap();
    let (mut at, mut pages) = (0, 0);
    loop {
        let page = store.fold_source("ses_1", at).await.unwrap();
        let Some(last) = page.last() else { break };
        assert_eq!(seqs(&page), (at + 1..=last.event.seq).collect::<Vec<_>>());
        at = last.event.seq;
        pages += 1;
    }
    assert_eq!((at, pages > 1), (701, true));
}
