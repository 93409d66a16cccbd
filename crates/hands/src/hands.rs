//! The hands: all sandboxes of this server, one per owner, a few kept warm.
//!
//! Sandboxes are no children of ours. Opening finds those that still run and
//! clears away what is left of the others; closing leaves them running.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::checkpoint::{Files, Pieces, thaw};
use crate::config::{Dial, HandsConfig, Limits, Mount, Resolve};
use crate::container::net::Network;
use crate::container::spec::State;
use crate::error::Error;
use crate::mounts;
use crate::outward::Outward;
use crate::remote::{self, Remote};
use crate::sandbox::Sandbox;
use crate::starter::{Order, Starter};
use crate::table::{Slot, Table};

/// Launchers that run at once: they compete for the same processors.
const STARTS: usize = 8;
/// Checkpoints made or restored at once: each holds some tens of MiB meanwhile.
const AT_ONCE: usize = 4;

/// How an owner came to its sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It was started for this owner.
    Cold,
    /// It had been started before and was nobody's.
    Warm,
    /// It was this owner's already.
    Found,
    /// It was started for this owner with the files of a checkpoint.
    Restored,
}

/// A sandbox and where it came from.
pub struct Obtained {
    /// The owner's sandbox.
    pub sandbox: Arc<dyn Sandbox>,
    /// Whether it is new to the owner: no exec of before is known in it, and no file
    /// but those of a checkpoint.
    pub fresh: bool,
    /// How it came about.
    pub started: Started,
}

/// What a sandbox must be like.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// What it may use, if not the usual.
    pub limits: Option<Limits>,
    /// The manifest of the checkpoint whose files it has.
    pub from: Option<&'a str>,
    /// Folders of the host it sees. Only a new sandbox without a checkpoint can be
    /// given any, and only the container driver can.
    pub mounts: Vec<Mount>,
}

/// What the hands hold at the moment, and have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Sandboxes alive.
    pub alive: usize,
    /// Of these, nobody's yet.
    pub warm: usize,
    /// Being started.
    pub starting: usize,
    /// Started since these hands were opened.
    pub started: u64,
    /// Starts that failed.
    pub failed: u64,
}

/// All sandboxes of this server.
pub struct Hands {
    inner: Arc<Inner>,
}

struct Inner {
    config: HandsConfig,
    starter: Starter,
    outward: Outward,
    pieces: Pieces,
    table: Mutex<Table>,
    starts: Semaphore,
    room: Semaphore,
    refill: Notify,
    restock: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
    number: AtomicU64,
    started: AtomicU64,
    failed: AtomicU64,
}

