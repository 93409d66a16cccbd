//! The streams of one connection: who is open, and how far each side has got.
//!
//! A stream leaves the table when both sides finished, or at a reset from either.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, watch};

use super::half::Item;
use super::{Broken, MAX_STREAMS, Role, WINDOW};
use crate::frame::Frame;

/// A stream of either side.
#[derive(Debug)]
struct Entry {
    to_app: mpsc::Sender<Item>,
    credit: Arc<Semaphore>,
    finished_here: bool,
    finished_there: bool,
}

#[derive(Debug)]
struct Streams {
    open: HashMap<u32, Entry>,
    next: u32,
}

/// Shared by all handles of a connection.
#[derive(Debug)]
pub(super) struct Table {
    role: Role,
    streams: Mutex<Streams>,
    out: mpsc::Sender<Frame>,
    urgent: mpsc::Sender<Frame>,
    closed: watch::Sender<bool>,
}

/// The peer broke the rules; the connection must end.
#[derive(Debug)]
pub(super) struct Violation;

impl Table {
    pub(super) fn new(role: Role, out: mpsc::Sender<Frame>, urgent: mpsc::Sender<Frame>) -> Self {
        let next = if role == Role::Host { 1 } else { 2 };
        let streams = Mutex::new(Streams {
            open: HashMap::new(),
            next,
        });
        Self {
            role,
            streams,
            out,
            urgent,
            closed: watch::Sender::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream of ours: its id and what the other side will send on it.
    pub(super) fn open(
        &self,
        credit: Arc<Semaphore>,
    ) -> Result<(u32, mpsc::Receiver<Item>), Broken> {
        let mut streams = self.lock();
        if self.is_closed() {
            return Err(Broken::Gone);
        }
        if streams.open.len() >= MAX_STREAMS {
            return Err(Broken::Busy);
        }
        let mut id = streams.next;
        while streams.open.contains_key(&id) {
            id = id.wrapping_add(2);
        }
        streams.next = id.wrapping_add(2);
        Ok((id, Self::insert(&mut streams, id, credit)))
    }

    /// A stream of theirs. `None`: there are too many, refuse it.
    pub(super) fn accept(
        &self,
        id: u32,
        credit: Arc<Semaphore>,
    ) -> Result<Option<mpsc::Receiver<Item>>, Violation> {
        let theirs = id.is_multiple_of(2) == (self.role == Role::Host);
        let mut streams = self.lock();
        if !theirs || id == 0 || streams.open.contains_key(&id) {
            return Err(Violation);
        }
        if streams.open.len() >= MAX_STREAMS {
            return Ok(None);
        }
        Ok(Some(Self::insert(&mut streams, id, credit)))
    }

    fn insert(streams: &mut Streams, id: u32, credit: Arc<Semaphore>) -> mpsc::Receiver<Item> {
        // One window of frames, one end, one reset: a send can never find it full.
        let (to_app, rx) = mpsc::channel(WINDOW as usize + 2);
        let entry = Entry {
            to_app,
            credit,
            finished_here: false,
            finished_there: false,
        };
        streams.open.insert(id, entry);
        rx
    }

    /// Hands an item to the stream's reader. What comes for a stream that is
    /// already gone was sent before its reset was heard, and is dropped.
    pub(super) fn deliver(&self, id: u32, item: Item) -> Result<(), Violation> {
        let mut streams = self.lock();
        let Some(entry) = streams.open.get_mut(&id) else {
            return Ok(());
        };
        if entry.finished_there {
            return Err(Violation);
        }
        let end = matches!(item, Item::End);
        let reset = matches!(item, Item::Reset(_));
        entry.finished_there |= end;
        if let Err(mpsc::error::TrySendError::Full(_)) = entry.to_app.try_send(item) {
            return Err(Violation);
        }
        if reset {
            entry.credit.close();
        }
        if reset || (end && entry.finished_here) {
            streams.open.remove(&id);
        }
        Ok(())
    }

    /// A reset may come even after an end.
    pub(super) fn reset_by_peer(&self, id: u32, reason: String) {
        if let Some(entry) = self.lock().open.remove(&id) {
            entry.credit.close();
            // Only a peer that overran its window can have filled it; it is told by the close.
            let _ = entry.to_app.try_send(Item::Reset(reason));
        }
    }

    pub(super) fn add_credit(&self, id: u32, frames: u32) -> Result<(), Violation> {
        let streams = self.lock();
        let Some(entry) = streams.open.get(&id) else {
            return Ok(());
        };
        if frames as usize + entry.credit.available_permits() > WINDOW as usize {
            return Err(Violation);
        }
        entry.credit.add_permits(frames as usize);
        Ok(())
    }

    /// This side has sent everything.
    pub(super) fn finished_here(&self, id: u32) {
        let mut streams = self.lock();
        if let Some(entry) = streams.open.get_mut(&id) {
            entry.finished_here = true;
            if entry.finished_there {
                streams.open.remove(&id);
            }
        }
    }

    /// This side gives the stream up; a no-op once it is over.
    pub(super) fn reset_here(&self, id: u32, reason: &str) {
        let Some(entry) = self.lock().open.remove(&id) else {
            return;
        };
        entry.credit.close();
        self.refuse(id, reason);
    }

    /// Tells the other side that a stream is over. If not even that can be
    /// queued, the connection is stuck and ends.
    pub(super) fn refuse(&self, id: u32, reason: &str) {
        let reason = Bytes::copy_from_slice(reason.as_bytes());
        if self.urgent.try_send(Frame::Reset(id, reason)).is_err() {
            self.close();
        }
    }

    pub(super) async fn send(&self, frame: Frame) -> Result<(), Broken> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            sent = self.out.send(frame) => sent.map_err(|_| Broken::Gone),
            _ = closed.wait_for(|&closed| closed) => Err(Broken::Gone),
        }
    }

    /// Waits for room for one frame.
    pub(super) async fn room(&self) -> Result<mpsc::OwnedPermit<Frame>, Broken> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            room = self.out.clone().reserve_owned() => room.map_err(|_| Broken::Gone),
            _ = closed.wait_for(|&closed| closed) => Err(Broken::Gone),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    pub(super) async fn closed(&self) {
        // The sender lives in self, so this ends only with the value.
        let _ = self.closed.subscribe().wait_for(|&closed| closed).await;
    }

    /// Ends every stream without an end: their readers see that it is gone.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
        for (_, entry) in self.lock().open.drain() {
            entry.credit.close();
        }
    }
}
