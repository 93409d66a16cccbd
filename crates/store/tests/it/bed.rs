//! Where a test runs: a fresh database of either kind, and the makings of
//! sessions.

use serde_json::{Map, Value, json};
use session::{Actor, Draft, Frozen, Level, Limits, Millis, ModelRef, Provider, State};
use std::sync::Arc;
use store::{
    Append, Created, Database, LeaseChange, Logged, MasterKey, NewSession, Options, Projection,
    SessionRow, Store,
};
use tempfile::TempDir;

/// Makes each named test run on SQLite and on PostgreSQL.
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::bed::Bed::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::bed::Bed::postgres()).await;
            })+
        }
    };
}
pub(crate) use both;

pub const ORG: &str = "org_1";

/// A database and a folder, empty at first.
pub struct Bed {
    pub database: Database,
    pub folder: TempDir,
}

impl Bed {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("oc.db"));
        Self { database, folder }
    }

    pub fn postgres() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Postgres(crate::testing::database());
        Self { database, folder }
    }

    /// A store on it; several are several nodes, or one after a restart.
    pub async fn open(&self) -> Store {
        self.try_open(7).await.unwrap()
    }

    /// A store that tells of named moments.
    pub async fn open_told(&self, passed: store::Passed) -> Store {
        Store::open(self.options(7, Some(passed))).await.unwrap()
    }

    pub async fn try_open(&self, master: u8) -> Result<Store, store::Error> {
        Store::open(self.options(master, None)).await
    }

    /// A store whose master key is in the file of that folder.
    pub async fn open_keyed(
        &self,
        folder: &std::path::Path,
        passed: Option<store::Passed>,
    ) -> Result<Store, store::Error> {
        let master = MasterKey::load_or_create(&folder.join("master.key"))?;
        Store::open(Options {
            master,
            ..self.options(7, passed)
        })
        .await
    }

    pub fn options(&self, master: u8, passed: Option<store::Passed>) -> Options {
        Options {
            database: self.database.clone(),
            blobs: self.folder.path().join("blobs"),
            master: MasterKey::from_bytes([master; 32]),
            passed,
        }
    }
}

pub fn frozen() -> Frozen {
    Frozen {
        agent: "agt_1".to_owned(),
        revision: 1,
        prompt: "Be brief.".to_owned(),
        prompt_hash: "sha256:00".to_owned(),
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
        egress: session::Egress::Open,
        secret_stores: Vec::new(),
        skills: None,
        cause: None,
    }
}

pub fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

pub fn draft(kind: &str) -> Draft {
    Draft {
        turn: None,
        kind: kind.to_owned(),
        level: Level::User,
        actor: Actor::human(),
        body: object(json!({ "text": "hi" })),
        refs: Map::new(),
        private: None,
        attached: None,
    }
}

/// A projection of a session with input waiting, or at rest.
pub fn project(head: u64, waiting: bool) -> Projection {
    let state = State {
        head,
        waiting: if waiting { vec![head] } else { Vec::new() },
        ..State::default()
    };
    Projection::of(&frozen(), &State::default(), &state, Millis(1000))
}

pub fn new(id: &str) -> NewSession {
    NewSession {
        id: id.to_owned(),
        org: ORG.to_owned(),
        key: None,
        once: None,
        frozen: frozen(),
        metadata: None,
        at: Millis(1000),
        drafts: vec![draft("user.message")],
        project: project(1, true),
        birth: None,
        begins: None,
        origin: None,
        destinations: Vec::new(),
        fire: None,
    }
}

/// Makes a session of one event.
pub async fn born(store: &Store, id: &str) -> SessionRow {
    match store.create_session(new(id)).await.unwrap() {
        Created::New { row, .. } => *row,
        other => panic!("{other:?}"),
    }
}

/// An append of one event from outside.
pub fn next(session: &str, head: u64) -> Append<'_> {
    Append {
        session,
        head,
        epoch: None,
        at: Millis(2000),
        drafts: vec![draft("user.message")],
        project: project(head + 1, true),
        lease: LeaseChange::Keep,
        dedupe: None,
        settle: None,
        checkpoint: None,
    }
}

pub fn seqs(events: &[Arc<Logged>]) -> Vec<u64> {
    events.iter().map(|event| event.event.seq).collect()
}
