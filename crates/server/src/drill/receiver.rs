//! A receiver of webhooks in the drill's own process: whatever becomes of the
//! servers, it goes on, and keeps all that came in the order of coming.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::error::DrillError;

/// Most bytes of one webhook: an event in the log is smaller.
const MOST: usize = 1 << 20;

/// A webhook that came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Letter {
    /// Its `webhook-id`.
    pub(super) id: String,
    /// The session it is about.
    pub(super) session: String,
    /// The number of its event.
    pub(super) seq: u64,
    /// The event.
    pub(super) event: Value,
}

/// It ends when it is dropped.
pub(super) struct Receiver {
    /// Where it is.
    pub(super) url: String,
    kept: Arc<Kept>,
    count: watch::Receiver<usize>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Kept {
    letters: Mutex<Vec<Letter>>,
    /// Heads and bodies, as they came.
    raw: Mutex<Vec<u8>>,
}

impl Receiver {
    pub(super) async fn open() -> Result<Self, DrillError> {
        let failed = |error| DrillError::Tool(format!("no receiver of webhooks: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(failed)?;
        let url = format!("http://{}/", listener.local_addr().map_err(failed)?);
        let kept = Arc::new(Kept::default());
        let (tell, count) = watch::channel(0);
        let (keep, tell) = (Arc::clone(&kept), Arc::new(tell));
        let router = Router::new().fallback(move |request: Request| {
            let (keep, tell) = (Arc::clone(&keep), Arc::clone(&tell));
            async move {
                let status = keep.take(request).await;
                tell.send_modify(|count| *count += 1);
                status
            }
        });
        let mut task = JoinSet::new();
        task.spawn(async move {
            // It serves until it is dropped.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            url,
            kept,
            count,
            _task: task,
        })
    }

    /// What came about a session.
    pub(super) fn of(&self, session: &str) -> Vec<Letter> {
        let all = self.kept.letters.lock();
        let all = all.unwrap_or_else(PoisonError::into_inner);
        let its = all.iter().filter(|letter| letter.session == session);
        its.cloned().collect()
    }

    /// Waits until everything up to a number came about a session; what came by then
    /// is for the judge.
    pub(super) async fn came(&self, session: &str, head: u64, until: Instant) {
        let mut count = self.count.clone();
        let all = || {
            let its = self.of(session);
            (1..=head).all(|seq| its.iter().any(|letter| letter.seq == seq))
        };
        while !all() {
            if !matches!(timeout_at(until, count.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Every byte that came.
    pub(super) fn raw(&self) -> Vec<u8> {
        let raw = self.kept.raw.lock();
        raw.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Kept {
    async fn take(&self, request: Request) -> StatusCode {
        let (head, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, MOST).await else {
            return StatusCode::PAYLOAD_TOO_LARGE;
        };
        let id = head.headers.get("webhook-id");
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        self.keep_raw(&format!("{:?}", head.headers), &body);
        let mut said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let letter = Letter {
            id: id.to_owned(),
            session: said["sessionId"].as_str().unwrap_or_default().to_owned(),
            seq: said["event"]["seq"].as_u64().unwrap_or_default(),
            event: said["event"].take(),
        };
        let all = self.letters.lock();
        all.unwrap_or_else(PoisonError::into_inner).push(letter);
        StatusCode::OK
    }

    fn keep_raw(&self, head: &str, body: &Bytes) {
        let raw = self.raw.lock();
        let mut raw = raw.unwrap_or_else(PoisonError::into_inner);
        raw.extend_from_slice(head.as_bytes());
        raw.extend_from_slice(body);
    }
}
