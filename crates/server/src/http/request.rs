//! What every request gets, whatever its route: an id, one line in the log, a
//! count, an end to panics, and the rendering of problems. It knows no route.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use session::id::Noun;
use tracing::Instrument;

use super::problem::{Code, Problem};
use super::shape::Shape;
use crate::app::App;
use crate::clock;

/// The header that carries a request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What became known of a request while it was handled, for its line in the log.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<OnceLock<String>>);

impl Seen {
    /// Notes whose request it is.
    pub fn org(&self, org: &str) {
        // A second note can only say the same.
        let _ = self.0.set(org.to_owned());
    }
}

/// Wraps every route.
pub async fn every(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = clock::fresh(Noun::Request);
    let seen = Seen::default();
    request.extensions_mut().insert(seen.clone());
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    let session = session_in(request.uri().path()).map(str::to_owned);
    let shape = Shape::of(request.uri().path());

    let span = tracing::info_span!("request", request = %id);
    let response = guarded(next.run(request)).instrument(span).await;
    let response = finish(response, &id, shape);

    let took = began.elapsed();
    let status = response.status().as_u16();
    app.metrics.request(method.as_str(), route, status, took);
    let ms = took.as_secs_f64() * 1000.0;
    let org = seen.0.get().map_or("", String::as_str);
    let session = session.as_deref().unwrap_or("");
    if ["/v3", "/v1", "/api", "/agents"]
        .iter()
        .any(|face| route.starts_with(face))
        || status >= 500
    {
        tracing::info!(request = %id, %method, route, status, ms, org, session, "answered");
    } else {
        tracing::debug!(request = %id, %method, route, status, ms, "answered");
    }
    response
}

/// A handler's answer; a panic is one too. Its message went to standard error
/// where it happened.
async fn guarded(handler: impl Future<Output = Response>) -> Response {
    let caught = AssertUnwindSafe(handler).catch_unwind().await;
    caught.unwrap_or_else(|_| {
        tracing::error!("a handler panicked");
        let words = "something is wrong inside the server; its log has the details";
        Problem::new(Code::Internal, words).into_response()
    })
}

/// The session a path is about, for the log.
fn session_in(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v3/sessions/")?;
    rest.split('/')
        .next()
        .filter(|id| id.starts_with("ses_") && id.len() < 64)
}

/// Renders the problem, if it is one, and adds what every answer has.
fn finish(mut response: Response, id: &str, shape: Shape) -> Response {
    let problem = response
        .extensions_mut()
        .remove::<Problem>()
        .or_else(|| foreign(response.status(), &response));
    if let Some(problem) = problem {
        render(problem, id, shape, &mut response);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Answers hold what only the holder of a key may see.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A refusal that the framework made by itself.
fn foreign(status: StatusCode, response: &Response) -> Option<Problem> {
    let json = response
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind == "application/json");
    if json || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let code = match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        status if status.is_client_error() => Code::Malformed,
        _ => Code::Internal,
    };
    Some(Problem::new(
        code,
        status
            .canonical_reason()
            .unwrap_or("refused")
            .to_lowercase(),
    ))
}

/// Puts the problem into the answer as its face words it; the headers stay.
fn render(problem: Problem, id: &str, shape: Shape, response: &mut Response) {
    let (code, again) = (problem.code, problem.again);
    let (parts, body) = shape.answer(problem, id).into_parts();
    *response.status_mut() = parts.status;
    *response.body_mut() = body;
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.extend(parts.headers);
    if code == Code::Unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let soon = (code.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
    if let Some(seconds) = again.or(soon) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_session_s_id_is_logged_as_one() {
        for (path, want) in [
            ("/v3/sessions/ses_1/events", Some("ses_1")),
            ("/v3/sessions/ses_1", Some("ses_1")),
            ("/v3/sessions/other", None),
            ("/v3/sessions", None),
            ("/v3/agents/ses_1", None),
        ] {
            assert_eq!(session_in(path), want, "{path}");
        }
    }

    #[test]
    fn every_refusal_is_an_envelope_with_an_id() {
        let foreign = StatusCode::URI_TOO_LONG.into_response();
        for (response, status) in [
            (Problem::missing("agent", "x").into_response(), 404),
            (foreign, 400),
        ] {
            let response = finish(response, "req_1", Shape::V3);
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.headers()[REQUEST_ID], "req_1");
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_that_tells_nothing_of_the_inside() {
        let response = guarded(async { panic!("a secret of the inside") }).await;
        let response = finish(response, "r", Shape::V3);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            text.contains("\"internal\"") && !text.contains("secret"),
            "{text}"
        );
    }

    #[test]
    fn what_may_be_tried_again_says_when_and_a_missing_key_says_how() {
        let busy = finish(
            Problem::new(Code::Busy, "x").into_response(),
            "r",
            Shape::V3,
        );
        assert_eq!(busy.headers()[RETRY_AFTER], "1");
        let flood = Problem::new(Code::RateLimited, "x").again_in(7);
        let flood = finish(flood.into_response(), "r", Shape::V3);
        assert_eq!(flood.headers()[RETRY_AFTER], "7");
        let stranger = finish(
            Problem::new(Code::Unauthorized, "x").into_response(),
            "r",
            Shape::V3,
        );
        assert_eq!(stranger.headers()[WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn an_answer_is_left_as_it_is() {
        let response = finish(
            (StatusCode::CREATED, "text").into_response(),
            "r",
            Shape::V3,
        );
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }
}