impl Hands {
    /// Opens the hands on their folder: sandboxes that still run are found again,
    /// with everything that runs in them.
    ///
    /// # Errors
    /// If the folder or what sandboxes need cannot be made.
    pub async fn open(
        config: HandsConfig,
        dial: Dial,
        resolve: Resolve,
        pieces: Pieces,
    ) -> Result<Self, Error> {
        let at = config.clone();
        let starter = tokio::task::spawn_blocking(move || Starter::prepare(&at))
            .await
            .map_err(|error| Error::Launch(error.to_string()))??;
        let inner = Arc::new(Inner {
            config,
            starter,
            outward: Outward { dial, resolve },
            pieces,
            table: Mutex::default(),
            starts: Semaphore::new(STARTS),
            room: Semaphore::new(AT_ONCE),
            refill: Notify::new(),
            restock: Notify::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            number: AtomicU64::new(0),
            started: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        join_all(
            inner
                .starter
                .folders()
                .traces()
                .into_iter()
                .map(|id| inner.adopt(id)),
        )
        .await;
        inner.tasks.spawn(Arc::clone(&inner).keep_warm());
        inner.tasks.spawn(Arc::clone(&inner).keep_disks());
        Ok(Self { inner })
    }

    /// The owner's living sandbox, else a new one with the files of the checkpoint
    /// whose manifest is `from`; without `from` a warm one or a new one.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no room, [`Error::Damaged`] if the checkpoint
    /// cannot be restored (then nothing was started), and those of a start.
    pub async fn obtain(
        &self,
        owner: &str,
        limits: Option<Limits>,
        from: Option<&str>,
    ) -> Result<Obtained, Error> {
        let mounts = Vec::new();
        let wanted = Wanted {
            limits,
            from,
            mounts,
        };
        self.obtain_with(owner, wanted).await
    }

    /// The same for a sandbox that must see folders of the host. One the owner has that
    /// does not see just these is ended first: what is in it is lost.
    ///
    /// # Errors
    /// As [`Hands::obtain`]; [`Error::Refused`] also for mounts that cannot be had.
    pub async fn obtain_with(&self, owner: &str, wanted: Wanted<'_>) -> Result<Obtained, Error> {
        let inner = &self.inner;
        mounts::check(&wanted, inner.starter.walled().is_some())?;
        let limits = wanted.limits.unwrap_or(inner.config.limits);
        inner
            .obtain(owner, limits, wanted.from, wanted.mounts)
            .await
    }

    /// The owner's sandbox, if it lives.
    #[must_use]
    pub fn find(&self, owner: &str) -> Option<Arc<dyn Sandbox>> {
        let found = self.inner.table().find(owner)?;
        if found.alive() { Some(found) } else { None }
    }

    /// The owners that have a sandbox, or will in a moment.
    #[must_use]
    pub fn owners(&self) -> Vec<String> {
        self.inner.table().owners()
    }

    /// Ends the owner's sandbox with all that is in it.
    ///
    /// # Errors
    /// None at present: what cannot be removed is logged and tried again at the next open.
    pub async fn destroy(&self, owner: &str) -> Result<(), Error> {
        let theirs = self.inner.table().disown(owner);
        join_all(theirs.iter().map(|remote| self.inner.bury(remote))).await;
        Ok(())
    }

    /// Ends the sandboxes of all owners not in `keep`; says how many.
    pub async fn reap(&self, keep: &HashSet<String>) -> usize {
        let gone: Vec<Arc<Remote>> = {
            let mut table = self.inner.table();
            let owners = table.owners();
            let gone = owners.iter().filter(|owner| !keep.contains(*owner));
            gone.flat_map(|owner| table.disown(owner)).collect()
        };
        join_all(gone.iter().map(|remote| self.inner.bury(remote))).await;
        gone.len()
    }

    /// What there is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (alive, warm, starting) = self.inner.table().counts();
        let (started, failed) = (&self.inner.started, &self.inner.failed);
        Stats {
            alive,
            warm,
            starting,
            started: started.load(Ordering::Relaxed),
            failed: failed.load(Ordering::Relaxed),
        }
    }

    /// Lets go. Sandboxes run on; the next [`Hands::open`] finds them.
    pub async fn close(self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// What came of the network of an owner's sandbox.
    pub(crate) fn network(&self, owner: &str) -> Option<Network> {
        self.inner.table().find(owner)?.state().network.clone()
    }

    /// The owner's sandbox as the hands hold it.
    pub(crate) fn remote(&self, owner: &str) -> Option<Arc<Remote>> {
        self.inner.table().find(owner)
    }

    /// Where the pieces of checkpoints are kept.
    pub(crate) fn pieces(&self) -> &Pieces {
        &self.inner.pieces
    }

    /// Waits until there is room for one more checkpoint in the making.
    pub(crate) async fn room(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.inner.room.acquire().await.ok()
    }

    pub(crate) fn starter(&self) -> &Starter {
        &self.inner.starter
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a uid range, from its first uid.
    fn range(&self, uid: Option<u32>) -> Option<u32> {
        let base = self.config.uid_base;
        uid.and_then(|uid| uid.checked_sub(base))
            .map(|offset| offset / crate::container::RANGE)
    }

    async fn adopt(self: &Arc<Self>, id: String) {
        let folders = self.starter.folders();
        let folder = folders.of(&id);
        let found = State::read(&folder)
            .map_err(Error::io("read state.json"))
            .and_then(|state| {
                Remote::new(folders, folder.clone(), state, self.config.answer_deadline)
            });
        match found {
            Ok(remote) => {
                let remote = Arc::new(remote);
                // The server before may have been killed while it read the files,
                thaw(&remote.state().groups);
                // or while it restored them: then they are somebody's, and not all there.
                if remote.state().half {
                    tracing::info!(sandbox = id, "a half restored sandbox is removed");
                    remote.end().await;
                    return;
                }
                let range = self.range(remote.state().uid);
                self.table().adopt(Arc::clone(&remote), range);
                self.watch(remote);
            }
            Err(error) => {
                tracing::info!(sandbox = id, %error, "what is left of a sandbox is removed");
                let groups = self.starter.groups(&id);
                crate::container::cgroup::kill(&groups);
                remote::clear(folders, &folder, &groups).await;
            }
        }
    }

    async fn obtain(
        self: &Arc<Self>,
        owner: &str,
        limits: Limits,
        from: Option<&str>,
        mounts: Vec<Mount>,
    ) -> Result<Obtained, Error> {
        loop {
            let slot = self.table().slot(owner);
            if let Some(held) = slot.get()
                && !(held.sees(&mounts) && held.sound().await)
            {
                self.table().vacate(owner, &slot);
                self.bury(held).await;
                continue;
            }
            let mut started = Started::Found;
            let filled = slot.get_or_try_init(|| async {
                let (remote, how) = self.take(owner, limits, from, &mounts).await?;
                started = how;
                if let Err(error) = remote.give_to(owner) {
                    self.bury(&remote).await;
                    return Err(error);
                }
                Ok::<_, Error>(remote)
            });
            let remote = match filled.await {
                Ok(remote) => Arc::clone(remote),
                Err(error) => {
                    self.vacate_empty(owner, &slot);
                    return Err(error);
                }
            };
            if !self.table().holds(owner, &slot) {
                self.bury(&remote).await;
                return Err(Error::Refused(
                    "the sandbox was destroyed as it started".to_owned(),
                ));
            }
            let fresh = started != Started::Found;
            return Ok(Obtained {
                sandbox: remote,
                fresh,
                started,
            });
        }
    }

    fn vacate_empty(&self, owner: &str, slot: &Slot) {
        let mut table = self.table();
        if slot.get().is_none() {
            table.vacate(owner, slot);
        }
    }

    /// A sandbox that is nobody's; with the files of a checkpoint always a new one.
    async fn take(
        self: &Arc<Self>,
        owner: &str,
        limits: Limits,
        from: Option<&str>,
        mounts: &[Mount],
    ) -> Result<(Arc<Remote>, Started), Error> {
        let (files, how) = match from {
            Some(from) => (
                Some(Files::of(&self.pieces, owner, from).await?),
                Started::Restored,
            ),
            None => (None, Started::Cold),
        };
        let usual = files.is_none() && limits == self.config.limits && mounts.is_empty();
        if usual {
            while let Some(warm) = { self.table().take_warm() } {
                self.refill.notify_one();
                if warm.sound().await {
                    return Ok((warm, Started::Warm));
                }
                self.bury(&warm).await;
            }
        }
        let (give, given) = oneshot::channel();
        let (inner, mounts) = (Arc::clone(self), mounts.to_vec());
        // A start goes on when nobody waits for it any more: what it made must be kept.
        self.tasks.spawn(async move {
            let order = Order {
                limits,
                files,
                mounts,
            };
            let started = inner.start(order).await;
            match give.send(started) {
                Err(Ok(unwanted)) if usual => inner.table().warm_up(unwanted),
                Err(Ok(unwanted)) => inner.bury(&unwanted).await,
                Err(Err(_)) | Ok(()) => {}
            }
        });
        let lost = |_| Error::Launch("the hands were closed".to_owned());
        Ok((given.await.map_err(lost)??, how))
    }

    async fn start(self: &Arc<Self>, order: Order) -> Result<Arc<Remote>, Error> {
        let full = || {
            Error::Refused(format!(
                "{} sandboxes are alive already",
                self.config.max_sandboxes
            ))
        };
        let range = self
            .table()
            .reserve(self.config.max_sandboxes)
            .ok_or_else(full)?;
        let _room = match &order.files {
            Some(_) => self.room.acquire().await.ok(),
            None => None,
        };
        let until = Instant::now() + self.config.boot_deadline;
        let made = match timeout_at(until, self.starts.acquire()).await {
            Ok(_permit) => self.make(range, &order, until).await,
            Err(_) => Err(Error::Deadline("there was no turn to start a sandbox")),
        };
        let remote = made.inspect_err(|_| {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.table().give_up(range);
        })?;
        self.table().started(Arc::clone(&remote));
        self.watch(Arc::clone(&remote));
        // Files may have taken long to restore; the guest may not to come up.
        let until = match order.files {
            Some(_) => Instant::now() + self.config.boot_deadline,
            None => until,
        };
        let ready = timeout_at(until, remote.ready()).await;
        let late = Err(Error::Deadline("the guest did not come up"));
        let whole = match (ready.unwrap_or(late), &order.files) {
            (Ok(()), Some(files)) => files.fill_memory(&remote).await,
            (ready, _) => ready,
        };
        if let Err(error) = whole {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.bury(&remote).await;
            return Err(error);
        }
        self.started.fetch_add(1, Ordering::Relaxed);
        Ok(remote)
    }

    async fn make(&self, range: u32, order: &Order, until: Instant) -> Result<Arc<Remote>, Error> {
        let now = now_ms();
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let id = format!("sbx_{now:x}_{number:x}_{:04x}", rand::random::<u16>());
        let uid = self.starter.uid(range);
        let state = self.starter.start(&id, uid, order, now, until).await?;
        self.restock.notify_one();
        let folders = self.starter.folders();
        let folder = folders.of(&id);
        match Remote::new(folders, folder.clone(), state, self.config.answer_deadline) {
            Ok(remote) => Ok(Arc::new(remote)),
            Err(error) => {
                remote::clear(folders, &folder, &self.starter.groups(&id)).await;
                Err(error)
            }
        }
    }

    /// Keeps the link of a sandbox; when it ends by itself, clears it away.
    fn watch(self: &Arc<Self>, remote: Arc<Remote>) {
        let inner = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = remote.keep(inner.outward.clone()) => inner.bury(&remote).await,
                () = inner.stop.cancelled() => {}
            }
        });
    }

