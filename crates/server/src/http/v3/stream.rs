//! The live log as server-sent events (contract v3 §10): what is there beyond the
//! cursor, then what comes, until the reader leaves, its token expires, the
//! session is closed, or the node drains.
//!
//! A reader is polled by its own connection and owns no task. It holds its place
//! in the log, not the log: frames are rendered once and shared, and nothing is
//! fetched for a reader that does not read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use session::Millis;
use store::{EventQuery, Follow, Logged, Sabotage, sabotaged};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{event, events};
use crate::app::App;
use crate::clock;
use crate::deltas::Delta;
use crate::http::auth::Reads;
use crate::http::problem::{Problem, named};
use crate::metrics::Subscriber;

/// Keeps the connection alive through whatever stands between.
const PING: Bytes = Bytes::from_static(b": ping\n\n");
/// The last frame of a node that drains: come back soon, there or elsewhere.
const AGAIN: Bytes = Bytes::from_static(b"retry: 1000\n\n");
/// The last frame of a closed session: nothing more will ever come.
const OVER: Bytes = Bytes::from_static(b"retry: 60000\n\n");
/// The header of a browser that goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Opens a stream.
pub async fn open(
    app: &App,
    door: Reads,
    mut query: EventQuery,
    deltas: bool,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    query.after = query.after.max(last_event_id(headers)?);
    if sabotaged(Sabotage::StreamOffByOne) && query.after > 0 {
        query.after += 1;
    }
    let follow = app
        .store
        .follow(&door.org, &door.session, query.after)
        .await;
    let follow = follow.map_err(named("session", &door.session))?;
    let over = closed(app, &door, query.after).await?;
    let period = Duration::from_secs(app.config.node.heartbeat_seconds);
    let mut beat = interval_at(Instant::now() + period, period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reader = Reader {
        follow,
        query,
        deltas: deltas.then(|| app.deltas.listen(&door.session)),
        beat,
        expires: door.expires.map(instant),
        drain: app.drain.clone(),
        last: over.then_some(OVER),
        over,
        _counted: app.metrics.subscriber(),
    };
    let frames = futures::stream::unfold(reader, |mut reader| async move {
        let frame = reader.next().await?;
        Some((Ok::<_, std::convert::Infallible>(frame), reader))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(frames)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<u64, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(0);
    };
    let text = value.to_str().unwrap_or("?").trim();
    if text.is_empty() {
        return Ok(0);
    }
    let seq = text
        .parse()
        .map_err(|_| Problem::malformed("Last-Event-ID", "`Last-Event-ID` must be a `seq`"))?;
    Ok(events::bounded(seq))
}

/// Whether the cursor stands at the end of a closed session's log.
async fn closed(app: &App, door: &Reads, after: u64) -> Result<bool, Problem> {
    if after == 0 {
        return Ok(false);
    }
    let logged = match app.store.event(&door.org, &door.session, after).await {
        Ok(logged) => logged,
        Err(store::Error::NotFound) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if logged.event.draft.kind != "model.cut" {
        return Ok(closes(&logged));
    }
    let row = app.store.session(&door.org, &door.session).await?;
    Ok(row.state.archived)
}

/// Whether an event is the last that readers of its session are told. All that may
/// stand behind it is what a model call that it cut had used.
fn closes(logged: &Logged) -> bool {
    logged.event.draft.kind == "session.archived"
}

fn instant(at: Millis) -> Instant {
    Instant::now() + Duration::from_millis(u64::try_from(at.since(clock::now())).unwrap_or(0))
}

/// One reader of one session.
struct Reader {
    follow: Follow,
    query: EventQuery,
    deltas: Option<broadcast::Receiver<Arc<Delta>>>,
    beat: Interval,
    expires: Option<Instant>,
    drain: CancellationToken,
    /// What is still to be sent once it is over.
    last: Option<Bytes>,
    over: bool,
    _counted: Subscriber,
}

/// What woke a reader.
enum Woken {
    Drain,
    Expired,
    Beat,
    Delta(Arc<Delta>),
    Event(Result<Arc<Logged>, store::Error>),
}

impl Reader {
    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.over {
                return self.last.take();
            }
            match self.woken().await {
                Woken::Drain => self.end(Some(AGAIN)),
                Woken::Expired => self.end(None),
                Woken::Beat => return Some(PING),
                Woken::Delta(delta) => return Some(delta_frame(&delta)),
                Woken::Event(Ok(logged)) => {
                    if closes(&logged) {
                        self.end(Some(OVER));
                    }
                    if self.wants(&logged) {
                        self.beat.reset();
                        return Some(event::frame(&logged));
                    }
                }
                // The reader comes back and goes on where it was.
                Woken::Event(Err(error)) => {
                    tracing::debug!(%error, "a stream broke off");
                    self.end(Some(AGAIN));
                }
            }
        }
    }

    fn end(&mut self, last: Option<Bytes>) {
        self.over = true;
        self.last = last;
    }

    async fn woken(&mut self) -> Woken {
        tokio::select! {
            biased;
            () = self.drain.cancelled() => Woken::Drain,
            () = expiry(self.expires) => Woken::Expired,
            // Before events, so that a finished message follows its pieces.
            delta = said(&mut self.deltas) => Woken::Delta(delta),
            event = self.follow.next() => Woken::Event(event),
            _ = self.beat.tick() => Woken::Beat,
        }
    }

    fn wants(&self, logged: &Logged) -> bool {
        let draft = &logged.event.draft;
        self.query.level.shows(draft.level)
            && self
                .query
                .kind
                .as_ref()
                .is_none_or(|kind| kind.takes(&draft.kind))
            && self
                .query
                .turn
                .as_ref()
                .is_none_or(|turn| draft.turn.as_ref() == Some(turn))
    }
}

async fn expiry(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The next piece of an answer; a reader that is too slow misses some.
async fn said(deltas: &mut Option<broadcast::Receiver<Arc<Delta>>>) -> Arc<Delta> {
    loop {
        match deltas {
            None => std::future::pending().await,
            Some(from) => match from.recv().await {
                Ok(delta) => return delta,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => *deltas = None,
            },
        }
    }
}

fn delta_frame(delta: &Delta) -> Bytes {
    let data = serde_json::to_string(delta).unwrap_or_default();
    format!("event: delta\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_browser_s_place_is_a_number_or_nothing() {
        for (text, want) in [
            ("", Some(0)),
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("99999999999999999999", None),
            ("x", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(LAST_EVENT_ID, HeaderValue::from_static(text))]);
            let got = last_event_id(&headers);
            assert_eq!(got.as_ref().ok(), want.as_ref(), "{text:?}");
        }
        assert_eq!(last_event_id(&HeaderMap::new()), Ok(0));
    }

    #[test]
    fn a_delta_is_a_named_frame_without_an_id() {
        let delta = Delta {
            turn_id: "trn_1_1".to_owned(),
            kind: "text",
            text: "a\nb".to_owned(),
        };
        let frame = delta_frame(&delta);
        let want = "event: delta\ndata: {\"turn_id\":\"trn_1_1\",\"kind\":\"text\",\"text\":\"a\\nb\"}\n\n";
        assert_eq!(frame, want);
    }

    #[tokio::test]
    async fn a_slow_reader_misses_pieces_and_goes_on() {
        let (to, from) = broadcast::channel(2);
        let delta = |n: u32| {
            Arc::new(Delta {
                turn_id: n.to_string(),
                kind: "text",
                text: String::new(),
            })
        };
        for n in 0..5 {
            to.send(delta(n)).unwrap();
        }
        let mut deltas = Some(from);
        assert_eq!(said(&mut deltas).await.turn_id, "3");
        assert_eq!(said(&mut deltas).await.turn_id, "4");
    }
}
