//! Who writes to SQLite now. There is one pen; whoever finds it lying there, and
//! nobody waiting for it, writes on their own thread and is done without being
//! put to sleep. Under load the pen is mostly taken: then writes queue, and one
//! thread takes what waits as a group. A group is what came while the disk was
//! busy with the one before.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc;

use super::writer::{Job, Writer};
use crate::Error;

/// Most writes that share one transaction.
const GROUP: usize = 256;
/// How long those who were just answered may take to come again.
const AGAIN: Duration = Duration::from_micros(100);

/// The pen, with the writer that holds it; none once the store is closed.
pub(super) struct Pen {
    writer: Mutex<Option<Writer>>,
    /// Writes that queue or are being written by the thread.
    waiting: AtomicUsize,
    /// Whether the thread is to go on with the pen in a moment.
    gathering: AtomicBool,
}

impl Pen {
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            writer: Mutex::new(Some(writer)),
            waiting: AtomicUsize::new(0),
            gathering: AtomicBool::new(false),
        }
    }

    /// The pen, if nobody has it or waits for it and this thread may be kept.
    pub(super) fn lying(&self) -> Option<MutexGuard<'_, Option<Writer>>> {
        let wanted = self.waiting() > 0 || self.gathering.load(SeqCst);
        if wanted || !may_block() {
            return None;
        }
        self.writer.try_lock().ok()
    }

    /// Says that a write is about to queue.
    pub(super) fn wait(&self) {
        self.waiting.fetch_add(1, SeqCst);
    }

    /// Writes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// Puts the pen away for good, once whoever has it is done.
    pub(super) fn put_away(&self) {
        drop(self.held().take());
    }

    fn held(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what queues, until nobody can queue any more.
    pub(super) fn write_what_waits(&self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        let mut group = Vec::new();
        while let Some(first) = jobs.blocking_recv() {
            group.push(first);
            self.gathering.store(true, SeqCst);
            let mut size = 1;
            while !group.is_empty() || gather(&mut jobs, size, &mut group) {
                size = self.write(&mut jobs, &mut group);
            }
            self.gathering.store(false, SeqCst);
        }
    }

    /// Writes a group and whatever else waits by now; how many those were.
    fn write(
        &self,
        jobs: &mut mpsc::Receiver<Box<dyn Job>>,
        group: &mut Vec<Box<dyn Job>>,
    ) -> usize {
        let mut writer = self.held();
        fill(jobs, group);
        let committed = match &mut *writer {
            Some(writer) => writer.group(group),
            None => Err(Error::Unavailable("the store is closed".to_owned())),
        };
        drop(writer);
        let size = group.len();
        self.waiting.fetch_sub(size, SeqCst);
        for job in group.drain(..) {
            job.answer(committed.clone());
        }
        size
    }
}

fn fill(jobs: &mut mpsc::Receiver<Box<dyn Job>>, group: &mut Vec<Box<dyn Job>>) {
    while group.len() < GROUP
        && let Ok(next) = jobs.try_recv()
    {
        group.push(next);
    }
}

/// Gathers the next group behind one of that size; whether there is any. Where
/// many were just answered, half of them are given a moment to come again: the
/// other half comes while this group is being written.
fn gather(
    jobs: &mut mpsc::Receiver<Box<dyn Job>>,
    size: usize,
    group: &mut Vec<Box<dyn Job>>,
) -> bool {
    let since = Instant::now();
    while jobs.len() < size / 2 && since.elapsed() < AGAIN {
        std::thread::yield_now();
    }
    fill(jobs, group);
    !group.is_empty()
}

/// Whether this thread may wait for a disk: others then carry on in its place.
fn may_block() -> bool {
    Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}
