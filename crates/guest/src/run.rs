//! One exec from its start to its receipt.
//!
//! The command's output is read until the command itself has ended, not until
//! the pipe closes: what it left running in the background may hold that open
//! for ever. Such leftovers live on, their output is read and thrown away, and
//! they can still be killed by the exec's id. Where the command met the limit of
//! processes they do not: nothing else could be started beside them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::exec::{Exec, Exhausted, KillReason, Receipt};
use crate::gauge::{Gauge, Reading};
use crate::output::Output;
use crate::reap::{Ended, Reaper};
use crate::tree::Tree;

/// What a terminated command may take to end by itself.
const GRACE: Duration = Duration::from_millis(400);
/// A pipe holds no more than this: what the command itself wrote is in the first so many bytes.
const PIPE: usize = 64 * 1024;

/// An exec that started.
#[derive(Debug)]
pub struct Run {
    started: Instant,
    started_at_ms: i64,
    output: Mutex<Output>,
    grown: watch::Sender<u64>,
    done: watch::Sender<Option<Arc<Receipt>>>,
    stop: watch::Sender<bool>,
    tree: Arc<Tree>,
}

/// What its task needs besides the run.
#[derive(Debug)]
pub struct Follow {
    /// Where the output comes from.
    pub pipe: pipe::Receiver,
    /// Says how the command ended.
    pub ended: oneshot::Receiver<Ended>,
    /// When it must have.
    pub timeout: Option<Duration>,
    /// The counters when it started.
    pub before: Reading,
}

impl Run {
    /// A run of `exec` whose command started just now.
    #[must_use]
    pub fn new(output: Output, tree: Tree, started_at_ms: i64) -> Self {
        Self {
            started: Instant::now(),
            started_at_ms,
            output: Mutex::new(output),
            grown: watch::Sender::new(0),
            done: watch::Sender::new(None),
            stop: watch::Sender::new(false),
            tree: Arc::new(tree),
        }
    }

    /// A run that could not start: its receipt says why, as a shell would.
    #[must_use]
    pub fn failed(exec: &Exec, code: i32, why: &str, met: Vec<Exhausted>, now_ms: i64) -> Self {
        let mut output = Output::new(exec.output_cap.max(1024), exec.spool_cap, None);
        output.push(why.as_bytes());
        let tree = Tree::Traced {
            root: -1,
            mark: Vec::new(),
        };
        let run = Self::new(output, tree, now_ms);
        run.conclude(Ended::Exit(code), None, met);
        run
    }

    /// Its output until now.
    pub fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it started, milliseconds since the Unix epoch.
    #[must_use]
    pub fn started_at_ms(&self) -> i64 {
        self.started_at_ms
    }

    /// Its receipt, once it has ended.
    #[must_use]
    pub fn receipt(&self) -> Option<Arc<Receipt>> {
        self.done.borrow().clone()
    }

    /// Waits for its end.
    pub async fn finished(&self) -> Arc<Receipt> {
        let mut done = self.done.subscribe();
        loop {
            if let Some(receipt) = done.borrow_and_update().clone() {
                return receipt;
            }
            // The sender lives in self.
            let _ = done.changed().await;
        }
    }

    /// Changes whenever there is more output to read.
    pub fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// Ends everything it started and waits until that is gone.
    pub async fn kill(&self, reaper: &Reaper) {
        if self.receipt().is_none() {
            self.stop.send_replace(true);
            self.finished().await;
        }
        self.tree.raze(reaper).await;
    }

    /// Everything it started.
    #[must_use]
    pub fn tree(&self) -> Arc<Tree> {
        Arc::clone(&self.tree)
    }

    fn push(&self, bytes: &[u8]) {
        let kept = {
            let mut output = self.output();
            output.push(bytes);
            output.kept()
        };
        self.grown
            .send_if_modified(|old| std::mem::replace(old, kept) != kept);
    }

    /// Reads output and waits until the command has ended, then writes the
    /// receipt. Returns the pipe if somebody still holds its other end.
    pub async fn follow(
        &self,
        mut follow: Follow,
        gauge: &Gauge,
        reaper: &Reaper,
    ) -> Option<pipe::Receiver> {
        let mut buf = vec![0u8; PIPE];
        let mut open = true;
        let mut killed = None;
        let mut stop = self.stop.subscribe();
        let mut next = follow.timeout.map(|after| self.started + after);
        let ended = loop {
            let alarm = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = &mut follow.ended => break ended.unwrap_or(Ended::Signal(libc::SIGKILL)),
                got = read(&follow.pipe, &mut buf), if open => match got {
                    Some(bytes) => self.push(bytes),
                    None => open = false,
                },
                () = alarm => {
                    if killed.is_none() {
                        killed = Some(KillReason::TimedOut);
                        self.tree.terminate();
                    } else {
                        self.tree.kill();
                    }
                    next = Some(Instant::now() + GRACE);
                }
                _ = stop.wait_for(|&stop| stop), if killed.is_none() => {
                    killed = Some(KillReason::Canceled);
                    self.tree.terminate();
                    next = Some(Instant::now() + GRACE);
                }
            }
        };
        let met = gauge.met_since(follow.before);
        let crowded = met.iter().any(|met| matches!(met, Exhausted::Pids { .. }));
        if killed.is_some() || crowded {
            self.tree.raze(reaper).await;
        }
        open = open && self.drain(&follow.pipe, &mut buf);
        self.conclude(ended, killed, met);
        open.then_some(follow.pipe)
    }

    /// Takes what the command wrote before it ended; whether more may come.
    fn drain(&self, pipe: &pipe::Receiver, buf: &mut [u8]) -> bool {
        let mut taken = 0;
        while taken < PIPE {
            match pipe.try_read(buf) {
                Ok(0) => return false,
                Ok(n) => {
                    self.push(buf.get(..n).unwrap_or_default());
                    taken += n;
                }
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    fn conclude(&self, ended: Ended, killed: Option<KillReason>, exhausted: Vec<Exhausted>) {
        let duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (exit_code, signal) = match ended {
            Ended::Exit(code) => (Some(code), None),
            Ended::Signal(signal) => (None, Some(signal)),
        };
        let oom = exhausted.iter().find_map(|met| match met {
            Exhausted::Memory { limit } => Some(KillReason::Oom { limit: *limit }),
            _ => None,
        });
        let killed = killed.or(oom.filter(|_| exit_code != Some(0)));
        let output = self.output();
        let receipt = Receipt {
            exit_code,
            signal,
            timed_out: killed == Some(KillReason::TimedOut),
            killed,
            exhausted,
            output: output.captured(),
            total_bytes: output.total(),
            spooled_bytes: output.kept(),
            duration_ms,
            started_at_ms: self.started_at_ms,
        };
        drop(output);
        self.done.send_replace(Some(Arc::new(receipt)));
    }
}

/// The next bytes; `None` when nobody can write any more.
pub(crate) async fn read<'a>(pipe: &pipe::Receiver, buf: &'a mut [u8]) -> Option<&'a [u8]> {
    loop {
        pipe.readable().await.ok()?;
        match pipe.try_read(buf) {
            Ok(0) => return None,
            Ok(n) => return buf.get(..n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

/// Reads what leftovers write until none of them holds the pipe.
pub async fn discard(pipe: pipe::Receiver) {
    let mut buf = vec![0u8; PIPE / 4];
    while read(&pipe, &mut buf).await.is_some() {}
}
