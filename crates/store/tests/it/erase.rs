//! Erasing: gone at once for everyone, and then for good, however often it is
//! interrupted; what a fork reads stays as long as the fork.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use secrecy::SecretString;
use session::{Draft, Millis, Tokens, Usd};
use store::{
    Amount, Append, Cap, Database, Dedupe, Error, EventQuery, NewDestination, NewSession, Once,
    Origin, Page, Quota, SessionFilter, Store, Tally, UsageBy, Wish,
};

use crate::bed::{Bed, both, draft, new, next, project, seqs};
use crate::checkpoints::{checkpoint, org};
use crate::outbox::destination;

both!(
    it_is_gone_at_once_for_everyone,
    nothing_is_left_but_a_tombstone_and_usage,
    a_fork_keeps_what_it_reads_and_takes_it_along,
    an_interrupted_erasure_is_finished_by_a_sweep,
    an_erased_session_is_not_found_again,
    a_long_log_goes_in_steps_and_nobody_waits_for_them,
    a_prompt_stays_as_long_as_a_session_has_it,
);

const CANARY: &str = "c4n4ry";

fn bulky(text: &str) -> Draft {
    Draft {
        private: Some(format!("\"{CANARY} thinks\"")),
        attached: Some(format!("{CANARY}{text}").repeat(9000).into_bytes().into()),
        ..draft("exec.completed")
    }
}

fn cap() -> Cap {
    Cap {
        scope: "org".to_owned(),
        period: "ever".to_owned(),
        tokens: Some(1000),
        usd: None,
    }
}

/// A session that has something everywhere; its piece.
async fn full(store: &Store, org: &str, id: &str) -> String {
    let wish = NewSession {
        org: org.to_owned(),
        key: Some(format!("{CANARY} {id}")),
        once: Some(Once {
            scope: "session.key",
            key: format!("{CANARY} {id}"),
            request: CANARY.to_owned(),
        }),
        metadata: Some(format!("{{\"x\":\"{CANARY}\"}}")),
        drafts: vec![bulky("birth")],
        destinations: vec![NewDestination {
            url: format!("https://{CANARY}.example/"),
            secret: Some(SecretString::from(CANARY)),
            ..destination(&format!("dst_{id}"))
        }],
        ..new(id)
    };
    store.create_session(wish).await.unwrap();
    let claimed = store.claim_one(id, "a", Millis(2000), Millis(9000)).await;
    let epoch = claimed.unwrap().unwrap().row.epoch;
    let most = Amount {
        tokens: 100,
        usd: Usd(0),
    };
    let wish = Wish {
        session: id.to_owned(),
        epoch,
        caps: vec![cap()],
        input: 10,
        least: Amount::default(),
        most,
        before: None,
    };
    store.reserve(wish).await.unwrap();
    let piece = Bytes::from(CANARY.repeat(100));
    let piece = store.piece_put(org, id, piece).await.unwrap();
    let mut append = Append {
        drafts: vec![bulky("later"), draft(CANARY)],
        project: project(3, true),
        dedupe: Some(Dedupe {
            key: CANARY.to_owned(),
        }),
        checkpoint: Some(checkpoint(id, 3, std::slice::from_ref(&piece))),
        ..next(id, 1)
    };
    append.project.tally = Some(Tally {
        turn: 1,
        agent: "agt_1".to_owned(),
        started: Millis(1000),
        ended: Millis(2000),
        active_ms: 1000,
        tokens: Tokens::default(),
        reported: true,
        usd: None,
    });
    store.append(append).await.unwrap();
    store.keep_fold(id, 3, CANARY.into()).await.unwrap();
    store.lives_here(id).await.unwrap();
    piece
}

/// Every row of every table, as text.
async fn rows(bed: &Bed) -> BTreeMap<String, Vec<String>> {
    match &bed.database {
        Database::Sqlite(path) => sqlite_rows(path),
        Database::Postgres(url) => postgres_rows(url).await,
    }
}

