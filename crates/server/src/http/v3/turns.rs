//! Turns and the result (contract v3 §9): read from the events that began and
//! ended each turn.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use session::fact::YieldReason;
use session::{Frozen, id};
use store::Turn;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::event::{self, EventObject};
use super::usage::TurnUsage;
use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::problem::{Code, ErrorEnvelope, Problem, named};
use crate::http::query::{At, Params, size};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(result))
}

/// A turn: from input to rest.
#[derive(Serialize, ToSchema)]
#[schema(as = Turn)]
pub struct TurnObject {
    /// Its id.
    id: String,
    /// `running`, `ok` or `error`.
    #[schema(value_type = String, example = "ok")]
    state: &'static str,
    /// Times it was begun; a turn taken up after a crash is still the first.
    attempt: u32,
    /// Why it came to rest; null while it runs.
    yield_reason: Option<String>,
    /// The event that carries the result.
    result_event_id: Option<String>,
    /// What went wrong: `code`, `message`, `retriable`.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
    /// When it began.
    started_at: String,
    /// When it came to rest.
    completed_at: Option<String>,
    /// Seconds from one to the other.
    active_seconds: Option<i64>,
    /// Its tokens; empty while it runs.
    usage: TurnUsage,
}

/// A page of turns, newest first.
#[derive(Serialize, ToSchema)]
pub struct TurnPage {
    /// The turns.
    data: Vec<TurnObject>,
    /// Goes on as `cursor`, if there are more.
    next_cursor: Option<String>,
}

/// What the last turn came to.
#[derive(Serialize, ToSchema)]
#[schema(as = Result)]
pub struct ResultObject {
    /// The newest turn, if there is one.
    last_turn: Option<TurnObject>,
    /// The event that carries its result, once it has one.
    #[schema(value_type = Option<EventObject>)]
    result: Option<Box<RawValue>>,
}

/// Which turns.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TurnParams {
    /// Most turns of a page (50, at most 100)
    limit: Option<u64>,
    /// The `next_cursor` of the page before
    cursor: Option<String>,
}

impl TurnObject {
    /// The turn of a session of that configuration.
    fn new(turn: &Turn, frozen: &Frozen) -> Self {
        let began = &turn.started.event;
        let ended = turn.completed.as_ref().map(|logged| &logged.event);
        let body = ended.map(|event| &event.draft.body);
        let text = |field: &str| {
            body.and_then(|body| body.get(field))
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let part = |field: &str| body.and_then(|body| body.get(field)).cloned();
        let reason = text("yield_reason");
        let state = match reason.as_deref() {
            None => "running",
            Some(reason) if reason == YieldReason::Error.name() => "error",
            Some(_) => "ok",
        };
        Self {
            // A fork has the turns of its ancestors, by the ids they were given there.
            id: match &began.draft.turn {
                Some(id) => id.clone(),
                None => id::turn(&began.session, turn.number),
            },
            state,
            attempt: 1,
            yield_reason: reason,
            result_event_id: text("result_event_id"),
            error: part("error"),
            started_at: clock::rfc3339(began.at),
            completed_at: ended.map(|event| clock::rfc3339(event.at)),
            active_seconds: ended.map(|event| event.at.since(began.at) / 1000),
            usage: TurnUsage::of(part("usage"), frozen),
        }
    }
}

/// List turns, newest first
#[utoipa::path(get, path = "/v3/sessions/{id}/turns", operation_id = "list_turns", tag = "Turns",
    params(("id" = String, Path, description = "Session"), TurnParams),
    responses((status = 200, description = "Turns", body = TurnPage),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    At([session]): At<1>,
    Params(params): Params<TurnParams>,
) -> Result<Json<TurnPage>, Problem> {
    let limit = size(params.limit, 50, 100)?;
    let before = match params.cursor.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Problem::malformed("cursor", "`cursor` must be a `next_cursor` of this list")
        })?),
    };
    let mut turns = app
        .store
        .turns(&org, &session, before, limit + 1)
        .await
        .map_err(named("session", &session))?;
    let more = turns.len() > limit;
    turns.truncate(limit);
    let next_cursor = turns
        .last()
        .filter(|_| more)
        .map(|turn| turn.number.to_string());
    let frozen = frozen(&app, &org, &session).await?;
    let shown = |turn: &Turn| TurnObject::new(turn, &frozen);
    Ok(Json(TurnPage {
        data: turns.iter().map(shown).collect(),
        next_cursor,
    }))
}

