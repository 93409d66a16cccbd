//! The two halves of a stream, as its users hold them.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use super::table::Table;
use super::{Broken, WINDOW};
use crate::frame::{Frame, MAX_CONTROL, MAX_DATA};

/// What comes on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A control message.
    Tell(Bytes),
    /// Raw bytes.
    Data(Bytes),
    /// Nothing more comes. Not given out: reading returns `None`.
    End,
    /// The other side gave up. Not given out: reading returns the error.
    Reset(String),
}

/// A stream: both halves.
#[derive(Debug)]
pub struct Channel {
    /// To the other side.
    pub tx: Sending,
    /// From the other side.
    pub rx: Receiving,
}

impl Channel {
    pub(super) fn new(
        id: u32,
        table: Arc<Table>,
        credit: Arc<Semaphore>,
        rx: mpsc::Receiver<Item>,
    ) -> Self {
        Self {
            tx: Sending {
                id,
                table: Arc::clone(&table),
                credit,
                done: false,
            },
            rx: Receiving {
                id,
                table,
                rx,
                taken: 0,
                done: false,
            },
        }
    }

    /// Gives the stream up with a reason the other side will see.
    pub fn reset(self, reason: &str) {
        self.tx.reset(reason);
    }
}

/// The half that sends. Dropped before [`Sending::finish`], it resets the stream.
#[derive(Debug)]
pub struct Sending {
    id: u32,
    table: Arc<Table>,
    credit: Arc<Semaphore>,
    done: bool,
}

impl Sending {
    /// Sends bytes of any length; waits while the other side does not read.
    ///
    /// # Errors
    /// [`Broken`]: how much arrived is not known.
    pub async fn data(&self, bytes: impl Into<Bytes>) -> Result<(), Broken> {
        let mut bytes = bytes.into();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(MAX_DATA));
            spend(&self.table, &self.credit).await?;
            self.table.send(Frame::Data(self.id, piece)).await?;
        }
        Ok(())
    }

    /// Sends a control message.
    ///
    /// # Errors
    /// [`Broken`]; also a reset of this stream if the message is too long.
    pub async fn tell(&self, message: impl Into<Bytes>) -> Result<(), Broken> {
        let message = message.into();
        if message.len() > MAX_CONTROL {
            self.table.reset_here(self.id, "message too long");
            return Err(Broken::Reset("message too long".to_owned()));
        }
        spend(&self.table, &self.credit).await?;
        self.table.send(Frame::Tell(self.id, message)).await
    }

    /// Waits for room for one piece. What is not used of it is lost to the stream.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn room(&self) -> impl Future<Output = Result<Room, Broken>> + Send + use<> {
        let (id, table, credit) = (self.id, Arc::clone(&self.table), Arc::clone(&self.credit));
        async move {
            spend(&table, &credit).await?;
            let permit = table.room().await?;
            Ok(Room { id, permit })
        }
    }

    /// Nothing more will be sent.
    ///
    /// # Errors
    /// [`Broken::Gone`].
    pub async fn finish(mut self) -> Result<(), Broken> {
        self.table.send(Frame::End(self.id)).await?;
        self.done = true;
        self.table.finished_here(self.id);
        Ok(())
    }

    /// Gives the stream up, both ways.
    pub fn reset(mut self, reason: &str) {
        self.done = true;
        self.table.reset_here(self.id, reason);
    }

    /// Waits until the other side has given the stream up or the connection ended.
    pub async fn broken(&self) {
        // More permits than a window never exist: this waits for the close alone.
        let _ = self.credit.acquire_many(WINDOW + 1).await;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.done {
            self.table.reset_here(self.id, "dropped");
        }
    }
}

async fn spend(table: &Table, credit: &Semaphore) -> Result<(), Broken> {
    match credit.acquire().await {
        Ok(permit) => permit.forget(),
        Err(_) if table.is_closed() => return Err(Broken::Gone),
        Err(_) => return Err(Broken::Reset("the other side gave up".to_owned())),
    }
    Ok(())
}

/// Room for one piece of data.
#[derive(Debug)]
pub struct Room {
    id: u32,
    permit: mpsc::OwnedPermit<Frame>,
}

impl Room {
    /// Sends the beginning of `bytes`; says how much of it.
    pub fn fill(self, bytes: &[u8]) -> usize {
        let piece = bytes.get(..MAX_DATA).unwrap_or(bytes);
        self.permit
            .send(Frame::Data(self.id, Bytes::copy_from_slice(piece)));
        piece.len()
    }
}

/// The half that receives. Dropped before the end, it resets the stream.
#[derive(Debug)]
pub struct Receiving {
    id: u32,
    table: Arc<Table>,
    rx: mpsc::Receiver<Item>,
    taken: u32,
    done: bool,
}

impl Receiving {
    /// The next message or bytes; `None` after the other side has finished.
    ///
    /// # Errors
    /// [`Broken`] if the stream ended in any other way.
    pub async fn next(&mut self) -> Result<Option<Item>, Broken> {
        if self.done {
            return Ok(None);
        }
        match self.rx.recv().await {
            Some(Item::End) => {
                self.done = true;
                Ok(None)
            }
            Some(Item::Reset(reason)) => {
                self.done = true;
                Err(Broken::Reset(reason))
            }
            None => {
                self.done = true;
                Err(Broken::Gone)
            }
            Some(item) => {
                self.taken += 1;
                if self.taken >= WINDOW / 2 {
                    let frames = std::mem::take(&mut self.taken);
                    // A lost connection shows at the next read, after what came before it.
                    let _ = self.table.send(Frame::Credit(self.id, frames)).await;
                }
                Ok(Some(item))
            }
        }
    }

    /// Everything until the end, as bytes.
    ///
    /// # Errors
    /// [`Broken`]; more than `cap` bytes are a reset.
    pub async fn collect(&mut self, cap: usize) -> Result<Vec<u8>, Broken> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await? {
            if let Item::Data(bytes) | Item::Tell(bytes) = item {
                if all.len() + bytes.len() > cap {
                    self.table.reset_here(self.id, "too long");
                    return Err(Broken::Reset("too long".to_owned()));
                }
                all.extend_from_slice(&bytes);
            }
        }
        Ok(all)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if !self.done && !matches!(self.rx.try_recv(), Ok(Item::End)) {
            self.table.reset_here(self.id, "dropped");
        }
    }
}
