//! Durable appends of the store against a bare SQLite on the same disk: singly,
//! and in batches as large as there are writers.
//!
//! The floor is what a careful programmer would write by hand for the same
//! facts: `rusqlite` on one thread, the store's own schema with all its indexes,
//! the same pragmas, the same two statements kept prepared, and the same values,
//! rendered beforehand. It has no checks but those of the statements, renders
//! nothing, tells nobody, and its batch knows in advance what belongs to it.
//! What is appended is what a driver appends in the middle of a turn.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use serde_json::{Map, json};
use session::state::OpenTurn;
use session::{
    Actor, Command, Draft, Frozen, Level, Limits, Millis, ModelRef, Provider, State, decide,
};
use store::{
    Append, Birth, Created, Database, LeaseChange, MasterKey, NewSession, Options, Projection,
    Store,
};
use tokio::task::JoinSet;

use crate::figures::{plain, row, title};

const SCHEMA: [&str; 2] = [
    include_str!("../../crates/store/migrations/0001_first.sql"),
    include_str!("../../crates/store/migrations/0002_durable.sql"),
];
const WRITERS: usize = 64;
/// Each is measured this often, turn and turn about, so that a slow moment of
/// the disk meets all alike.
const ROUNDS: u32 = 8;
const SPAN: Duration = Duration::from_millis(500);

pub async fn run() {
    title("durable appends (per second)");
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = open(folder.path()).await;
    let bare = Bare::open(&folder.path().join("bare.db"));
    let mut sums = [0.0; 4];
    let mut groups = (0, 0);
    for _ in 0..ROUNDS {
        sums[0] += bare.run(1);
        sums[1] += ours(&store, 1).await;
        sums[2] += bare.run(WRITERS);
        let before = store.stats().await.unwrap();
        sums[3] += ours(&store, WRITERS).await;
        let after = store.stats().await.unwrap();
        groups.0 += after.writes - before.writes;
        groups.1 += after.commits - before.commits;
    }
    let [single, one, batch, many] = sums.map(|sum| sum / f64::from(ROUNDS));
    figure("1 writer", one, single, "≥ 0.8 of bare single commits");
    figure("64 writers", many, batch, "≥ 0.6 of bare batches");
    let group = groups.0 as f64 / groups.1 as f64;
    plain("appends a commit, 64 writers", &format!("{group:.1}"), "–");
    store.close().await;
}

fn figure(what: &str, ours: f64, bare: f64, aim: &str) {
    let (figure, floor) = (format!("{ours:.0}/s"), format!("{bare:.0}/s"));
    row(what, &figure, &floor, ours / bare, aim);
}

/// The same rows by hand.
struct Bare {
    db: Connection,
    state: String,
    actor: String,
    body: String,
}

impl Bare {
    fn open(path: &Path) -> Self {
        let db = Connection::open(path).unwrap();
        db.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
            .unwrap();
        // The store's own tables and indexes: the same rows cost the same pages.
        for step in SCHEMA {
            db.execute_batch(step).unwrap();
        }
        let draft = draft();
        let bare = Self {
            state: project(1).state,
            actor: serde_json::to_string(&draft.actor).unwrap(),
            body: serde_json::to_string(&draft.body).unwrap(),
            db,
        };
        let made = "INSERT INTO sessions VALUES ($1, 'org', 'agt', NULL, 1, 'running', 1, 1, 1, 'node', 1, $2, 1, NULL)";
        for n in 0..WRITERS {
            bare.db.execute(made, (id(n), &bare.state)).unwrap();
            bare.insert(&id(n), 1);
        }
        bare
    }

    /// Appends a second; one transaction holds `batch` of them.
    fn run(&self, batch: usize) -> f64 {
        let ids: Vec<_> = (0..batch).map(id).collect();
        let mut heads: Vec<i64> = ids.iter().map(|id| self.head(id)).collect();
        let (began, mut count) = (Instant::now(), 0usize);
        while began.elapsed() < SPAN {
            self.db.execute_batch("BEGIN IMMEDIATE").unwrap();
            for (id, head) in ids.iter().zip(&mut heads) {
                self.append(id, *head);
                *head += 1;
            }
            self.db.execute_batch("COMMIT").unwrap();
            count += batch;
        }
        count as f64 / began.elapsed().as_secs_f64()
    }

