//! The rehearsal model as an HTTP server, over the interfaces of both
//! providers, so that other people's clients can be driven too. It checks each
//! request as the real APIs would, and keeps what it was sent for looking up.

mod beat;
mod fault;
mod log;
mod messages;
mod responses;
mod seal;

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::rehearsal::{Fail, Fails, Line, Named, Part, Scene, Seen, part, summary};
use crate::{ModelError, compaction_prompt};
use fault::{Dialect, Fault};
use log::{ANSWERED, Log, Watch};

/// Largest request that is accepted, in bytes.
const LARGEST: usize = 32 * 1024 * 1024;

/// What a server of rehearsals remembers.
#[derive(Debug, Default)]
struct Rehearsals {
    log: Log,
    fails: Fails,
}

/// One request.
#[derive(Debug)]
struct Asked {
    headers: HeaderMap,
    body: Bytes,
    watch: Watch,
}

/// How many answers a summary at the head of the conversation counted: our own
/// engines' door knows, and a script goes on from there.
pub(crate) const REPLIES: HeaderName = HeaderName::from_static("x-rehearsal-replies");

impl Asked {
    /// What is played now: the next line, or a summary for a session that asks
    /// for one in our words.
    fn part(&self, name: &str, scene: Scene<'_>) -> Result<Part, Fault> {
        let scene = self.after_summary(scene);
        let words = compaction_prompt().split('.').next().unwrap_or_default();
        let next = part(model(name), &scene);
        if !String::from_utf8_lossy(&self.body).contains(words) {
            return Ok(next?);
        }
        let told = summary(&scene);
        // A window that is always too small is so for a summary.
        let full = |part: &Part| {
            let line = &part.line;
            line.fail == Some(Fail::Named(Named::Context)) && line.times == Some(-1)
        };
        Ok(match next.ok().filter(full) {
            Some(next) => Part {
                line: Line {
                    fail: next.line.fail,
                    times: next.line.times,
                    ..told.line
                },
                ..next
            },
            None => told,
        })
    }

    /// The scene, with what was before it.
    fn after_summary<'a>(&self, mut scene: Scene<'a>) -> Scene<'a> {
        let count = |value: &HeaderValue| value.to_str().ok()?.parse().ok();
        if let Some(replies) = self.headers.get(REPLIES).and_then(count) {
            scene.0.insert(0, Seen::Summary { replies });
        }
        scene
    }
}

/// How a part is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Whole,
    Drop,
    Hang,
    Garbage,
}

/// `POST /v1/messages`, `/v1/messages/count_tokens`, `/v1/responses` and
/// `/v1/responses/input_tokens`, `GET /v1/models`, and `GET /__log`. A path may have any prefix.
pub fn rehearse_router() -> Router {
    Router::new()
        .fallback(answer)
        .with_state(Arc::new(Rehearsals::default()))
}

async fn answer(State(rehearsals): State<Arc<Rehearsals>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if head.method == Method::GET && head.uri.path() == "/__log" {
        return Json(rehearsals.log.list()).into_response();
    }
    let body = to_bytes(body, LARGEST).await;
    let watch = rehearsals
        .log
        .add(&head, body.as_deref().unwrap_or_default());
    let path = head.uri.path();
    let openai = path.ends_with("/responses") || path.ends_with("/responses/input_tokens");
    let dialect = match openai {
        true => Dialect::OpenAi,
        false => Dialect::Anthropic,
    };
    let id = watch.request_id();
    let answered = match body {
        Ok(body) => route(&rehearsals, &head, body, watch.clone()).await,
        Err(_) => Err(Fault::new(413, "The request is too large.")),
    };
    let mut response = answered.unwrap_or_else(|fault| {
        watch.ended(ANSWERED);
        fault.into_response(dialect, &id)
    });
    watch.status(response.status());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(dialect.id_header(), id);
    }
    response
}

