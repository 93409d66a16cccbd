//! Reading the log (contract v3 §10): a page, one event, the whole of a large
//! one, the messages alone. `stream=sse` makes the page a stream.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use session::Level;
use store::{EventQuery, KindFilter, Logged};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::event::{self, EventObject};
use super::stream;
use crate::app::App;
use crate::http::auth::Reads;
use crate::http::problem::{ErrorEnvelope, Problem, named};
use crate::http::query::{At, Params, size};

/// Events of a page, unless fewer are asked for; also the most.
const PAGE: usize = 1000;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(content))
        .routes(routes!(messages))
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventParams {
    /// Only events with a higher `seq`
    after: Option<u64>,
    /// Threshold: `user`, `progress` (and user), `internal` (all; the default)
    level: Option<String>,
    /// Exact type, `prefix.*` or `*.suffix`
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// Only events of this turn
    turn_id: Option<String>,
    /// Most events of a page (1000)
    limit: Option<u64>,
    /// `sse`: stream what is there and what comes, as server-sent events
    stream: Option<String>,
    /// With `stream=sse`, 1: also send pieces of answers as they are made, as frames `event: delta` without an id
    deltas: Option<String>,
    /// A client token, where headers cannot be set
    #[expect(
        dead_code,
        reason = "auth reads it; it stands here for the description"
    )]
    token: Option<String>,
}

/// Which messages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MessageParams {
    /// Only events with a higher `seq`
    after: Option<u64>,
    /// Most events of a page (1000)
    limit: Option<u64>,
}

/// A page of events, oldest first.
#[derive(Serialize, ToSchema)]
pub struct EventPage<'a> {
    /// The events.
    data: Vec<EventObject<'a>>,
    /// Goes on as `after`, if there are more.
    next_cursor: Option<String>,
}

impl EventParams {
    fn query(&self) -> Result<EventQuery, Problem> {
        let level = match self.level.as_deref() {
            None => Level::Internal,
            Some(name) => Level::named(name).ok_or_else(|| {
                Problem::malformed("level", "`level` must be user, progress or internal")
            })?,
        };
        Ok(EventQuery {
            after: bounded(self.after.unwrap_or(0)),
            level,
            kind: self.kind.as_deref().map(KindFilter::parse),
            turn: self.turn_id.clone(),
            limit: size(self.limit, PAGE, PAGE)?,
        })
    }

    /// Whether a stream is asked for.
    fn streams(&self) -> Result<bool, Problem> {
        match self.stream.as_deref() {
            None => Ok(false),
            Some("sse") => Ok(true),
            Some(_) => Err(Problem::malformed("stream", "`stream` must be sse")),
        }
    }
}

/// A number that every database can hold; no log is longer.
pub(super) fn bounded(seq: u64) -> u64 {
    seq.min(i64::MAX as u64)
}

/// Read or follow the log
#[utoipa::path(get, path = "/v3/sessions/{id}/events", operation_id = "list_events", tag = "Events",
    security(("api_key" = []), ("x_api_key" = []), ("client_token" = []), ("client_token_in_query" = [])),
    params(("id" = String, Path, description = "Session"), EventParams,
        ("Last-Event-ID" = Option<u64>, Header, description = "Where a broken stream goes on; the higher of it and `after` counts")),
    responses((status = 200, description = "Events", content((EventPage = "application/json"), (String = "text/event-stream"))),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(
    State(app): State<App>,
    door: Reads,
    headers: HeaderMap,
    Params(params): Params<EventParams>,
) -> Result<Response, Problem> {
    let query = params.query()?;
    if !params.streams()? {
        return page(&app, &door, query).await;
    }
    let deltas = matches!(params.deltas.as_deref(), Some("1" | "true"));
    stream::open(&app, door, query, deltas, &headers).await
}

/// Read the messages of both sides
#[utoipa::path(get, path = "/v3/sessions/{id}/messages", operation_id = "list_messages", tag = "Messages",
    security(("api_key" = []), ("x_api_key" = []), ("client_token" = []), ("client_token_in_query" = [])),
    params(("id" = String, Path, description = "Session"), MessageParams),
    responses((status = 200, description = "Events of level user and type *.message", body = EventPage),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn messages(
    State(app): State<App>,
    door: Reads,
    Params(params): Params<MessageParams>,
) -> Result<Response, Problem> {
    let params = EventParams {
        after: params.after,
        limit: params.limit,
        level: Some(Level::User.name().to_owned()),
        kind: Some("*.message".to_owned()),
        ..EventParams::default()
    };
    page(&app, &door, params.query()?).await
}

async fn page(app: &App, door: &Reads, mut query: EventQuery) -> Result<Response, Problem> {
    let limit = query.limit;
    query.limit += 1;
    let mut events = app
        .store
        .events(&door.org, &door.session, query)
        .await
        .map_err(named("session", &door.session))?;
    let more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| more).map(|last| last.event.seq);
    Ok(([(CONTENT_TYPE, "application/json")], join(&events, next)).into_response())
}

/// The page as JSON, from events that may have been rendered before.
fn join(events: &[Arc<Logged>], next: Option<u64>) -> Vec<u8> {
    let mut text = b"{\"data\":[".to_vec();
    for (at, event) in events.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&event::json(event));
    }
    let next = next.map_or("null".to_owned(), |seq| format!("\"{seq}\""));
    text.extend_from_slice(format!("],\"next_cursor\":{next}}}").as_bytes());
    text
}

