//! Durable appends of the store against a bare SQLite that does the same
//! statements with the same settings on the same disk, one after the other.
//!
//! `cargo run --release -p store --example appends [seconds]`

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use serde_json::{Map, json};
use session::{Actor, Draft, Frozen, Level, Limits, Millis, ModelRef, Provider, State};
use store::{Append, Database, LeaseChange, MasterKey, NewSession, Options, Projection, Store};
use tokio::task::JoinSet;

const SESSIONS: usize = 64;
const ROUNDS: u32 = 5;

#[tokio::main]
async fn main() {
    let seconds = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(2.0);
    let span = Duration::from_secs_f64(seconds / f64::from(ROUNDS));
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = open(folder.path()).await;
    let bare = Bare::open(&folder.path().join("bare.db"));
    let mut sums = [0.0; 4];
    // Turn and turn about, so that a slow moment of the disk meets all alike.
    for _ in 0..ROUNDS {
        sums[0] += bare.run(span, 1);
        sums[1] += ours(&store, span, 1).await;
        sums[2] += bare.run(span, SESSIONS);
        sums[3] += ours(&store, span, SESSIONS).await;
    }
    let [single, one, batch, many] = sums.map(|sum| sum / f64::from(ROUNDS));
    let stats = store.stats().await.unwrap();
    println!("bare, one commit each      {single:9.0} appends/s");
    println!(
        "store, 1 writer            {one:9.0} appends/s   {:.2} of it",
        one / single
    );
    println!("bare, batches of {SESSIONS}        {batch:9.0} appends/s");
    println!(
        "store, {SESSIONS} writers          {many:9.0} appends/s   {:.2} of it",
        many / batch
    );
    println!(
        "writes per commit          {:9.1}",
        stats.writes as f64 / stats.commits as f64
    );
    store.close().await;
}

/// The statements of an append, and nothing else.
struct Bare(Connection);

impl Bare {
    fn open(path: &Path) -> Self {
        let conn = Connection::open(path).unwrap();
        conn.pragma_update(None, "journal_mode", "wal").unwrap();
        conn.pragma_update(None, "synchronous", "full").unwrap();
        conn.execute_batch(include_str!("../migrations/0001_first.sql"))
            .unwrap();
        let insert = "INSERT INTO sessions VALUES (?1, 'org', 'agt', NULL, 1, 'queued', 1, 0, 0, NULL, 1, '')";
        for n in 0..SESSIONS {
            conn.execute(insert, [id(n)]).unwrap();
        }
        Self(conn)
    }

    fn run(&self, span: Duration, batch: usize) -> f64 {
        let head: i64 = self
            .0
            .query_row("SELECT MAX(head) FROM sessions", [], |row| row.get(0))
            .unwrap();
        let (start, mut count, mut seq) = (Instant::now(), 0u32, head);
        while start.elapsed() < span {
            seq += 1;
            self.0.execute_batch("BEGIN IMMEDIATE").unwrap();
            for n in 0..batch {
                self.append(&id(n), seq);
                count += 1;
            }
            self.0.execute_batch("COMMIT").unwrap();
        }
        f64::from(count) / start.elapsed().as_secs_f64()
    }

    fn append(&self, session: &str, seq: i64) {
        let grow = "UPDATE sessions SET head = ?1, input_cursor = 0, status = 'queued', due = 1, state = ?2, node = NULL WHERE id = ?3";
        let project = project(1);
        self.0
            .prepare_cached(grow)
            .unwrap()
            .execute(params![seq, project.state, session])
            .unwrap();
        let insert = "INSERT INTO events VALUES (?1, ?2, 1, NULL, 'user.message', 0, ?3, ?4, '{}', NULL, NULL)";
        let draft = draft();
        let (actor, body) = (
            serde_json::to_string(&draft.actor).unwrap(),
            serde_json::to_string(&draft.body).unwrap(),
        );
        self.0
            .prepare_cached(insert)
            .unwrap()
            .execute(params![session, seq, actor, body])
            .unwrap();
    }
}

async fn open(folder: &Path) -> Store {
    let options = Options {
        database: Database::Sqlite(folder.join("oc.db")),
        blobs: folder.join("blobs"),
        master: MasterKey::from_bytes([7; 32]),
        passed: None,
    };
    let store = Store::open(options).await.unwrap();
    for n in 0..SESSIONS {
        store.create_session(new(&id(n))).await.unwrap();
    }
    store
}

async fn ours(store: &Store, span: Duration, writers: usize) -> f64 {
    let (start, mut tasks) = (Instant::now(), JoinSet::new());
    for n in 0..writers {
        let store = store.clone();
        tasks.spawn(async move {
            let (session, mut count) = (id(n), 0u32);
            let mut head = store.session("org", &session).await.unwrap().head;
            while start.elapsed() < span {
                store.append(next(&session, head)).await.unwrap();
                head += 1;
                count += 1;
            }
            count
        });
    }
    let count: u32 = tasks.join_all().await.into_iter().sum();
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn id(n: usize) -> String {
    format!("ses_{n:024x}")
}

fn draft() -> Draft {
    let body =
        json!({ "text": "what a model or a user says in some three lines of text. ".repeat(5) });
    Draft {
        turn: None,
        kind: "user.message".to_owned(),
        level: Level::User,
        actor: Actor::human(),
        body: body.as_object().cloned().unwrap_or_default(),
        refs: Map::new(),
        private: None,
        attached: None,
    }
}

fn project(head: u64) -> Projection {
    let state = State {
        head,
        waiting: vec![head],
        ..State::default()
    };
    Projection::of("", &frozen(), &state, Millis(1))
}

fn next(session: &str, head: u64) -> Append<'_> {
    Append {
        session,
        head,
        epoch: None,
        at: Millis(1),
        drafts: vec![draft()],
        project: project(head + 1),
        lease: LeaseChange::Keep,
        dedupe: None,
        settle: None,
        checkpoint: None,
    }
}

fn new(id: &str) -> NewSession {
    NewSession {
        id: id.to_owned(),
        org: "org".to_owned(),
        key: None,
        once: None,
        frozen: frozen(),
        metadata: None,
        at: Millis(1),
        drafts: vec![draft()],
        project: project(1),
        birth: None,
        token: None,
        origin: None,
    }
}

fn frozen() -> Frozen {
    Frozen {
        agent: "agt".to_owned(),
        revision: 1,
        prompt: "Be brief.".to_owned(),
        prompt_hash: String::new(),
        model: ModelRef {
            provider: Provider::Test,
            name: "demo".to_owned(),
        },
        runtime: "native".to_owned(),
        credential: "managed".to_owned(),
        limits: Limits::default(),
        bounds: session::config::Bounds::default(),
        on_interrupt: std::collections::BTreeMap::new(),
        prices: None,
        caps: session::Caps::default(),
    }
}