async fn route(
    rehearsals: &Rehearsals,
    head: &Parts,
    body: Bytes,
    watch: Watch,
) -> Result<Response, Fault> {
    let asked = Asked {
        headers: head.headers.clone(),
        body,
        watch,
    };
    let path = head.uri.path();
    match (&head.method, path) {
        (&Method::POST, path) if path.ends_with("/v1/messages") => {
            messages::answer(rehearsals, asked).await
        }
        (&Method::POST, path) if path.ends_with("/v1/messages/count_tokens") => {
            asked.watch.ended(ANSWERED);
            messages::count(&asked)
        }
        (&Method::POST, path) if path.ends_with("/responses") => {
            responses::answer(rehearsals, asked).await
        }
        (&Method::POST, path) if path.ends_with("/responses/input_tokens") => {
            asked.watch.ended(ANSWERED);
            responses::count(&asked)
        }
        (&Method::GET, path) if path.ends_with("/v1/models") => {
            asked.watch.ended(ANSWERED);
            Ok(Json(models()).into_response())
        }
        _ => Err(Fault::new(404, "There is nothing here.")),
    }
}

/// The list of models, in a shape that clients of both providers read.
fn models() -> Value {
    let model = |id: &str| {
        json!({ "id": id, "type": "model", "object": "model", "display_name": id,
        "created": 0, "created_at": "1970-01-01T00:00:00Z", "owned_by": "rehearsal" })
    };
    json!({ "object": "list", "data": [model("demo"), model("script")],
        "has_more": false, "first_id": "demo", "last_id": "script" })
}

impl Rehearsals {
    /// Waits, or fails, as the part says; tells how it is to end.
    async fn begin(&self, session: &str, part: &Part) -> Result<Ending, Fault> {
        if let Some(ms) = part.line.delay_ms {
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
        }
        let failing = self.fails.fails_now(session, part);
        match part.line.fail.filter(|_| failing) {
            None => Ok(Ending::Whole),
            Some(Fail::Status(status)) => {
                let mut fault = Fault::new(status, "As the script says.");
                fault.retry_after = part.line.retry_after;
                Err(fault)
            }
            Some(Fail::Named(Named::Spend)) => Err(Fault::spend()),
            Some(Fail::Named(Named::Context)) => Err(Fault::too_long()),
            Some(Fail::Named(Named::Drop)) => Ok(Ending::Drop),
            Some(Fail::Named(Named::Hang)) => Ok(Ending::Hang),
            Some(Fail::Named(Named::Garbage)) => Ok(Ending::Garbage),
        }
    }
}

/// The model of a rehearsal behind a provider's model name.
fn model(name: &str) -> &'static str {
    match name.ends_with("demo") {
        true => "demo",
        false => "script",
    }
}

/// Tags in which engines put words of their own into a user's message.
const TAGS: [&str; 3] = ["<system-reminder>", "<platform_note>", "<summary_so_far>"];

/// Whether a text is the user's own.
fn is_users(text: &str) -> bool {
    let text = text.trim_start();
    !TAGS.iter().any(|tag| text.starts_with(tag))
}

/// A whole answer as one JSON document, ending as it is to end.
async fn document(json: Value, ending: Ending, watch: Watch) -> Response {
    let text = json.to_string();
    match ending {
        Ending::Whole => {
            watch.ended(ANSWERED);
            Json(json).into_response()
        }
        Ending::Garbage => {
            watch.ended(ANSWERED);
            (StatusCode::OK, "{ this is no JSON").into_response()
        }
        Ending::Drop => {
            let half = text[..text.floor_char_boundary(text.len() / 2)].to_owned();
            Body::new(beat::body(vec![beat::send(half)], beat::End::Cut, watch)).into_response()
        }
        Ending::Hang => std::future::pending().await,
    }
}

impl From<ModelError> for Fault {
    fn from(error: ModelError) -> Self {
        Fault::new(error.status.unwrap_or(400), &error.message)
    }
}
