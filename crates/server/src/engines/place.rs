//! A place for an engine: a new sandbox with the runtime's folder, read only, and
//! the files it starts with.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use brain::{DOOR, Place, Spawn, Start};
use futures::FutureExt;
use futures::future::BoxFuture;
use hands::{FileOp, Hands, Limits, Mount, Pipe, Sandbox, Wanted};
use tokio::time::timeout;

use super::Graves;
use crate::runtimes::{Runtime, Runtimes};

/// Where a runtime's folder is seen.
const RUNTIME: &str = "/opt/runtime";
/// The engine's home, and where it works.
const HOME: &str = "/workspace";
/// Longest a file may take to be written, or a program to be started.
const PATIENCE: Duration = Duration::from_secs(20);

/// What places are made of.
#[derive(Clone)]
pub struct Yard {
    /// The sandboxes.
    pub hands: Arc<Hands>,
    /// Where sandboxes of engines that are gone are put down to be ended.
    pub graves: Arc<Graves>,
    /// The runtimes that are installed.
    pub runtimes: Runtimes,
    /// What a brain sandbox may use.
    pub limits: Limits,
}

/// Ends the sandbox when the engine is of no more use.
struct Hold {
    graves: Arc<Graves>,
    owner: String,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.graves.add(std::mem::take(&mut self.owner));
    }
}

/// Starts engines in places of that yard.
#[must_use]
pub fn spawn(yard: Yard) -> Spawn {
    Arc::new(move |start| {
        let yard = yard.clone();
        async move { yard.start(start).await }.boxed()
    })
}

impl Yard {
    async fn start(&self, start: Start) -> Result<Place, String> {
        let found = self.runtimes.find(&start.runtime);
        let (folder, argv, cwd) = match found.map_err(|error| error.to_string())? {
            Runtime::Engine(engine) => (engine.folder, argv(start.command), HOME),
            Runtime::Custom(custom) => (custom.dir, custom.command, RUNTIME),
        };
        let owner = self.graves.name(&start.session);
        let hold = Hold {
            graves: Arc::clone(&self.graves),
            owner: owner.clone(),
        };
        let wanted = Wanted {
            limits: Some(self.limits),
            from: None,
            mounts: vec![Mount {
                host: folder,
                inside: PathBuf::from(RUNTIME),
            }],
        };
        let obtained = self.hands.obtain_with(&owner, wanted).await;
        let sandbox = obtained.map_err(|error| error.to_string())?.sandbox;
        for (number, (path, bytes)) in start.files.into_iter().enumerate() {
            write(&*sandbox, number, &path, bytes).await?;
        }
        let pipe = Pipe {
            argv,
            env: environment(start.env),
            cwd: Some(cwd.to_owned()),
        };
        let piped = timeout(PATIENCE, sandbox.pipe(pipe)).await;
        let piped = piped.map_err(|_| "the engine was not started in time".to_owned())?;
        let piped = piped.map_err(|error| error.to_string())?;
        Ok(Place {
            home: HOME.to_owned(),
            door: DOOR.to_owned(),
            stdio: Box::new(piped.stream),
            reach: reach(sandbox),
            last_words: last_words(piped.end),
            hold: Box::new(hold),
        })
    }
}

/// The command with its program in the runtime's folder.
fn argv(mut command: Vec<String>) -> Vec<String> {
    if let Some(program) = command.first_mut()
        && !program.starts_with('/')
    {
        *program = format!("{RUNTIME}/{program}");
    }
    command
}

fn environment(mut env: BTreeMap<String, String>) -> BTreeMap<String, String> {
    env.insert("HOME".to_owned(), HOME.to_owned());
    env.insert("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
    env
}

async fn write(
    sandbox: &dyn Sandbox,
    number: usize,
    path: &str,
    bytes: Vec<u8>,
) -> Result<(), String> {
    let op = FileOp::Write {
        path: format!("{HOME}/{path}"),
        bytes,
    };
    let written = timeout(PATIENCE, sandbox.file(&format!("start.{number}"), op)).await;
    match written {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{path}: {error}")),
        Err(_) => Err(format!("{path} was not written in time")),
    }
}

fn reach(sandbox: Arc<dyn Sandbox>) -> brain::Reach {
    Arc::new(move |port| {
        let sandbox = Arc::clone(&sandbox);
        async move {
            let stream = sandbox.port(port).await.map_err(io::Error::other)?;
            Ok(Box::new(stream) as Box<dyn brain::Stream>)
        }
        .boxed()
    })
}

/// The end of what a program wrote to its standard error, told once it ended.
fn last_words(
    end: BoxFuture<'static, Result<hands::PipeEnd, hands::Error>>,
) -> Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync> {
    let end = Mutex::new(Some(end));
    Arc::new(move || {
        let end = end.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            let Some(end) = end else {
                return String::new();
            };
            match timeout(PATIENCE, end).await {
                Ok(Ok(end)) => end.stderr,
                Ok(Err(error)) => error.to_string(),
                Err(_) => String::new(),
            }
        }
        .boxed()
    })
}