/// Read one event
#[utoipa::path(get, path = "/v3/sessions/{id}/events/{event}", operation_id = "get_event", tag = "Events",
    security(("api_key" = []), ("x_api_key" = []), ("client_token" = []), ("client_token_in_query" = [])),
    params(("id" = String, Path, description = "Session"), ("event" = String, Path, description = "Event")),
    responses((status = 200, description = "The event", body = EventObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn one(
    State(app): State<App>,
    door: Reads,
    At([_, event]): At<2>,
) -> Result<Response, Problem> {
    let logged = find(&app, &door, &event).await?;
    Ok(([(CONTENT_TYPE, "application/json")], event::json(&logged)).into_response())
}

/// Read the whole of an event whose body shows a part
#[utoipa::path(get, path = "/v3/sessions/{id}/events/{event}/content", operation_id = "get_event_content", tag = "Events",
    security(("api_key" = []), ("x_api_key" = []), ("client_token" = []), ("client_token_in_query" = [])),
    params(("id" = String, Path, description = "Session"), ("event" = String, Path, description = "Event")),
    responses((status = 200, description = "The text as it is", body = String, content_type = "text/plain"),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn content(
    State(app): State<App>,
    door: Reads,
    At([_, event]): At<2>,
) -> Result<Response, Problem> {
    let logged = find(&app, &door, &event).await?;
    let whole = app
        .store
        .content(&door.org, &door.session, logged.event.seq)
        .await
        .map_err(named("event", &event))?;
    Ok(match whole {
        Some(bytes) => text(bytes),
        None => inline(&logged),
    })
}

/// What an event without offloaded content has: its text, or else its body.
fn inline(logged: &Logged) -> Response {
    let body = &logged.event.draft.body;
    let shown = ["output", "text"]
        .into_iter()
        .find_map(|field| body.get(field).and_then(Value::as_str));
    match shown {
        Some(shown) => text(Bytes::copy_from_slice(shown.as_bytes())),
        None => axum::Json(body).into_response(),
    }
}

fn text(bytes: Bytes) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], bytes).into_response()
}

/// An event by its id, which tells its number.
async fn find(app: &App, door: &Reads, event: &str) -> Result<Arc<Logged>, Problem> {
    let seq = app.store.event_named(&door.org, &door.session, event).await;
    let seq = seq.map_err(named("event", event))?;
    app.store
        .event(&door.org, &door.session, seq)
        .await
        .map_err(named("event", event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::Code;
    use session::Millis;
    use session::fact::Fact;

    fn params(change: impl FnOnce(&mut EventParams)) -> EventParams {
        let mut params = EventParams::default();
        change(&mut params);
        params
    }

    #[test]
    fn a_query_says_what_is_wrong_with_it() {
        let table = [
            (params(|p| p.level = Some("debug".into())), "level"),
            (params(|p| p.limit = Some(0)), "limit"),
        ];
        for (params, name) in table {
            let problem = params.query().unwrap_err();
            assert_eq!(
                (problem.code, problem.param.as_deref()),
                (Code::Malformed, Some(name))
            );
        }
        let problem = params(|p| p.stream = Some("ws".into()))
            .streams()
            .unwrap_err();
        assert_eq!(problem.param.as_deref(), Some("stream"));
    }

    #[test]
    fn a_query_has_the_contract_s_defaults_and_bounds() {
        let query = params(|p| p.after = Some(u64::MAX)).query().unwrap();
        assert_eq!(
            (query.after, query.level, query.limit),
            (i64::MAX as u64, Level::Internal, 1000)
        );
        assert_eq!(
            params(|p| p.limit = Some(5000)).query().unwrap().limit,
            1000
        );
    }

    #[test]
    fn a_page_is_json_with_or_without_events() {
        let event = |seq| {
            Arc::new(Logged::new(Fact::Archived.draft("ses_1", None).at(
                "ses_1",
                seq,
                Millis(0),
            )))
        };
        for (events, next) in [
            (vec![], None),
            (vec![event(1)], None),
            (vec![event(1), event(2)], Some(2)),
        ] {
            let page: Value = serde_json::from_slice(&join(&events, next)).unwrap();
            assert_eq!(page["data"].as_array().unwrap().len(), events.len());
            assert_eq!(
                page["next_cursor"].as_str(),
                next.map(|n: u64| n.to_string()).as_deref()
            );
        }
    }
}
