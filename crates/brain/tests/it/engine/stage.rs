//! Real engines as plain child processes, whose door is a port of this machine.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};

use brain::{EngineConfig, Engines, Model, Models, Place, Spawn, Start, Stream};
use futures::FutureExt;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, join};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Where `oc runtime install` puts runtimes, for tests.
fn runtimes() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/runtimes");
    std::env::var_os("OC_TEST_RUNTIMES").map_or(default.into(), PathBuf::from)
}

/// The folder of that runtime.
fn folder(runtime: &str) -> PathBuf {
    let folder = runtimes().join(runtime);
    let current = std::fs::read_to_string(folder.join("current"));
    let missing = |_| panic!("no {}: run scripts/install-test-deps", folder.display());
    folder.join(current.unwrap_or_else(missing).trim())
}

/// Engines, and what was started for them.
pub struct Stage {
    pub engines: Engines,
    pub model: Arc<dyn Model>,
    pub started: Arc<Mutex<Vec<Started>>>,
}

/// One engine that was started.
#[derive(Debug, Clone)]
pub struct Started {
    pub pid: u32,
    pub start: Start,
}

impl Stage {
    pub fn open(runtime: &str, models: Models) -> Self {
        Self::with(runtime, models, EngineConfig::default())
    }

    pub fn with(runtime: &str, models: Models, config: EngineConfig) -> Self {
        Self::playing(runtime, models, config, program)
    }

    /// An engine that is nothing but this line of a shell.
    pub fn broken(models: Models, line: &'static str) -> Self {
        let shell = move |_: &Start| {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", line]);
            shell
        };
        Self::playing("claude", models, EngineConfig::default(), shell)
    }

    fn playing(
        runtime: &str,
        models: Models,
        config: EngineConfig,
        program: impl Fn(&Start) -> Command + Send + Sync + 'static,
    ) -> Self {
        let started = Arc::new(Mutex::new(vec![]));
        let engines = Arc::new(OnceLock::new());
        let engines_of = engines.clone();
        let list = started.clone();
        let spawn: Spawn = Arc::new(move |start| {
            let (engines, list) = (engines_of.clone(), list.clone());
            let program = program(&start);
            async move { Ok(place(start, program, engines.get().cloned().unwrap(), list).await) }
                .boxed()
        });
        let made = Engines::new(models, spawn, config);
        engines.set(made.clone()).unwrap();
        Self {
            model: made.for_runtime(runtime).unwrap(),
            engines: made,
            started,
        }
    }

    /// Engines that were started so far.
    pub fn starts(&self) -> usize {
        self.started.lock().unwrap().len()
    }

    /// The newest engine's process.
    pub fn pid(&self) -> u32 {
        self.started.lock().unwrap().last().unwrap().pid
    }

    /// What the newest engine shows in the place of a key.
    pub fn key(&self) -> String {
        let started = self.started.lock().unwrap();
        let mut env = started.last().unwrap().start.env.values();
        let key = env.find(|value| value.starts_with("osb_sealed_"));
        key.unwrap().clone()
    }

    /// Kills the newest engine, as a machine would that is out of memory.
    pub fn kill(&self) {
        self.signal("KILL");
    }

    /// Sends the newest engine a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Stage {
    /// What starts engines knows them, and they it: nobody else would end those
    /// that rest.
    fn drop(&mut self) {
        for started in self.started.lock().unwrap().iter() {
            self.engines.end(&started.start.session);
        }
    }
}

/// What lives as long as an engine.
struct Hold {
    _home: TempDir,
    _door: JoinSet<()>,
    _child: Child,
}

/// The real program. That of a runtime without a command is a script: one of
/// ours by its name, or a file.
fn program(start: &Start) -> Command {
    if let Some(program) = start.command.first() {
        return Command::new(folder(&start.runtime).join(program));
    }
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let example = PathBuf::from(examples)
        .join(&start.runtime)
        .join("brain.py");
    let mut program = Command::new("python3");
    program.arg(match start.runtime.ends_with(".py") {
        true => PathBuf::from(&start.runtime),
        false => example,
    });
    program
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn place(
    start: Start,
    mut program: Command,
    engines: Engines,
    list: Arc<Mutex<Vec<Started>>>,
) -> Place {
    let home = tempfile::tempdir().unwrap();
    for (path, content) in &start.files {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = format!("http://{}", listener.local_addr().unwrap());
    let told = |text: &String| text.replace("http://192.0.2.1", &door);
    if program.as_std().get_args().len() == 0 {
        program.args(start.command[1..].iter().map(told));
    }
    let port = free_port();
    let mut child = program
        .env_clear()
        .envs(start.env.iter().map(|(name, value)| (name, told(value))))
        .env("OC_BRAIN_PORT", port.to_string())
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stdio = join(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let stderr = Arc::new(tokio::sync::Mutex::new(child.stderr.take().unwrap()));
    let pid = child.id().unwrap();
    let session = start.session.clone();
    list.lock().unwrap().push(Started { pid, start });
    let mut tasks = JoinSet::new();
    tasks.spawn(doors(listener, engines, session));
    Place {
        home: home.path().display().to_string(),
        door,
        stdio: Box::new(stdio),
        reach: Arc::new(move |_| {
            async move {
                let stream = TcpStream::connect(("127.0.0.1", port)).await?;
                Ok(Box::new(stream) as Box<dyn Stream>)
            }
            .boxed()
        }),
        last_words: Arc::new(move || {
            let stderr = stderr.clone();
            async move {
                let mut words = vec![0; 8192];
                let read = stderr.lock().await.read(&mut words).await.unwrap_or(0);
                String::from_utf8_lossy(&words[..read]).into_owned()
            }
            .boxed()
        }),
        hold: Box::new(Hold {
            _home: home,
            _door: tasks,
            _child: child,
        }),
    }
}

async fn doors(listener: TcpListener, engines: Engines, session: String) {
    let mut talks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (engines, session) = (engines.clone(), session.clone());
        talks.spawn(async move { engines.serve(&session, stream).await });
    }
}
