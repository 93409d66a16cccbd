//! Who writes to SQLite now. There is one pen; whoever finds it lying there, and
//! nobody waiting for it, writes on their own thread and is done without being
//! put to sleep. Under load the pen is mostly taken: then writes queue, and one
//! thread takes what waits as a group. A group is what came while the disk was
//! busy with the one before.

use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc;

use super::writer::{Job, Writer};
use crate::Error;

/// Most writes that share one transaction.
const GROUP: usize = 256;
/// A commit that took longer has a disk that makes its thread wait.
const QUICK: Duration = Duration::from_millis(1);
/// How long those who were just answered may take to come again.
const AGAIN: Duration = Duration::from_micros(100);

/// The pen, with the writer that holds it; none once the store is closed.
pub(super) struct Pen {
    writer: Mutex<Option<Writer>>,
    /// Writes that queue or are being written by the thread.
    waiting: AtomicUsize,
    /// Whether the thread is to go on with the pen in a moment.
    gathering: AtomicBool,
    /// Whether the last commit was not a quick one.
    slow: AtomicBool,
}

impl Pen {
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            writer: Mutex::new(Some(writer)),
            waiting: AtomicUsize::new(0),
            gathering: AtomicBool::new(false),
            slow: AtomicBool::new(false),
        }
    }

    /// Writes on this thread, if nobody has the pen or waits for it and the
    /// thread may be kept for so long.
    pub(super) fn here<T>(&self, write: impl FnOnce(&mut Writer) -> T) -> Option<T> {
        if self.waiting() > 0 || self.gathering.load(SeqCst) {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return None;
        }
        let mut writer = self.writer.try_lock().ok()?;
        let writer = writer.as_mut()?;
        // Only one thread at a time is kept here, and while the disk is quick the
        // others do without it; to replace it would take as long as the commit.
        let replaced = self.slow.load(Relaxed) || runtime.metrics().num_workers() < 2;
        let began = Instant::now();
        let written = if replaced {
            tokio::task::block_in_place(|| write(writer))
        } else {
            write(writer)
        };
        self.took(began);
        Some(written)
    }

    /// Looks something up with the pen's connection, if nobody has it or waits for
    /// it. That one knows what it wrote itself: any other connection reads anew
    /// what it keeps of the file after each write.
    pub(super) fn glance<T>(&self, look: impl FnOnce(&Connection) -> T) -> Option<T> {
        if self.waiting() > 0 || self.gathering.load(SeqCst) {
            return None;
        }
        let writer = self.writer.try_lock().ok()?;
        writer.as_ref().map(|writer| look(&writer.conn))
    }

    fn took(&self, began: Instant) {
        self.slow.store(began.elapsed() > QUICK, Relaxed);
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
        let began = Instant::now();
        let committed = match &mut *writer {
            Some(writer) => writer.group(group),
            None => Err(Error::Unavailable("the store is closed".to_owned())),
        };
        drop(writer);
        self.took(began);
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
