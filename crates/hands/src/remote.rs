//! A sandbox as the hands hold it: its state on disk, its first process and the
//! link to its guest.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use guest::exec::{Exec, Known, Receipt};
use guest::file::{FileOp, FileOut};
use guest::pipe::Pipe;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::alive::Life;
use crate::client::Client;
use crate::config::{Mount, Stream};
use crate::container::cgroup;
use crate::container::spec::State;
use crate::error::Error;
use crate::folders::Folders;
use crate::link::{Keeper, Link};
use crate::outward::{Outward, Whose};
use crate::patience::{Patience, Still};
use crate::sandbox::{Live, Output, Piped, Sandbox, SandboxStats};

/// What the kernel may take to end everything in a sandbox.
const END: Duration = Duration::from_secs(10);

/// A sandbox that was started or found.
#[derive(Debug)]
pub(crate) struct Remote {
    id: String,
    folders: Arc<Folders>,
    folder: PathBuf,
    state: Arc<Mutex<State>>,
    life: Life,
    link: watch::Sender<Link>,
    client: Client,
    saving: tokio::sync::Mutex<()>,
}

impl Remote {
    /// Holds on to the sandbox of that state.
    ///
    /// # Errors
    /// [`Error::Lost`] if its first process has ended.
    pub(crate) fn new(
        folders: &Arc<Folders>,
        folder: PathBuf,
        state: State,
        answer: Duration,
    ) -> Result<Self, Error> {
        let life = Life::of(state.pid, state.pid_started)
            .map_err(|error| Error::Lost(format!("its first process is gone: {error}")))?;
        let (link, heard) = watch::channel(Link::Down);
        let id = state.id.clone();
        Ok(Self {
            id,
            folders: Arc::clone(folders),
            folder,
            state: Arc::new(Mutex::new(state)),
            life,
            link,
            client: Client::new(heard, Patience::new(answer)),
            saving: tokio::sync::Mutex::default(),
        })
    }

    /// Keeps the link up until the sandbox has ended.
    pub(crate) async fn keep(&self, outward: Outward) {
        let keeper = Keeper {
            whose: Whose {
                sandbox: self.id.clone(),
                state: Arc::clone(&self.state),
            },
            folder: self.folder.clone(),
            outward,
            link: self.link.clone(),
        };
        keeper.run(&self.life).await;
        self.give_up(self.why_ended());
    }

    /// Nobody asks its guest any more; who has asked is told why.
    fn give_up(&self, why: String) {
        self.link.send_if_modified(|link| {
            let first = !matches!(link, Link::Dead(_));
            if first {
                *link = Link::Dead(why);
            }
            first
        });
    }

    fn why_ended(&self) -> String {
        let (groups, limit) = {
            let state = self.state();
            (state.groups.clone(), state.limits.memory_bytes)
        };
        match cgroup::oom_kills(&groups) {
            0 => "its first process ended".to_owned(),
            _ => format!(
                "its first process ended, and it had run out of memory, limit {}",
                guest::exec::size(limit)
            ),
        }
    }

    /// Whether it can be used: it lives, its folder is there, and its guest answers
    /// unless there was no doubt about that.
    pub(crate) async fn sound(&self) -> bool {
        self.alive() && self.folder.exists() && self.client.answers().await
    }

    /// Whether it sees just these folders of the host.
    pub(crate) fn sees(&self, mounts: &[Mount]) -> bool {
        self.state().mounts == mounts
    }

    /// Its state as on disk.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its folder on the host.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until no other checkpoint of it is made.
    pub(crate) async fn saving(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.saving.lock().await
    }

    /// It is held still on purpose until the result is dropped.
    pub(crate) fn hold(&self) -> Still {
        self.client.hold()
    }