fn sqlite_rows(path: &std::path::Path) -> BTreeMap<String, Vec<String>> {
    let db = rusqlite::Connection::open(path).unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = db.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|at| {
                Ok(match row.get_ref(at)? {
                    rusqlite::types::ValueRef::Text(text)
                    | rusqlite::types::ValueRef::Blob(text) => {
                        String::from_utf8_lossy(text).into_owned()
                    }
                    other => format!("{other:?}"),
                })
            });
            cells
                .collect::<Result<Vec<_>, _>>()
                .map(|cells| cells.join("|"))
        });
        rows.unwrap().map(Result::unwrap).collect()
    };
    let tables = texts("SELECT name FROM sqlite_master WHERE type = 'table'");
    let all = |table: String| {
        let rows = texts(&format!("SELECT * FROM {table}"));
        (table, rows)
    };
    tables.into_iter().map(all).collect()
}

async fn postgres_rows(url: &str) -> BTreeMap<String, Vec<String>> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let line = tokio::spawn(connection);
    let mut all = BTreeMap::new();
    let tables =
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let rows = format!("SELECT CAST(t.* AS TEXT) FROM {table} t");
        let rows = client.query(&rows, &[]).await.unwrap();
        all.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    drop(client);
    line.await.unwrap().unwrap();
    all
}

/// The tables that know of a session or hold what it said, tombstones and
/// usage left out.
async fn traces(bed: &Bed, session: &str) -> Vec<String> {
    let keeps = ["tombstones", "usage_turns", "usage_sandboxes"];
    let tells = |row: &String| row.contains(session) || row.contains(CANARY);
    let all = rows(bed).await.into_iter();
    all.filter(|(table, rows)| !keeps.contains(&table.as_str()) && rows.iter().any(tells))
        .map(|(table, _)| table)
        .collect()
}

