//! A registered program as an ordinary process of this machine, for trying it
//! out: it has no sandbox around it, and its door is a port of loopback.

use std::io;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use brain::{DOOR, Engines, Place, Reach, Spawn, Start, Stream};
use futures::FutureExt;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, join};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinSet;

use super::Custom;

/// Most bytes that are kept of what a program says of its end.
const LAST_WORDS: u64 = 8192;
/// How long that is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The engines whose door a program takes: they are made with what starts it.
pub type Behind = Arc<OnceLock<Engines>>;

/// Starts that program, whatever runtime is asked for.
#[must_use]
pub fn spawn(custom: Custom, behind: Behind) -> Spawn {
    let custom = Arc::new(custom);
    Arc::new(move |start| {
        let (custom, behind) = (custom.clone(), behind.clone());
        async move {
            let Some(engines) = behind.get().cloned() else {
                return Err("there is no door yet".to_owned());
            };
            let placed = place(&custom, engines, start).await;
            placed.map_err(|error| format!("{}: {error}", custom.command.join(" ")))
        }
        .boxed()
    })
}

/// What lives as long as the program.
struct Hold {
    child: Child,
    _home: TempDir,
    _door: JoinSet<()>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // It leads a group of its own: all it started goes with it.
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

async fn place(custom: &Custom, engines: Engines, start: Start) -> io::Result<Place> {
    let home = tempfile::tempdir()?;
    for (path, content) in &start.files {
        let path = home.path().join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, content)?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let door = format!("http://{}", listener.local_addr()?);
    let port = free_port().await?;
    let env = start.env.iter();
    let env = env.map(|(name, value)| (name, value.replace(DOOR, &door)));
    let (program, arguments) = custom
        .command
        .split_first()
        .ok_or(io::ErrorKind::NotFound)?;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(&custom.dir)
        .env_clear()
        .envs(env)
        .env("HOME", home.path())
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("OC_BRAIN_PORT", port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, engines, start.session));
    Ok(Place {
        home: home.path().display().to_string(),
        door,
        stdio: Box::new(join(stdout, stdin)),
        reach: reach(port),
        last_words: last_words(stderr, &mut tasks),
        hold: Box::new(Hold {
            child,
            _home: home,
            _door: tasks,
        }),
    })
}

/// A port that nobody listens on just now.
async fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok(listener.local_addr()?.port())
}

fn reach(port: u16) -> Reach {
    Arc::new(move |_| {
        async move {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        }
        .boxed()
    })
}

/// Reads what a program says of its end while it runs, so that it never waits
/// for a reader.
fn last_words(
    mut stderr: ChildStderr,
    tasks: &mut JoinSet<()>,
) -> Arc<dyn Fn() -> futures::future::BoxFuture<'static, String> + Send + Sync> {
    let (tell, told) = tokio::sync::watch::channel(None);
    tasks.spawn(async move {
        let mut words = Vec::new();
        let _ = (&mut stderr).take(LAST_WORDS).read_to_end(&mut words).await;
        tell.send_replace(Some(String::from_utf8_lossy(&words).into_owned()));
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    });
    Arc::new(move || {
        let mut told = told.clone();
        async move {
            let said = tokio::time::timeout(PATIENCE, told.wait_for(Option::is_some)).await;
            match said {
                Ok(Ok(words)) => words.clone().unwrap_or_default(),
                _ => String::new(),
            }
        }
        .boxed()
    })
}

async fn serve(listener: TcpListener, engines: Engines, session: String) {
    let mut talks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (engines, session) = (engines.clone(), session.clone());
        talks.spawn(async move { engines.serve(&session, stream).await });
        while talks.try_join_next().is_some() {}
    }
}