    fn head(&self, session: &str) -> i64 {
        let sql = "SELECT head FROM sessions WHERE id = $1";
        self.db.query_row(sql, [session], |row| row.get(0)).unwrap()
    }

    fn append(&self, session: &str, head: i64) {
        let grow = "UPDATE sessions SET head = $1, input_cursor = 1, state = $2 \
            WHERE id = $3 AND head = $4 AND status = 'running' AND due <= 1 AND node IS NOT NULL AND epoch = 1";
        let grown = self.db.prepare_cached(grow).unwrap().execute(params![
            head + 1,
            self.state,
            session,
            head
        ]);
        assert_eq!(grown.unwrap(), 1);
        self.insert(session, head + 1);
    }

    fn insert(&self, session: &str, seq: i64) {
        let insert = "INSERT INTO events VALUES ($1, $2, 1, $1, 'agent.message', 0, $3, $4, '{}', NULL, NULL)";
        self.db
            .prepare_cached(insert)
            .unwrap()
            .execute(params![session, seq, self.actor, self.body])
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
    for n in 0..WRITERS {
        let mut new = new(id(n), "org");
        new.project = project(1);
        new.birth = Some(Birth {
            node: "node".into(),
            until: Millis(i64::MAX),
            most: WRITERS,
        });
        made(&store, new).await;
    }
    store
}

/// Appends a second of that many writers, each on a session of its own.
async fn ours(store: &Store, writers: usize) -> f64 {
    let (began, mut tasks) = (Instant::now(), JoinSet::new());
    for n in 0..writers {
        let store = store.clone();
        tasks.spawn(async move { write(&store, n, began).await });
    }
    let count: usize = tasks.join_all().await.into_iter().sum();
    count as f64 / began.elapsed().as_secs_f64()
}

async fn write(store: &Store, n: usize, began: Instant) -> usize {
    let (session, mut count) = (id(n), 0);
    let mut head = store.session("org", &session).await.unwrap().head;
    while began.elapsed() < SPAN {
        let append = Append {
            session: &session,
            head,
            epoch: Some(1),
            at: Millis(1),
            drafts: vec![Draft {
                turn: Some(session.clone()),
                ..draft()
            }],
            project: project(head + 1),
            lease: LeaseChange::Keep,
            dedupe: None,
            settle: None,
            checkpoint: None,
        };
        store.append(append).await.unwrap();
        head += 1;
        count += 1;
    }
    count
}

pub fn id(n: usize) -> String {
    format!("ses_{n:024x}")
}

fn draft() -> Draft {
    let mut body = Map::new();
    let text = "what a model or a user says in some three lines of text. ".repeat(5);
    body.insert("text".into(), json!(text));
    Draft {
        turn: None,
        kind: "agent.message".into(),
        level: Level::User,
        actor: Actor::human(),
        body,
        refs: Map::new(),
        private: None,
        attached: None,
    }
}

fn project(head: u64) -> Projection {
    let state = State {
        head,
        input_cursor: 1,
        turns: 1,
        turn: Some(OpenTurn {
            number: 1,
            started: Millis(1),
            steps: 7,
            ..OpenTurn::default()
        }),
        ..State::default()
    };
    Projection::of(&frozen(), &session::State::default(), &state, Millis(1))
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
        egress: session::Egress::default(),
        secret_stores: Vec::new(),
        skills: None,
        cause: None,
    }
}

/// Makes session `n` with its first message, at rest.
pub async fn session(store: &Store, org: &str, n: usize) {
    let mut new = new(id(n), org);
    // Nothing is to drive it.
    new.project.due = None;
    new.project.status = "idle".into();
    made(store, new).await;
}

pub async fn made(store: &Store, new: NewSession) {
    let created = store.create_session(new).await.unwrap();
    assert!(matches!(created, Created::New { .. }));
}

pub fn new(id: String, org: &str) -> NewSession {
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
    let project = Projection::of(&frozen, &State::default(), &decided.state, Millis(1));
    NewSession {
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
        begins: None,
        origin: None,
        destinations: Vec::new(),
        fire: None,
    }
}
