//! Durable appends of the store against a bare SQLite doing the same statements
//! with the same pragmas: singly, and in batches as large as there are writers.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Map, json};
use session::{
    Actor, Command, Draft, Frozen, Level, Limits, Millis, ModelRef, Provider, State, decide,
};
use store::{
    Append, Created, Database, LeaseChange, MasterKey, NewSession, Options, Projection, Store,
};

use crate::figures::{row, title};

const SPAN: Duration = Duration::from_secs(3);

pub async fn run() {
    title("durable appends (per second)");
    let folder = tempfile::tempdir_in(".").unwrap();
    for writers in [1usize, 64] {
        // Alternate, so that a machine that slows down slows both.
        let (mut bare, mut ours) = (0.0, 0.0);
        for round in 0..3 {
            bare += floor(
                &folder.path().join(format!("bare{writers}_{round}.db")),
                writers,
            );
            ours += store(
                &folder.path().join(format!("store{writers}_{round}")),
                writers,
            )
            .await;
        }
        let aim = if writers == 1 {
            "≥ 0.8 of bare single commits"
        } else {
            "≥ 0.6 of bare batches"
        };
        let (bare, ours) = (bare / 3.0, ours / 3.0);
        let what = format!("{writers} writer{}", if writers == 1 { "" } else { "s" });
        row(
            &what,
            &format!("{ours:.0}/s"),
            &format!("{bare:.0}/s"),
            ours / bare,
            aim,
        );
    }
}

/// The same rows by hand: one transaction holds one append, or one of each writer.
fn floor(path: &Path, batch: usize) -> f64 {
    let mut db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        .unwrap();
    // The store's own tables and indexes: the same rows cost the same pages.
    let steps = [
        include_str!("../../crates/store/migrations/0001_first.sql"),
        include_str!("../../crates/store/migrations/0002_durable.sql"),
    ];
    for step in steps {
        db.execute_batch(step).unwrap();
    }
    let state = serde_json::to_string(&State::default()).unwrap();
    let made = "INSERT INTO sessions VALUES ($1, 'org', 'agt', NULL, 1, 'queued', 1, 0, 0, NULL, 1, $2, 0, NULL)";
    for n in 0..batch {
        db.execute(made, (format!("ses_{n}"), &state)).unwrap();
    }
    let body = json!({ "text": "a message of ordinary length, such as people write" }).to_string();
    let actor = json!({ "id": "user", "type": "human" }).to_string();
    let (began, mut done, mut seq) = (Instant::now(), 0usize, 0i64);
    while began.elapsed() < SPAN {
        seq += 1;
        let tx = db.transaction().unwrap();
        for n in 0..batch {
            let id = format!("ses_{n}");
            tx.prepare_cached("UPDATE sessions SET head=$2, state=$3, status='queued', input_cursor=0, due=1, node=NULL WHERE id=$1")
                .unwrap()
                .execute((&id, seq, &state))
                .unwrap();
            tx.prepare_cached(
                "INSERT INTO events VALUES($1,$2,$3,NULL,'user.message',0,$4,$5,'{}',NULL,NULL)",
            )
            .unwrap()
            .execute((&id, seq, 1_700_000_000_000i64, &actor, &body))
            .unwrap();
        }
        tx.commit().unwrap();
        done += batch;
    }
    done as f64 / began.elapsed().as_secs_f64()
}

async fn store(folder: &Path, writers: usize) -> f64 {
    std::fs::create_dir_all(folder).unwrap();
    let store = Store::open(Options {
        database: Database::Sqlite(folder.join("oc.db")),
        blobs: folder.join("blobs"),
        master: MasterKey::from_bytes([7; 32]),
        passed: None,
    })
    .await
    .unwrap();
    store
        .bootstrap(&format!("osb_{}", "0".repeat(64)), true, Millis(1))
        .await
        .unwrap();
    let org = store.orgs().await.unwrap().remove(0).id;
    for n in 0..writers {
        session(&store, &org, n).await;
    }
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..writers {
        let store = store.clone();
        tasks.spawn(async move { write(&store, n, began).await });
    }
    let done: usize = tasks.join_all().await.into_iter().sum();
    let rate = done as f64 / began.elapsed().as_secs_f64();
    store.close().await;
    rate
}

async fn write(store: &Store, n: usize, began: Instant) -> usize {
    let (mut done, mut head) = (0, 1);
    let (session, state) = (format!("ses_{n:024x}"), State::default());
    while began.elapsed() < SPAN {
        let append = Append {
            session: &session,
            head,
            epoch: None,
            at: Millis(1_700_000_000_000),
            drafts: vec![draft()],
            project: Projection::of(&session, &frozen(), &state, Millis(1)),
            lease: LeaseChange::Keep,
            dedupe: None,
            settle: None,
            checkpoint: None,
        };
        store.append(append).await.unwrap();
        head += 1;
        done += 1;
    }
    done
}

fn draft() -> Draft {
    let mut body = Map::new();
    body.insert(
        "text".into(),
        "a message of ordinary length, such as people write".into(),
    );
    Draft {
        turn: None,
        kind: "user.message".into(),
        level: Level::User,
        actor: Actor::human(),
        body,
        refs: Map::new(),
        private: None,
        attached: None,
    }
}

/// A configuration that no model is ever asked with.
pub fn frozen() -> Frozen {
    Frozen {
        agent: "agt_bench".into(),
        revision: 1,
        prompt: "You are a helpful agent.".into(),
        prompt_hash: String::new(),
        model: ModelRef {
            provider: Provider::Test,
            name: "script".into(),
        },
        runtime: "native".into(),
        credential: "managed".into(),
        limits: Limits::default(),
        bounds: session::config::Bounds::default(),
        on_interrupt: std::collections::BTreeMap::new(),
        prices: None,
        caps: session::Caps::default(),
    }
}

/// Makes session `n` with its first message.
pub async fn session(store: &Store, org: &str, n: usize) {
    let id = format!("ses_{n:024x}");
    let frozen = frozen();
    let message = session::fact::Message {
        text: "hello".into(),
        ..Default::default()
    };
    let send = Command::Send {
        message,
        actor: None,
        refs: Map::new(),
    };
    let decided = decide(&id, &frozen, &State::default(), send, Millis(1)).unwrap();
    let mut project = Projection::of(&id, &frozen, &decided.state, Millis(1));
    // At rest: nothing is to drive it.
    project.due = None;
    project.status = "idle".into();
    let new = NewSession {
        id,
        org: org.to_owned(),
        key: None,
        once: None,
        frozen,
        metadata: None,
        at: Millis(1),
        drafts: decided.drafts,
        project,
        birth: None,
        token: None,
        origin: None,
    };
    assert!(matches!(
        store.create_session(new).await.unwrap(),
        Created::New { .. }
    ));
}
