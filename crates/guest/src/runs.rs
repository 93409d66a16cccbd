//! All execs and file operations of this sandbox, by the ids their callers gave.
//!
//! This is where "at most once" is kept: an id is entered before its effect
//! begins, and its name outlives its result.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::CString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::boot::Boot;
use crate::child::{self, NotStarted, Plan};
use crate::exec::{Exec, Exhausted, SHELL};
use crate::gauge::Gauge;
use crate::output::Output;
use crate::reap::Reaper;
use crate::request::Answer;
use crate::run::{Follow, Run, discard};
use crate::sys;
use crate::tree::{MARK, Tree};

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
            let run = Arc::clone(&run);
            self.spawn(async move {
                let rest = run.follow(follow, &gauge, &reaper).await;
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

    fn start(&self, exec: &Exec) -> (Run, Option<Follow>) {
        let before = self.gauge.read();
        let now = now_ms();
        match self.try_start(exec) {
            Ok((pid, tree, pipe)) => {
                child::first_to_go(pid);
                let ended = self.reaper.expect(pid);
                let spool = self.boot.spool_fd.map(sys::inherited);
                let output = Output::new(exec.output_cap, exec.spool_cap, spool);
                let timeout = exec.timeout_ms.map(Duration::from_millis);
                (
                    Run::new(output, tree, now),
                    Some(Follow {
                        pipe,
                        ended,
                        timeout,
                        before,
                    }),
                )
            }
            Err((code, why)) => {
                let met = self.gauge.met_since(before);
                let met = met
                    .into_iter()
                    .filter(|m| !matches!(m, Exhausted::Memory { .. }));
                (Run::failed(exec, code, &why, met.collect(), now), None)
            }
        }
    }

    fn try_start(&self, exec: &Exec) -> Result<(i32, Tree, pipe::Receiver), (i32, String)> {
        let cannot = |what: &str| {
            let what = what.to_owned();
            move |error: std::io::Error| (126, format!("{what}: {error}\n"))
        };
        let (from, to) = std::io::pipe().map_err(cannot("no pipe"))?;
        let from = pipe::Receiver::from_owned_fd(from.into()).map_err(cannot("no pipe"))?;
        let cgroup = self.boot.cgroup_fd.and_then(|fd| {
            Tree::cgroup(
                sys::inherited(fd),
                self.count.fetch_add(1, Ordering::Relaxed),
            )
            .ok()
        });
        let plan = self.plan(exec, to.into(), cgroup.as_ref())?;
        let name = exec.argv.first().map(String::as_str).unwrap_or_default();
        let pid = child::spawn(plan).map_err(|error| match error {
            NotStarted::Fork(error) => (126, format!("no process can be started: {error}\n")),
            NotStarted::Cwd(error) => (
                126,
                format!(
                    "{}: {error}\n",
                    exec.cwd.as_deref().unwrap_or(&self.boot.workspace)
                ),
            ),
            NotStarted::Exec(error) => {
                let code = if error.kind() == std::io::ErrorKind::NotFound {
                    127
                } else {
                    126
                };
                (code, format!("{name}: {error}\n"))
            }
        })?;
        let mark = format!("{MARK}={}", exec.id).into_bytes();
        Ok((
            pid,
            cgroup.unwrap_or(Tree::Traced { root: pid, mark }),
            from,
        ))
    }

    fn plan(
        &self,
        exec: &Exec,
        output: std::os::fd::OwnedFd,
        tree: Option<&Tree>,
    ) -> Result<Plan, (i32, String)> {
        let nul = |_| (126, "a NUL byte cannot be part of a command\n".to_owned());
        let io = |error: std::io::Error| (126, format!("no standard input: {error}\n"));
        let text = |text: &str| CString::new(text).map_err(nul);
        let argv = match exec.argv.as_slice() {
            [] => return Err((127, "no command\n".to_owned())),
            [first, rest @ ..] if first == SHELL => {
                let bash = std::path::Path::new("/bin/bash").exists();
                let shell = if bash { "/bin/bash" } else { "/bin/sh" };
                [shell, "-c"]
                    .into_iter()
                    .chain(rest.iter().map(String::as_str))
                    .map(text)
                    .collect()
            }
            all => all
                .iter()
                .map(|arg| text(arg))
                .collect::<Result<Vec<_>, _>>(),
        }?;
        let mut env: std::collections::BTreeMap<&str, &str> = self
            .boot
            .env
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        env.insert("HOME", &self.boot.home);
        env.extend(exec.env.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        env.insert(MARK, &exec.id);
        let path = env.get("PATH").copied().unwrap_or("/usr/bin:/bin");
        let programs = argv
            .first()
            .map(|name| child::candidates(name, path))
            .unwrap_or_default();
        let stdin = if exec.stdin.is_empty() {
            child::nothing()
        } else {
            child::reading(&exec.stdin)
        };
        Ok(Plan {
            programs,
            env: env
                .iter()
                .map(|(k, v)| text(&format!("{k}={v}")))
                .collect::<Result<_, _>>()?,
            cwd: text(&self.boot.inside(exec.cwd.as_deref().unwrap_or(".")))?,
            argv,
            stdin: stdin.map_err(io)?,
            output,
            cgroup: tree.and_then(Tree::birthplace),
            confine: self.boot.confine,
        })
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