/// Read a turn
#[utoipa::path(get, path = "/v3/sessions/{id}/turns/{turn}", operation_id = "get_turn", tag = "Turns",
    params(("id" = String, Path, description = "Session"), ("turn" = String, Path, description = "Turn")),
    responses((status = 200, description = "The turn", body = TurnObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn one(
    State(app): State<App>,
    Org(org): Org,
    At([session, turn]): At<2>,
) -> Result<Json<TurnObject>, Problem> {
    let row = app
        .store
        .turn_named(&org, &session, &turn)
        .await
        .map_err(named("turn", &turn))?;
    let frozen = frozen(&app, &org, &session).await?;
    Ok(Json(TurnObject::new(&row, &frozen)))
}

/// Read the result of the newest turn
#[utoipa::path(get, path = "/v3/sessions/{id}/result", operation_id = "get_result", tag = "Turns",
    params(("id" = String, Path, description = "Session")),
    responses((status = 200, description = "The newest turn and its result; both null before the first", body = ResultObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn result(
    State(app): State<App>,
    Org(org): Org,
    At([session]): At<1>,
) -> Result<Json<ResultObject>, Problem> {
    let turns = app
        .store
        .turns(&org, &session, None, 1)
        .await
        .map_err(named("session", &session))?;
    let frozen = frozen(&app, &org, &session).await?;
    let last_turn = turns.first().map(|turn| TurnObject::new(turn, &frozen));
    let named_event = last_turn
        .as_ref()
        .and_then(|turn| turn.result_event_id.as_deref());
    let result = match named_event {
        None => None,
        Some(event) => {
            let seq = app.store.event_named(&org, &session, event).await?;
            let logged = app.store.event(&org, &session, seq).await?;
            Some(raw(&logged)?)
        }
    };
    Ok(Json(ResultObject { last_turn, result }))
}

/// What the session was born with: its prices.
async fn frozen(app: &App, org: &str, session: &str) -> Result<Frozen, Problem> {
    let row = app.store.session(org, session).await;
    Ok(row.map_err(named("session", session))?.frozen)
}

/// The event as it was rendered.
fn raw(logged: &store::Logged) -> Result<Box<RawValue>, Problem> {
    let text = String::from_utf8(event::json(logged).to_vec()).unwrap_or_default();
    RawValue::from_string(text).map_err(|error| {
        tracing::error!(%error, "a rendered event is no JSON");
        Problem::new(Code::Internal, "an event cannot be rendered")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use session::Millis;
    use session::fact::{Fact, Failure, Family, TurnEnd};
    use store::Logged;

    use super::*;
    use crate::http::v3::sessions::testing::frozen;

    fn turn(reason: Option<YieldReason>) -> Turn {
        let log = |fact: Fact, seq, at| {
            Arc::new(Logged::new(fact.draft("ses_1", None).at(
                "ses_1",
                seq,
                Millis(at),
            )))
        };
        let error = (reason == Some(YieldReason::Error)).then(|| Failure {
            family: Family::Model,
            code: "auth".into(),
            message: "no".into(),
            retriable: false,
        });
        let end = |reason| TurnEnd {
            number: 1,
            reason,
            result: Some(4),
            usage: None,
            complete: true,
            error,
        };
        Turn {
            number: 1,
            started: log(
                Fact::TurnStarted {
                    number: 1,
                    from: 1,
                    to: 1,
                },
                2,
                1000,
            ),
            completed: reason.map(|reason| log(Fact::TurnCompleted(end(reason)), 5, 4999)),
        }
    }

    #[test]
    fn the_state_follows_from_how_the_turn_ended() {
        for reason in YieldReason::ALL {
            let state = TurnObject::new(&turn(Some(reason)), &frozen()).state;
            assert_eq!(
                state,
                if reason == YieldReason::Error {
                    "error"
                } else {
                    "ok"
                },
                "{reason:?}"
            );
        }
        assert_eq!(TurnObject::new(&turn(None), &frozen()).state, "running");
    }

    #[test]
    fn a_turn_is_the_contract_s() {
        let shown =
            serde_json::to_value(TurnObject::new(&turn(Some(YieldReason::Error)), &frozen()))
                .unwrap();
        let want = json!({ "id": "trn_1_1", "state": "error", "attempt": 1, "yield_reason": "error",
            "result_event_id": "evt_1_4", "error": { "code": "auth", "message": "no", "retriable": false },
            "started_at": "1970-01-01T00:00:01.000Z", "completed_at": "1970-01-01T00:00:04.999Z",
            "active_seconds": 3, "usage": { "reported": false } });
        assert_eq!(shown, want);
        let open = serde_json::to_value(TurnObject::new(&turn(None), &frozen())).unwrap();
        assert_eq!(
            (&open["yield_reason"], &open["usage"]),
            (&Value::Null, &json!({}))
        );
    }
}
