//! All execs and file operations of this sandbox, by the ids their callers gave.
//!
//! This is where "at most once" is kept: an id is entered before its effect
//! begins, and its name outlives its result.

mod left;
mod start;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::boot::Boot;
use crate::exec::Exec;
use crate::gauge::Gauge;
use crate::reap::Reaper;
use crate::request::Answer;
use crate::run::{Run, discard};

use left::Left;

/// Results kept until acknowledged; a caller who never does is stopped here.
const MAX_UNACKED: usize = 1024;
/// Names kept after that.
const MAX_ACKED: usize = 20_000;

/// The answer of a file operation and its raw part, once there is one.
pub type FileResult = watch::Receiver<Option<Arc<(Answer, Bytes)>>>;

#[derive(Debug, Clone)]
enum Entry {
    Exec(Arc<Run>),
    File(FileResult),
}

#[derive(Debug, Default)]
struct Names {
    kept: HashMap<String, Entry>,
    acked: HashSet<String>,
    order: VecDeque<String>,
}

/// The execs and file operations of a sandbox.
#[derive(Debug)]
pub struct Runs {
    boot: Boot,
    gauge: Arc<Gauge>,
    reaper: Arc<Reaper>,
    names: Mutex<Names>,
    tasks: Mutex<JoinSet<()>>,
    left: Arc<Left>,
    count: AtomicU64,
}

/// What an id stands for.
#[derive(Debug)]
pub enum Found<T> {
    /// This.
    Kept(T),
    /// Something acknowledged before.
    Acked,
    /// Nothing.
    Unknown,
    /// Too much is kept, or the id means something else.
    Refused(String),
}

impl Runs {
    /// None yet.
    #[must_use]
    pub fn new(boot: Boot, reaper: Arc<Reaper>) -> Self {
        let gauge = Arc::new(Gauge::new(&boot));
        Self {
            boot,
            gauge,
            reaper,
            names: Mutex::default(),
            tasks: Mutex::new(JoinSet::new()),
            left: Arc::default(),
            count: AtomicU64::new(0),
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task to its end, whoever asked for it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Starts the command, or finds the run that has its id.
    pub fn exec(&self, exec: &Exec) -> Found<Arc<Run>> {
        match self.find(&exec.id) {
            Found::Unknown => {}
            found => return found,
        }
        let mut names = self.names();
        if names.kept.len() >= MAX_UNACKED {
            return too_many();
        }
        let (run, follow) = self.start(exec);
        let run = Arc::new(run);
        names
            .kept
            .insert(exec.id.clone(), Entry::Exec(Arc::clone(&run)));
        drop(names);
        if let Some(follow) = follow {
            let (gauge, reaper) = (Arc::clone(&self.gauge), Arc::clone(&self.reaper));
            let (run, left) = (Arc::clone(&run), Arc::clone(&self.left));
            self.spawn(async move {
                let rest = run.follow(follow, &gauge, &reaper).await;
                left.keep(run.tree());
                drop(run);
                if let Some(pipe) = rest {
                    discard(pipe).await;
                }
            });
        }
        Found::Kept(run)
    }

    /// The run of that id.
    pub fn find(&self, id: &str) -> Found<Arc<Run>> {
        let names = self.names();
        match names.kept.get(id) {
            Some(Entry::Exec(run)) => Found::Kept(Arc::clone(run)),
            Some(Entry::File(_)) => Found::Refused(format!("`{id}` is a file operation")),
            None if names.acked.contains(id) => Found::Acked,
            None => Found::Unknown,
        }
    }

    /// The file operation of that id; `begin` is called for a new one, once.
    pub fn file(&self, id: &str, begin: impl FnOnce() -> FileResult) -> Found<FileResult> {
        let mut names = self.names();
        match names.kept.get(id) {
            Some(Entry::File(result)) => return Found::Kept(result.clone()),
            Some(Entry::Exec(_)) => return Found::Refused(format!("`{id}` is an exec")),
            None if names.acked.contains(id) => return Found::Acked,
            None if names.kept.len() >= MAX_UNACKED => return too_many(),
            None => {}
        }
        let result = begin();
        names
            .kept
            .insert(id.to_owned(), Entry::File(result.clone()));
        Found::Kept(result)
    }

    /// Forgets a result; its name stays. False if it still runs.
    pub fn ack(&self, id: &str) -> bool {
        let mut names = self.names();
        let ended = match names.kept.get(id) {
            None => return true,
            Some(Entry::Exec(run)) => run.receipt().is_some(),
            Some(Entry::File(result)) => result.borrow().is_some(),
        };
        if !ended {
            return false;
        }
        names.kept.remove(id);
        names.acked.insert(id.to_owned());
        names.order.push_back(id.to_owned());
        if names.order.len() > MAX_ACKED
            && let Some(oldest) = names.order.pop_front()
        {
            names.acked.remove(&oldest);
        }
        true
    }

    /// Execs that run, and results kept.
    pub fn count(&self) -> (u64, u64) {
        let names = self.names();
        let runs = names.kept.values().filter(|entry| match entry {
            Entry::Exec(run) => run.receipt().is_none(),
            Entry::File(result) => result.borrow().is_none(),
        });
        let running = runs.count() as u64;
        (running, names.kept.len() as u64 - running)
    }

    /// Takes in children; kills need it.
    pub fn reaper(&self) -> &Arc<Reaper> {
        &self.reaper
    }

    /// What limits say.
    pub fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// What the launcher said.
    pub fn boot(&self) -> &Boot {
        &self.boot
    }
}

fn too_many<T>() -> Found<T> {
    Found::Refused("too many results wait to be acknowledged".to_owned())
}

/// The sandbox's clock, milliseconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place inside a sandbox that reads the clock"
)]
fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