    /// Ends a sandbox and forgets it; once.
    async fn bury(&self, remote: &Arc<Remote>) {
        // The uid range must not be given away before everything of it is gone.
        let gone = remote.end().await;
        let range = self.range(remote.state().uid).filter(|_| gone);
        self.table().forget(remote, range);
        self.refill.notify_one();
    }

    /// Keeps as many sandboxes warm as configured.
    async fn keep_warm(self: Arc<Self>) {
        loop {
            while self.wants_warm() && !self.stop.is_cancelled() {
                match self.start(Order::usual(self.config.limits)).await {
                    Ok(remote) => self.table().warm_up(remote),
                    Err(error) => {
                        tracing::warn!(%error, "no warm sandbox");
                        break;
                    }
                }
            }
            tokio::select! {
                () = self.refill.notified() => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Keeps a few disks ready for the next starts; where nothing is to be kept
    /// warm, only once something was started.
    async fn keep_disks(self: Arc<Self>) {
        if self.config.warm == 0 {
            self.restocking().await;
        }
        while !self.stop.is_cancelled() {
            tokio::select! {
                () = self.starter.stock() => {}
                () = self.stop.cancelled() => return,
            }
            self.restocking().await;
        }
    }

    /// Waits until a start took something that was ready, or the end.
    async fn restocking(&self) {
        tokio::select! {
            () = self.restock.notified() => {}
            () = self.stop.cancelled() => {}
        }
    }

    fn wants_warm(&self) -> bool {
        let (alive, warm, starting) = self.table().counts();
        warm < self.config.warm && alive + starting < self.config.max_sandboxes
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "states of sandboxes outlive the server and bear its time"
)]
fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
