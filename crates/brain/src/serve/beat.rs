//! An answer as a stream: pieces with pauses between them, and an end that may
//! be a bad one.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::Value;

use super::Ending;
use super::log::{ANSWERED, Watch};

/// One piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beat {
    /// Milliseconds to wait before it.
    pub wait_ms: u64,
    /// What is sent.
    pub text: String,
    /// Whether it carries text of the model, and not only its frame.
    pub chunk: bool,
    /// Bytes in it that are the model's own.
    pub bytes: u64,
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Well,
    /// The connection is cut.
    Cut,
    /// Nothing more comes.
    Silence,
}

/// A piece that is sent at once.
pub(super) fn send(text: String) -> Beat {
    Beat {
        wait_ms: 0,
        text,
        chunk: false,
        bytes: 0,
    }
}

/// An event as it is written on the stream.
pub(super) fn event(data: &Value) -> Beat {
    let kind = data.get("type").and_then(Value::as_str).unwrap_or_default();
    let delta = &data["delta"];
    let fields = ["text", "thinking", "partial_json"].map(|field| &delta[field]);
    let said = fields.iter().copied().chain([delta]);
    let bytes = said.filter_map(Value::as_str).map(|text| text.len() as u64);
    Beat {
        bytes: bytes.sum(),
        ..send(format!("event: {kind}\ndata: {data}\n\n"))
    }
}

/// The stream of these pieces, ending as it is to end.
pub(super) async fn respond(beats: Vec<Beat>, ending: Ending, watch: Watch) -> Response {
    let first = beats.iter().position(|beat| beat.chunk);
    let begun = || beats.iter().take(first.map_or(1, |at| at + 1)).cloned();
    let body = match (ending, first) {
        (Ending::Whole, _) => body(beats, End::Well, watch),
        (Ending::Drop, _) => body(begun().collect(), End::Cut, watch),
        (Ending::Hang, Some(_)) => body(begun().collect(), End::Silence, watch),
        // Silence from the beginning: not even a status is sent.
        (Ending::Hang, None) => std::future::pending().await,
        (Ending::Garbage, _) => {
            let nonsense = send("event: garbage\ndata: { this is no JSON\n\n".to_owned());
            body(vec![nonsense], End::Well, watch)
        }
    };
    ([(CONTENT_TYPE, "text/event-stream; charset=utf-8")], body).into_response()
}

/// A body that plays these pieces.
pub(super) fn body(beats: Vec<Beat>, end: End, watch: Watch) -> Body {
    let state = (beats.into_iter(), Some(end), watch);
    Body::from_stream(stream::unfold(state, async |(mut beats, end, watch)| {
        if let Some(beat) = beats.next() {
            if beat.wait_ms > 0 {
                tokio::time::sleep(Duration::from_millis(beat.wait_ms)).await;
            }
            watch.sent(beat.bytes);
            let bytes: Result<_, io::Error> = Ok(Bytes::from(beat.text));
            return Some((bytes, (beats, end, watch)));
        }
        match end? {
            End::Well => {
                watch.ended(ANSWERED);
                None
            }
            End::Cut => {
                watch.ended("cut as the script says");
                let cut = io::Error::other("cut as the script says");
                Some((Err(cut), (beats, None, watch)))
            }
            End::Silence => {
                let never: Infallible = std::future::pending().await;
                match never {}
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_names_its_kind_twice() {
        let beat = event(&json!({ "type": "ping", "n": 1 }));
        assert_eq!(
            beat.text,
            "event: ping\ndata: {\"n\":1,\"type\":\"ping\"}\n\n"
        );
    }

    #[tokio::test]
    async fn a_stream_ends_as_it_is_to_end() {
        let beats = || vec![send("a".into()), send("b".into())];
        let log = super::super::Log::default();
        let watch = || log.watch();
        let whole = axum::body::to_bytes(body(beats(), End::Well, watch()), 10).await;
        assert_eq!(&whole.unwrap()[..], b"ab");
        let cut = axum::body::to_bytes(body(beats(), End::Cut, watch()), 10).await;
        assert!(cut.is_err());
    }
}
