//! The live reader of one session: follows its stream from the beginning,
//! comes back with `Last-Event-ID` whenever it breaks, and keeps all it saw.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::line::{Line, seq};
use crate::cli::sse;

/// Longest silence of a stream; its heartbeat comes each second.
const SILENCE: Duration = Duration::from_secs(4);
/// Until a broken stream is opened again.
const PAUSE: Duration = Duration::from_millis(15);

/// An event as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) seq: u64,
    pub(super) at: Instant,
    pub(super) event: Value,
}

/// What a live reader saw so far; others look on.
#[derive(Clone)]
pub(super) struct Sight {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// How many it saw.
    count: watch::Sender<usize>,
    /// How many all readers of the run saw.
    all: watch::Sender<u64>,
}

impl Sight {
    pub(super) fn new(all: watch::Sender<u64>) -> Self {
        Self {
            seen: Arc::default(),
            count: watch::Sender::new(0),
            all,
        }
    }

    /// Waits until it saw so many.
    pub(super) async fn reached(&self, count: usize) {
        let mut counts = self.count.subscribe();
        // The sender is ours: it is not closed.
        let _ = counts.wait_for(|seen| *seen >= count).await;
    }

    /// Everything until now.
    pub(super) fn all(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    /// The highest number it saw.
    pub(super) fn head(&self) -> u64 {
        self.lock().iter().map(|seen| seen.seq).max().unwrap_or(0)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: Value) {
        let seen = Seen {
            seq: seq(&event),
            at: Instant::now(),
            event,
        };
        self.lock().push(seen);
        self.count.send_modify(|count| *count += 1);
        self.all.send_modify(|count| *count += 1);
    }
}

/// Reads for ever; whoever owns it drops it.
pub(super) async fn read(line: Line, session: String, sight: Sight) {
    let mut after = 0;
    loop {
        if let Some(answer) = line.stream(&session, after).await {
            let mut body = answer.bytes_stream();
            let mut frames = sse::Reader::default();
            while let Ok(Some(Ok(bytes))) = timeout(SILENCE, body.next()).await {
                let Ok(said) = frames.take(&bytes) else { break };
                for said in said {
                    after = take(&sight, said).unwrap_or(after);
                }
            }
        }
        sleep(PAUSE).await;
    }
}

/// Keeps an event; the place to come back to.
fn take(sight: &Sight, said: sse::Said) -> Option<u64> {
    let sse::Said::Frame(frame) = said else {
        return None;
    };
    // A named frame is no event of the log.
    let id = frame.id.filter(|_| frame.event.is_none())?.parse().ok()?;
    let event = serde_json::from_str(&frame.data).unwrap_or(Value::Null);
    sight.take(event);
    Some(id)
}
