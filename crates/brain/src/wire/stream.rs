//! One request and its answer, a stream of events or a document, watched by deadlines: for the first
//! byte, for silence between bytes, and for the whole.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::client::Endpoint;
use super::fault;
use super::sse::{Event, Reader};
use crate::{ErrorKind, ModelError, Patience};

/// Bytes of an error answer, or of a small document, that are read.
const SMALL: usize = 64 * 1024;
/// Bytes of one answer that are read.
const LONGEST: u64 = 256 * 1024 * 1024;

/// The events of one answer.
#[derive(Debug)]
pub(crate) struct Events {
    /// The provider's id of the request.
    pub request_id: Option<String>,
    response: Response,
    reader: Reader,
    ready: VecDeque<Event>,
    gap: Duration,
    left: u64,
    /// The bytes so far, where somebody wants them.
    pub record: Option<Vec<u8>>,
}

/// Sends a request whose answer is a stream of events.
pub(crate) async fn open(
    endpoint: &Endpoint,
    headers: HeaderMap,
    body: Bytes,
    patience: &Patience,
    record: bool,
) -> Result<Events, ModelError> {
    let first = Instant::now() + patience.first_byte;
    let response = post(endpoint, headers, body, patience).await?;
    let request_id = fault::request_id(response.headers());
    let mut events = Events {
        request_id,
        response,
        reader: Reader::default(),
        ready: VecDeque::new(),
        gap: patience.gap,
        left: LONGEST,
        record: record.then(Vec::new),
    };
    events.fill(first).await?;
    Ok(events)
}

/// Sends a request whose answer is one small JSON document, and reads it.
pub(crate) async fn document(
    endpoint: &Endpoint,
    headers: HeaderMap,
    body: Bytes,
    patience: &Patience,
) -> Result<Value, ModelError> {
    let until = Instant::now() + patience.first_byte;
    let mut response = post(endpoint, headers, body, patience).await?;
    let mut body = Vec::new();
    while let Some(chunk) = timeout_at(until, response.chunk())
        .await
        .map_err(|_| silent("did not end its answer", patience.first_byte))?
        .map_err(|error| unreachable(&error))?
    {
        body.extend_from_slice(&chunk);
        if body.len() > SMALL {
            return Err(ModelError::broken("The answer is too long for what it is."));
        }
    }
    serde_json::from_slice(&body)
        .map_err(|error| ModelError::broken(format!("The answer is no JSON: {error}.")))
}

/// Sends a request and waits for the head of a good answer.
async fn post(
    endpoint: &Endpoint,
    headers: HeaderMap,
    body: Bytes,
    patience: &Patience,
) -> Result<Response, ModelError> {
    let first = Instant::now() + patience.first_byte;
    let response = timeout_at(first, endpoint.post(headers, body))
        .await
        .map_err(|_| silent("did not begin to answer", patience.first_byte))?
        .map_err(|error| unreachable(&error))?;
    match response.status() {
        StatusCode::OK => Ok(response),
        _ => Err(refused(response, Instant::now() + patience.gap).await),
    }
}

impl Events {
    /// Reads events until `take` says that the answer is complete.
    pub async fn read(
        &mut self,
        mut take: impl FnMut(&str) -> Result<bool, ModelError> + Send,
    ) -> Result<(), ModelError> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                if take(&event.data)? {
                    return Ok(());
                }
            }
            if !self.fill(Instant::now() + self.gap).await? {
                let words = "The stream ended before the answer was complete.";
                return Err(ModelError::broken(words));
            }
        }
    }

    /// Waits for more bytes; false at the end of the stream.
    async fn fill(&mut self, until: Instant) -> Result<bool, ModelError> {
        let chunk = timeout_at(until, self.response.chunk()).await;
        let chunk = chunk.map_err(|_| silent("stopped sending", self.gap))?;
        let Some(bytes) = chunk.map_err(|error| unreachable(&error))? else {
            return Ok(false);
        };
        let long = || ModelError::broken("The answer is longer than any answer should be.");
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(long)?;
        if let Some(record) = &mut self.record {
            record.extend_from_slice(&bytes);
        }
        let events = self.reader.feed(&bytes).map_err(|_| long())?;
        self.ready.extend(events);
        Ok(true)
    }
}

/// Reads as much of an error answer as says what is wrong.
async fn refused(mut response: Response, until: Instant) -> ModelError {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    // A body that stays away takes nothing from what the status says.
    while let Ok(Ok(Some(chunk))) = timeout_at(until, response.chunk()).await {
        body.extend_from_slice(&chunk);
        if body.len() > SMALL {
            break;
        }
    }
    fault::of_answer(status, &headers, &body)
}

fn silent(what: &str, limit: Duration) -> ModelError {
    let words = format!("The provider {what} within {limit:?}.");
    ModelError::new(ErrorKind::Timeout, words)
}

/// The connection failed. The address is ours to know, and no secret; yet the
/// innermost cause is what helps.
fn unreachable(error: &reqwest::Error) -> ModelError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let what = match error.is_connect() {
        true => "The provider cannot be reached",
        false => "The connection to the provider broke",
    };
    ModelError::broken(format!("{what}: {cause}."))
}