/// The files of the blob store.
fn files(bed: &Bed) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![bed.folder.path().join("blobs")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// Sweeps until what was put long ago is looked at, too.
async fn sweep(store: &Store) {
    const HOUR: i64 = 3600 * 1000;
    // The age of files is that of the machine's clock.
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    store.bury().await.unwrap();
    for hours in [0, 2, 4] {
        store.sweep(Millis(now + hours * HOUR), 2).await.unwrap();
    }
}

async fn it_is_gone_at_once_for_everyone(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    full(&store, &org, "ses_1").await;
    let mut follow = store.follow(&org, "ses_1", 3).await.unwrap();
    let other = store.erase("org_2", "ses_1", Millis(3000)).await;
    assert!(matches!(other, Err(Error::NotFound)));
    store.erase(&org, "ses_1", Millis(3000)).await.unwrap();

    assert!(matches!(follow.next().await, Err(Error::NotFound)));
    let owner = store.org_of("ses_1").await;
    assert!(
        matches!(owner, Err(Error::NotFound)),
        "its tokens open nothing"
    );
    let driver = Append {
        epoch: Some(1),
        ..next("ses_1", 3)
    };
    assert!(matches!(store.append(driver).await, Err(Error::Fenced)));
    let outside = store.append(next("ses_1", 3)).await;
    assert!(matches!(outside, Err(Error::NotFound)));
    let lost = store
        .renew("a", &[("ses_1".to_owned(), 1)], Millis(9999))
        .await
        .unwrap();
    assert_eq!(lost, ["ses_1"]);
    let claimed = store
        .claim("b", Millis(99_000), Millis(99_999), 9, &Quota::default())
        .await
        .unwrap();
    assert_eq!(claimed, []);
    let events = store.events(&org, "ses_1", EventQuery::default()).await;
    assert!(matches!(events, Err(Error::NotFound)));
    let page = Page {
        after: None,
        limit: 9,
    };
    let listed = store.sessions(&org, SessionFilter::default(), page).await;
    assert!(listed.unwrap().rows.is_empty());
    // Whoever drove it tells what it used of what it held of a budget.
    let used = Amount {
        tokens: 40,
        usd: Usd(0),
    };
    store.settle_gone("ses_1", 1, used).await.unwrap();
    let spent = store.caps_spent(&[cap()]).await.unwrap();
    assert_eq!(spent[0].tokens, 40);
}

async fn nothing_is_left_but_a_tombstone_and_usage(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    full(&store, &org, "ses_1").await;
    assert!(
        traces(&bed, "ses_1").await.len() >= 11,
        "there is much to find"
    );
    store.erase(&org, "ses_1", Millis(3000)).await.unwrap();
    assert_eq!(store.bury().await.unwrap(), 1);
    assert_eq!(files(&bed), [""; 0]);
    sweep(&store).await;
    assert_eq!(traces(&bed, "ses_1").await, [""; 0]);
    let all = rows(&bed).await;
    assert_eq!(all["tombstones"].len(), 1);
    assert!(!all["tombstones"][0].contains(CANARY));
    let usage = store
        .usage(&org, Millis(0), Millis(9999), UsageBy::Session)
        .await;
    assert_eq!(usage.unwrap()[0].turns, 1);
}

async fn a_fork_keeps_what_it_reads_and_takes_it_along(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let piece = full(&store, &org, "ses_1").await;
    store.append(next("ses_1", 3)).await.unwrap();
    let fork = NewSession {
        org: org.clone(),
        project: project(4, true),
        origin: Some(Origin {
            session: "ses_1".to_owned(),
            seq: 3,
            files: None,
        }),
        ..new("ses_2")
    };
    store.create_session(fork).await.unwrap();
    let read = async || {
        let events = store
            .events(&org, "ses_2", EventQuery::default())
            .await
            .unwrap();
        let whole = store.content(&org, "ses_2", 2).await.unwrap().unwrap();
        assert!(whole.starts_with(CANARY.as_bytes()));
        seqs(&events)
    };
    assert_eq!(read().await, [1, 2, 3, 4]);
    store.erase(&org, "ses_1", Millis(3000)).await.unwrap();
    sweep(&store).await;
    assert_eq!(read().await, [1, 2, 3, 4], "as before");
    let kept = store.checkpoints("ses_2").await.unwrap();
    assert_eq!(kept.len(), 1);
    assert!(store.piece_get(&org, &kept[0].packs[0]).await.is_ok());
    let fold = store.nearest_fold("ses_2", 9).await.unwrap();
    assert_eq!(fold.map(|(seq, _)| seq), Some(3));
    let own = store
        .piece_put(&org, "ses_2", Bytes::from_static(b"x"))
        .await
        .unwrap();
    assert_eq!(
        own.rsplit_once('/').unwrap().0,
        piece.rsplit_once('/').unwrap().0,
        "one folder for the family"
    );

    store.erase(&org, "ses_2", Millis(4000)).await.unwrap();
    assert_eq!(store.bury().await.unwrap(), 2, "its origin waited for it");
    assert_eq!(files(&bed), [""; 0]);
    sweep(&store).await;
    for session in ["ses_1", "ses_2"] {
        assert_eq!(traces(&bed, session).await, [""; 0]);
    }
}

/// A store that fails at the n-th named moment of an erasure.
async fn failing(bed: &Bed, at: usize) -> (Store, Arc<AtomicUsize>) {
    let passed = Arc::new(AtomicUsize::new(0));
    let count = passed.clone();
    let store = bed.open_told(Arc::new(move |moment: &'static str| {
        let n = if moment.starts_with("erase.") {
            count.fetch_add(1, SeqCst) + 1
        } else {
            0
        };
        assert!(n != at, "cut short at {moment}");
    }));
    (store.await, passed)
}

async fn an_interrupted_erasure_is_finished_by_a_sweep(bed: Bed) {
    let mut cut = 0;
    loop {
        cut += 1;
        let (store, passed) = failing(&bed, cut).await;
        let org = org(&store).await;
        let id = format!("ses_{cut}x");
        full(&store, &org, &id).await;
        let (erasing, name) = (store.clone(), id.clone());
        let erased = tokio::spawn(async move {
            erasing.erase(&org, &name, Millis(3000)).await.unwrap();
            erasing.bury().await.unwrap();
        });
        let done = erased.await.is_ok();
        assert_eq!(done, passed.load(SeqCst) < cut);
        store.close().await;
        let store = bed.open().await;
        sweep(&store).await;
        assert_eq!(store.stats().await.unwrap().unburied, 0);
        assert_eq!(traces(&bed, &id).await, [""; 0], "cut at {cut}");
        assert_eq!(files(&bed), [""; 0], "cut at {cut}");
        store.close().await;
        if done {
            assert!(cut > 5, "it has a number of steps");
            return;
        }
    }
}

