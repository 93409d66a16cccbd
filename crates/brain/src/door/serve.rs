//! One connection of an engine: HTTP/1.1, and behind it nothing but the door.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::{Door, Doors, Knock, Told};

/// Where tools are called.
pub(crate) const TOOLS: &str = "/mcp";

/// Largest request of an engine, in bytes.
const LARGEST: usize = 32 * 1024 * 1024;

/// Longest time for an engine to send one.
const SENDING: Duration = Duration::from_secs(60);

/// Serves one connection of that session's engine until it is closed.
pub(crate) async fn serve(
    doors: Arc<Doors>,
    session: &str,
    stream: impl AsyncRead + AsyncWrite + Unpin,
) {
    let serve = service_fn(|request| {
        let doors = doors.clone();
        async move { Ok::<_, Infallible>(answer(&doors, session, request.map(Body::new)).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(SENDING);
    let talk = builder.serve_connection(TokioIo::new(stream), serve);
    if let Err(error) = talk.await {
        tracing::debug!(session, %error, "a connection of an engine broke");
    }
}

async fn answer(doors: &Doors, session: &str, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let known = path.ends_with("/messages") || path.ends_with("/responses");
    let door = doors.of(session);
    // Only this session's program can be at the other end: tools need no key.
    let tools = path == TOOLS && door.as_ref().is_some_and(|door| door.tools);
    match head.method {
        // Engines look whether anybody is there before they ask.
        Method::HEAD => return Response::default(),
        Method::POST if known || tools => {}
        // It says nothing by itself, and keeps no sessions.
        _ if tools => return refused(StatusCode::METHOD_NOT_ALLOWED, "Only POST is known here."),
        _ => return refused(StatusCode::NOT_FOUND, "There is nothing here."),
    }
    let admitted = |door: &Arc<Door>| key(&head.headers).is_some_and(|key| door.admits(key));
    let Some(door) = door.filter(|door| tools || admitted(door)) else {
        return refused(StatusCode::UNAUTHORIZED, "This key is not known here.");
    };
    let length = length(&head.headers);
    let kib = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
    let Ok(_held) = door.held.try_acquire_many(kib.max(1)) else {
        return refused(StatusCode::TOO_MANY_REQUESTS, "Too much is asked at once.");
    };
    let Ok(Ok(body)) = tokio::time::timeout(SENDING, to_bytes(body, length)).await else {
        return refused(StatusCode::BAD_REQUEST, "The request did not come whole.");
    };
    let (answer, told) = oneshot::channel();
    let (path, headers) = (path.to_owned(), head.headers);
    let knock = Knock {
        path,
        headers,
        body,
        answer,
    };
    if door.knocks.try_send(knock).is_err() {
        return refused(StatusCode::TOO_MANY_REQUESTS, "Too much is asked at once.");
    }
    match told.await {
        Ok(Told::Answer(bytes)) => {
            let mut response = Response::new(Body::from(bytes));
            let kind = hyper::header::HeaderValue::from_static("text/event-stream");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        Ok(Told::Document(status, document)) => told_whole(status, document),
        Ok(Told::No(why)) => refused(StatusCode::BAD_REQUEST, why),
        Err(_) => refused(StatusCode::GONE, "Nobody waits for this any more."),
    }
}

fn told_whole(status: StatusCode, document: Option<Value>) -> Response<Body> {
    let body = document.map_or_else(Body::empty, |document| Body::from(document.to_string()));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Most bytes that the body of a request may have: what it says of itself.
fn length(headers: &HeaderMap) -> usize {
    let said = headers.get(CONTENT_LENGTH);
    let said = said.and_then(|value| value.to_str().ok()?.parse().ok());
    said.map_or(LARGEST, |said: usize| said.min(LARGEST))
}

/// The key of a request, whichever provider's way it is shown in.
fn key(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let bearer = || text(AUTHORIZATION.as_str())?.strip_prefix("Bearer ");
    text("x-api-key").or_else(bearer)
}

/// A refusal in the words of either provider.
fn refused(status: StatusCode, why: &str) -> Response<Body> {
    let error = json!({ "type": "invalid_request_error", "message": why });
    let body = json!({ "type": "error", "error": error });
    let mut response = told_whole(status, Some(body));
    // So that no engine asks again by itself.
    let never = hyper::header::HeaderValue::from_static("false");
    response.headers_mut().insert("x-should-retry", never);
    response
}
