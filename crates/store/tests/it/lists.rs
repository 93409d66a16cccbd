//! Lists of sessions: newest first, page by page, by filter.

use session::{Frozen, Millis};
use store::{Cursor, NewSession, Page, SessionFilter, Store};

use crate::bed::{Bed, ORG, both, new, project};

both!(
    every_session_is_on_exactly_one_page,
    filters_join,
    counts_tell_the_same
);

async fn make(store: &Store, count: i64) {
    for n in 0..count {
        let org = if n % 7 == 6 { "org_2" } else { ORG };
        let asked = NewSession {
            org: org.to_owned(),
            // Many are made in the same millisecond.
            at: Millis(1000 + n / 5),
            key: (n % 3 == 0).then(|| format!("key {}", n % 2)),
            frozen: Frozen {
                agent: format!("agt_{}", n % 2),
                ..new("x").frozen
            },
            project: project(1, n % 4 == 0),
            ..new(&format!("ses_{n:03}"))
        };
        store.create_session(asked).await.unwrap();
    }
}

async fn all(store: &Store, filter: &SessionFilter, limit: usize) -> Vec<String> {
    let mut page = Page { after: None, limit };
    let mut ids = Vec::new();
    loop {
        let listed = store
            .sessions(ORG, filter.clone(), page.clone())
            .await
            .unwrap();
        assert!(listed.rows.len() <= limit);
        ids.extend(listed.rows.iter().map(|row| row.id.clone()));
        match listed.next {
            None => return ids,
            // Through its text, as a client hands it back.
            Some(next) => page.after = Cursor::parse(&next.to_string()),
        }
    }
}

async fn every_session_is_on_exactly_one_page(bed: Bed) {
    let store = bed.open().await;
    make(&store, 60).await;
    let mut want: Vec<_> = (0..60)
        .filter(|n| n % 7 != 6)
        .map(|n| format!("ses_{n:03}"))
        .collect();
    want.reverse();
    for limit in [1, 7, 100] {
        assert_eq!(
            all(&store, &SessionFilter::default(), limit).await,
            want,
            "pages of {limit}"
        );
    }
    let first = store
        .sessions(
            ORG,
            SessionFilter::default(),
            Page {
                after: None,
                limit: 1,
            },
        )
        .await
        .unwrap();
    assert_eq!(first.rows[0].frozen.prompt, "", "a list leaves prompts out");
}

async fn filters_join(bed: Bed) {
    let store = bed.open().await;
    make(&store, 60).await;
    let text = |text: &str| Some(text.to_owned());
    let any = SessionFilter::default;
    type Want = fn(i64) -> bool;
    let table: [(SessionFilter, Want); 8] = [
        (
            SessionFilter {
                status: text("queued"),
                ..any()
            },
            |n| n % 4 == 0,
        ),
        (
            SessionFilter {
                status: text("nonsense"),
                ..any()
            },
            |_| false,
        ),
        (
            SessionFilter {
                agent: text("agt_1"),
                ..any()
            },
            |n| n % 2 == 1,
        ),
        (
            SessionFilter {
                key: text("key 0"),
                ..any()
            },
            |n| n % 3 == 0 && n % 2 == 0,
        ),
        (
            SessionFilter {
                after: Some(Millis(1003)),
                ..any()
            },
            |n| n / 5 > 3,
        ),
        (
            SessionFilter {
                before: Some(Millis(1003)),
                ..any()
            },
            |n| n / 5 < 3,
        ),
        (
            SessionFilter {
                after: Some(Millis(1002)),
                before: Some(Millis(1008)),
                agent: text("agt_0"),
                ..any()
            },
            |n| (3..8).contains(&(n / 5)) && n % 2 == 0,
        ),
        (
            SessionFilter {
                status: text("idle"),
                agent: text("agt_1"),
                key: text("key 1"),
                ..any()
            },
            |n| n % 4 != 0 && n % 2 == 1 && n % 3 == 0,
        ),
    ];
    for (filter, want) in table {
        let mut want: Vec<_> = (0..60)
            .filter(|n| n % 7 != 6 && want(*n))
            .map(|n| format!("ses_{n:03}"))
            .collect();
        want.reverse();
        assert_eq!(all(&store, &filter, 4).await, want, "{filter:?}");
    }
}

async fn counts_tell_the_same(bed: Bed) {
    let store = bed.open().await;
    make(&store, 20).await;
    let stats = store.stats().await.unwrap();
    assert_eq!(
        stats.sessions,
        [("idle".to_owned(), 15), ("queued".to_owned(), 5)]
    );
    assert_eq!((stats.due, stats.events), (5, 20));
    assert!(stats.commits >= 1 && stats.writes >= 20);
}