async fn an_erased_session_is_not_found_again(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    full(&store, &org, "ses_1").await;
    store.erase(&org, "ses_1", Millis(3000)).await.unwrap();
    let twice = store.erase(&org, "ses_1", Millis(4000)).await;
    assert!(matches!(twice, Err(Error::NotFound)));
    let fork = NewSession {
        org: org.clone(),
        origin: Some(Origin {
            session: "ses_1".to_owned(),
            seq: 1,
            files: None,
        }),
        ..new("ses_2")
    };
    let fork = store.create_session(fork).await;
    assert!(matches!(fork, Err(Error::NotFound)));
    let names = ["ses_1", "ses_0"].map(str::to_owned);
    assert_eq!(store.gone(&names).await.unwrap(), names);
    // Its key is free.
    full(&store, &org, "ses_3").await;
    assert_eq!(store.gone(&["ses_3".to_owned()]).await.unwrap(), [""; 0]);
}

/// A log of so many facts.
async fn long(store: &Store, org: &str, id: &str, facts: u64) {
    let wish = NewSession {
        org: org.to_owned(),
        ..new(id)
    };
    store.create_session(wish).await.unwrap();
    let mut head = 1;
    while head < facts {
        let drafts = (0..500).map(|_| draft("x")).collect();
        let append = Append {
            drafts,
            ..next(id, head)
        };
        head += store.append(append).await.unwrap().len() as u64;
    }
}

async fn a_long_log_goes_in_steps_and_nobody_waits_for_them(bed: Bed) {
    let steps = Arc::new(AtomicUsize::new(0));
    let count = steps.clone();
    let store = bed
        .open_told(Arc::new(move |moment: &'static str| {
            count.fetch_add(usize::from(moment == "erase.events"), SeqCst);
        }))
        .await;
    let org = org(&store).await;
    long(&store, &org, "ses_1", 9_001).await;
    store.erase(&org, "ses_1", Millis(3000)).await.unwrap();
    assert_eq!(steps.load(SeqCst), 0, "nothing of it was waited for");
    assert_eq!(store.stats().await.unwrap().unburied, 1);
    assert_eq!(store.bury().await.unwrap(), 1);
    assert_eq!(steps.load(SeqCst), 5, "2,000 at a time");
    assert_eq!(store.stats().await.unwrap().unburied, 0);
    assert_eq!(traces(&bed, "ses_1").await, [""; 0]);
    assert_eq!(store.bury().await.unwrap(), 0);
}

async fn a_prompt_stays_as_long_as_a_session_has_it(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let texts = async || rows(&bed).await["prompts"].len();
    let with = async |id: &str, text: &str| {
        let mut wish = NewSession {
            org: org.clone(),
            ..new(id)
        };
        text.clone_into(&mut wish.frozen.prompt);
        store.create_session(wish).await.unwrap();
    };
    with("ses_1", "shared").await;
    with("ses_2", "shared").await;
    with("ses_3", "alone").await;
    let erase = async |id: &str| {
        store.erase(&org, id, Millis(3000)).await.unwrap();
        sweep(&store).await;
    };
    erase("ses_1").await;
    assert_eq!(texts().await, 2);
    erase("ses_3").await;
    assert_eq!(texts().await, 1);
    store.erase(&org, "ses_2", Millis(4000)).await.unwrap();
    store.bury().await.unwrap();
    // Needed again before a sweep looked.
    with("ses_4", "shared").await;
    sweep(&store).await;
    assert_eq!(texts().await, 1);
    assert_eq!(
        store.session(&org, "ses_4").await.unwrap().frozen.prompt,
        "shared"
    );
    erase("ses_4").await;
    assert_eq!(texts().await, 0);
}
