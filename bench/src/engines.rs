//! The vendors' engines beside our own loop: from an ask to its answer, cold and
//! warm, and what an engine at rest holds. As plain child processes, so that the
//! figures are the engines' own; the model is a rehearsal in this process.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use brain::{Ask, BrainConfig, EngineConfig, Engines, Model, Models, Place, Purpose, Spawn, Start};
use futures::FutureExt;
use session::{Item, ModelRef};
use tempfile::TempDir;
use tokio::io::join;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::figures::{ms, percentile, plain, row, title};

/// Engines that are started for the figures of a start, and that then rest.
const COLD: usize = 6;
/// Turns of one engine.
const WARM: usize = 30;

type Pids = Arc<Mutex<Vec<u32>>>;

/// What lives as long as an engine.
struct Hold {
    _home: TempDir,
    _door: JoinSet<()>,
    _child: Child,
}

pub async fn run() {
    title("engines");
    let models = Models::new(BrainConfig::default()).unwrap();
    let native = models.for_model(&model());
    let (mut cold, mut warm) = talk(&native).await;
    let (cold, warm) = (percentile(&mut cold, 50), percentile(&mut warm, 50));
    plain("native: an answer", &ms(cold), "figure");
    for runtime in ["claude", "codex"] {
        let Some(folder) = folder(runtime) else {
            plain(runtime, "not there", "run scripts/install-test-deps");
            continue;
        };
        let pids = Pids::default();
        let engines = engines(models.clone(), folder, pids.clone());
        let engine = engines.for_runtime(runtime).unwrap();
        let (mut first, mut next) = talk(&engine).await;
        let figure = |what: &str, samples: &mut [Duration], floor: Duration| {
            let half = percentile(samples, 50);
            let ratio = half.as_secs_f64() / floor.as_secs_f64();
            row(
                &format!("{runtime}: {what}"),
                &ms(half),
                &ms(floor),
                ratio,
                "figure",
            );
        };
        figure("first answer, with its start", &mut first, cold);
        figure("an answer of one that lives", &mut next, warm);
        let held: u64 = pids
            .lock()
            .unwrap()
            .iter()
            .map(|pid| proportional(*pid))
            .sum();
        let each = held / COLD as u64 / 1024;
        plain(
            &format!("{runtime}: memory of one of {COLD} at rest"),
            &format!("{each} MiB"),
            "figure",
        );
    }
}

/// Times of first answers of sessions, and of further ones of the last.
async fn talk(model: &Arc<dyn Model>) -> (Vec<Duration>, Vec<Duration>) {
    let (mut first, mut next) = (Vec::new(), Vec::new());
    let mut items = Vec::new();
    for session in 0..COLD {
        items = vec![];
        first.push(turn(model, session, &mut items).await);
    }
    for _ in 0..WARM {
        next.push(turn(model, COLD - 1, &mut items).await);
    }
    (first, next)
}

/// One message and its answer.
async fn turn(model: &Arc<dyn Model>, session: usize, items: &mut Vec<Item>) -> Duration {
    let seq = items.len() as u64;
    let text = "hello".to_owned();
    items.push(Item::User { seq, text });
    let ask = Ask {
        model: self::model(),
        system: "You are a bench.".into(),
        tools: session::tool::native().into(),
        items: items.clone(),
        max_tokens: 1000,
        key: None,
        session: format!("session_{session}"),
        purpose: Purpose::Turn,
        metered: false,
    };
    let (deltas, _told) = brain::Deltas::new(64);
    let began = Instant::now();
    let reply = model.think(ask, deltas).await.unwrap();
    let took = began.elapsed();
    items.push(Item::Assistant(reply.into()));
    took
}

fn model() -> ModelRef {
    ModelRef::parse("test/script", "native").unwrap()
}

/// The folder of that runtime, where the tests have theirs.
fn folder(runtime: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/runtimes");
    let folder = Path::new(default).join(runtime);
    let current = std::fs::read_to_string(folder.join("current")).ok()?;
    Some(folder.join(current.trim()))
}

fn engines(models: Models, folder: PathBuf, pids: Pids) -> Engines {
    let made = Arc::new(OnceLock::<Engines>::new());
    let of = made.clone();
    let spawn: Spawn = Arc::new(move |start| {
        let (engines, folder, pids) = (of.get().cloned().unwrap(), folder.clone(), pids.clone());
        async move { Ok(place(start, &folder, engines, &pids).await) }.boxed()
    });
    let engines = Engines::new(models, spawn, EngineConfig::default());
    made.set(engines.clone()).unwrap();
    engines
}

async fn place(start: Start, folder: &Path, engines: Engines, pids: &Pids) -> Place {
    let home = tempfile::tempdir().unwrap();
    for (path, content) in &start.files {
        std::fs::write(home.path().join(path), content).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let told = |text: &String| text.replace("http://192.0.2.1", &url);
    let mut child = Command::new(folder.join(&start.command[0]))
        .args(start.command[1..].iter().map(told))
        .env_clear()
        .envs(start.env.iter().map(|(name, value)| (name, told(value))))
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    pids.lock().unwrap().extend(child.id());
    let stdio = join(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let mut door = JoinSet::new();
    door.spawn(async move {
        let mut talks = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (engines, session) = (engines.clone(), start.session.clone());
            talks.spawn(async move { engines.serve(&session, stream).await });
        }
    });
    Place {
        home: home.path().to_string_lossy().into_owned(),
        door: url,
        stdio: Box::new(stdio),
        reach: Arc::new(|_| async { Err(std::io::ErrorKind::Unsupported.into()) }.boxed()),
        last_words: Arc::new(|| async { String::new() }.boxed()),
        hold: Box::new(Hold {
            _home: home,
            _door: door,
            _child: child,
        }),
    }
}

/// KiB of memory that process holds, its part of what is shared.
fn proportional(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
