//! Takes in ended children: the commands, and whatever they left behind.
//!
//! The guest is the first process of its sandbox, so every orphan ends here.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::sys;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    /// From the status word of `wait`.
    #[must_use]
    pub fn from_status(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal(libc::WTERMSIG(status))
        } else {
            Self::Exit(libc::WEXITSTATUS(status))
        }
    }
}

/// Who waits for which child.
#[derive(Debug)]
pub struct Reaper {
    waiting: Mutex<HashMap<i32, oneshot::Sender<Ended>>>,
    reaped: watch::Sender<u64>,
}

impl Reaper {
    /// A reaper and the signal it works on; [`Reaper::run`] must be polled on the
    /// thread that starts children, so that none is reaped before it is known.
    ///
    /// # Errors
    /// If the signal cannot be listened to.
    pub fn new() -> io::Result<(Self, Signal)> {
        let signal = signal(SignalKind::child())?;
        let reaper = Self {
            waiting: Mutex::default(),
            reaped: watch::Sender::new(0),
        };
        Ok((reaper, signal))
    }

    /// Says how the child ended, once it has.
    pub fn expect(&self, pid: i32) -> oneshot::Receiver<Ended> {
        let (tell, told) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(pid, tell);
        told
    }

    /// Changes with every child taken in.
    pub fn reaped(&self) -> watch::Receiver<u64> {
        self.reaped.subscribe()
    }

    /// Takes children in for ever.
    pub async fn run(&self, mut signal: Signal) {
        loop {
            while let Some((pid, status)) = sys::reap_one() {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(tell) = waiting.remove(&pid) {
                    // Nobody waits any more: the end is still taken in.
                    let _ = tell.send(Ended::from_status(status));
                }
                drop(waiting);
                self.reaped.send_modify(|count| *count += 1);
            }
            if signal.recv().await.is_none() {
                return;
            }
        }
    }
}