    /// Makes it somebody's, on disk first.
    pub(crate) fn give_to(&self, owner: &str) -> Result<(), Error> {
        let mut state = self.state();
        let owned = State {
            owner: Some(owner.to_owned()),
            half: false,
            ..state.clone()
        };
        owned
            .write(&self.folder)
            .map_err(Error::io("write the owner of a sandbox"))?;
        *state = owned;
        Ok(())
    }

    /// Waits until the guest answers.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        self.client.mux().await.map(drop)
    }

    /// Ends it and removes what it had on the host, in bounded time; false if the
    /// kernel does not let go of it.
    pub(crate) async fn end(&self) -> bool {
        self.give_up("it was ended".to_owned());
        let groups = self.state().groups.clone();
        cgroup::kill(&groups);
        self.life.kill();
        let ended = timeout(END, self.life.ended()).await.is_ok();
        if !ended {
            tracing::error!(sandbox = self.id, "a killed sandbox does not end");
        }
        clear(&self.folders, &self.folder, &groups).await && ended
    }
}

/// Removes folder and cgroups of a sandbox that has ended; false if processes of it stay.
pub(crate) async fn clear(folders: &Arc<Folders>, folder: &Path, groups: &[cgroup::Group]) -> bool {
    // The last process leaves its cgroup only when its parent has taken it in.
    let gone = timeout(END, async {
        while !cgroup::remove(groups) {
            cgroup::kill(groups);
            sleep(Duration::from_millis(2)).await;
        }
    });
    let gone = gone.await.is_ok();
    if !gone {
        tracing::error!(folder = %folder.display(), "the cgroups of an ended sandbox stay");
    }
    let (folders, path) = (Arc::clone(folders), folder.to_owned());
    let removing = tokio::task::spawn_blocking(move || folders.remove(&path));
    match timeout(END, removing).await {
        // Joining fails only if the runtime goes away, and then nobody is there to tell.
        Ok(Ok(Ok(())) | Err(_)) => {}
        Ok(Ok(Err(error))) => {
            tracing::error!(folder = %folder.display(), %error, "the folder of an ended sandbox stays");
        }
        Err(_) => {
            tracing::warn!(folder = %folder.display(), "removing the folder of a sandbox takes long");
        }
    }
    gone
}

impl Sandbox for Remote {
    fn id(&self) -> &str {
        &self.id
    }

    fn exec(&self, exec: Exec, live: Option<Live>) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(self.client.exec(exec, live))
    }

    fn start(&self, exec: Exec) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.client.start(exec))
    }

    fn kill<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.client.kill(id))
    }

    fn file<'a>(&'a self, id: &'a str, op: FileOp) -> BoxFuture<'a, Result<FileOut, Error>> {
        Box::pin(self.client.file(id, op))
    }

    fn known<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Known, Error>> {
        Box::pin(self.client.known(id))
    }

    fn ack<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.client.ack(id))
    }

    fn output<'a>(&'a self, id: &'a str, offset: u64) -> BoxFuture<'a, Result<Output, Error>> {
        Box::pin(self.client.output(id, offset))
    }

    fn pipe(&self, pipe: Pipe) -> BoxFuture<'_, Result<Piped, Error>> {
        Box::pin(self.client.pipe(pipe))
    }

    fn port(&self, port: u16) -> BoxFuture<'_, Result<Box<dyn Stream>, Error>> {
        Box::pin(self.client.port(port))
    }

    fn stats(&self) -> BoxFuture<'_, Result<SandboxStats, Error>> {
        Box::pin(async {
            let (running, unacked, disk) = self.client.counts().await?;
            let (groups, own_disk) = {
                let state = self.state();
                (state.groups.clone(), state.own_disk)
            };
            let (memory_bytes, cpu_ms, pids) = cgroup::usage(&groups);
            let disk_bytes = own_disk.then_some(disk);
            Ok(SandboxStats {
                memory_bytes,
                cpu_ms,
                pids,
                disk_bytes,
                running,
                unacked,
            })
        })
    }

    fn alive(&self) -> bool {
        self.client.alive()
    }
}
