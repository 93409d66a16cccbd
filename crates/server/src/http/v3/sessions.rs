//! Sessions (contract v3 §8): made by one durable transaction, read, listed,
//! stopped, closed.

mod change;
mod create;
mod fork;
mod object;
#[cfg(test)]
pub mod testing;
mod waiting;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use session::{Command, Phase};
use store::SessionFilter;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::command::carry;
use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::json::{MaybeSent, Sent};
use crate::http::problem::{ErrorEnvelope, Problem, named};
use crate::http::query::{At, Params, moment, page};
use change::UpdateSession;
use create::{CreateSession, CreatedSession};
use fork::{ForkSession, ForkedSession};
use object::{SessionObject, SessionPage};
pub use waiting::WaitingObject;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(start, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(fork_at))
        .routes(routes!(cancel))
        .routes(routes!(archive))
}

/// Which sessions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SessionParams {
    /// `queued`, `running`, `awaiting_input`, `idle`, `failed` or `archived`
    status: Option<String>,
    /// Of this agent, by its id or name
    agent: Option<String>,
    /// Of this routing key
    key: Option<String>,
    /// Made after this moment (RFC 3339)
    after: Option<String>,
    /// Made before this moment (RFC 3339)
    before: Option<String>,
    /// Most sessions of a page (50, at most 100)
    limit: Option<u64>,
    /// The `next_cursor` of the page before
    cursor: Option<String>,
}

/// Start a session
#[utoipa::path(post, path = "/v3/sessions", operation_id = "create_session", tag = "Sessions",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request find the first session")),
    request_body = CreateSession,
    responses((status = 201, description = "Made; its input is durable", body = CreatedSession),
        (status = 200, description = "Made before by the same request", body = CreatedSession),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn start(
    State(app): State<App>,
    Org(org): Org,
    headers: HeaderMap,
    sent: Sent,
) -> Result<(StatusCode, Json<CreatedSession>), Problem> {
    create::create(&app, org, &headers, &sent).await
}

/// List sessions, newest first
#[utoipa::path(get, path = "/v3/sessions", operation_id = "list_sessions", tag = "Sessions", params(SessionParams),
    responses((status = 200, description = "Sessions", body = SessionPage),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    Params(params): Params<SessionParams>,
) -> Result<Json<SessionPage>, Problem> {
    let page = page(params.limit, params.cursor.as_deref(), 50, 100)?;
    let mut filter = filter(params)?;
    if let Some(name) = filter
        .agent
        .as_deref()
        .filter(|name| !name.starts_with("agt_"))
    {
        // One that is deleted still has sessions, by its id.
        match app.store.agent_by_name(&org, name).await {
            Ok(agent) => filter.agent = Some(agent.id),
            Err(store::Error::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let listed = app.store.sessions(&org, filter, page).await?;
    let mut data = Vec::with_capacity(listed.rows.len());
    for row in listed.rows {
        data.push(SessionObject::placed(&app, row).await?);
    }
    Ok(Json(SessionPage {
        data,
        next_cursor: listed.next.map(|cursor| cursor.to_string()),
    }))
}

fn filter(params: SessionParams) -> Result<SessionFilter, Problem> {
    if let Some(status) = &params.status
        && Phase::named(status).is_none()
    {
        let names = Phase::ALL.map(Phase::name).join(", ");
        return Err(Problem::invalid(
            "status",
            format!("`status` must be one of {names}"),
        ));
    }
    Ok(SessionFilter {
        after: moment(params.after.as_deref(), "after")?,
        before: moment(params.before.as_deref(), "before")?,
        status: params.status,
        agent: params.agent,
        key: params.key,
    })
}

/// Read a session
#[utoipa::path(get, path = "/v3/sessions/{id}", operation_id = "get_session", tag = "Sessions",
    params(("id" = String, Path, description = "Session")),
    responses((status = 200, description = "The session", body = SessionObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn get(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<SessionObject>, Problem> {
    let row = app
        .store
        .session(&org, &id)
        .await
        .map_err(named("session", &id))?;
    Ok(Json(SessionObject::placed(&app, row).await?))
}

/// Change a session's limits, also while a turn runs
#[utoipa::path(patch, path = "/v3/sessions/{id}", operation_id = "update_session", tag = "Sessions",
    params(("id" = String, Path, description = "Session")), request_body = UpdateSession,
    responses((status = 200, description = "The session as it is now", body = SessionObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn update(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
    sent: Sent,
) -> Result<Json<SessionObject>, Problem> {
    let row = change::change(&app, &org, &id, &sent).await?;
    Ok(Json(SessionObject::show(&app, row)))
}

/// Erase a session for good: log, files, tokens; its usage stays
#[utoipa::path(delete, path = "/v3/sessions/{id}", operation_id = "delete_session", tag = "Sessions",
    params(("id" = String, Path, description = "Session")),
    responses((status = 204, description = "Gone, except what its forks still read"),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<StatusCode, Problem> {
    app.store
        .erase(&org, &id, clock::now())
        .await
        .map_err(named("session", &id))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fork a session: the same log up to a fact, and the files of then
#[utoipa::path(post, path = "/v3/sessions/{id}/fork", operation_id = "fork_session", tag = "Sessions",
    params(("id" = String, Path, description = "Session"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request find the first fork")),
    request_body = ForkSession,
    responses((status = 201, description = "Made", body = ForkedSession),
        (status = 200, description = "Made before by the same request", body = ForkedSession),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn fork_at(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
    headers: HeaderMap,
    MaybeSent(sent): MaybeSent,
) -> Result<(StatusCode, Json<ForkedSession>), Problem> {
    fork::fork(&app, (org, id), &headers, &sent).await
}

/// Stop the running turn; nothing happens if none runs
#[utoipa::path(post, path = "/v3/sessions/{id}/cancel", operation_id = "cancel_session", tag = "Sessions",
    params(("id" = String, Path, description = "Session")),
    responses((status = 200, description = "The session", body = SessionObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn cancel(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<SessionObject>, Problem> {
    let carried = carry(&app, &org, &id, &Command::Cancel, None).await?;
    Ok(Json(SessionObject::show(&app, carried.row)))
}

/// Close a session for good; its log stays
#[utoipa::path(post, path = "/v3/sessions/{id}/archive", operation_id = "archive_session", tag = "Sessions",
    params(("id" = String, Path, description = "Session")),
    responses((status = 200, description = "The session", body = SessionObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn archive(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<SessionObject>, Problem> {
    let carried = carry(&app, &org, &id, &Command::Archive, None).await?;
    Ok(Json(SessionObject::show(&app, carried.row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_known_or_named() {
        let params = |status: Option<&str>, after: Option<&str>| SessionParams {
            status: status.map(str::to_owned),
            after: after.map(str::to_owned),
            ..SessionParams::default()
        };
        assert!(filter(params(Some("awaiting_input"), Some("2026-01-01T00:00:00Z"))).is_ok());
        assert_eq!(
            filter(params(Some("sleeping"), None))
                .unwrap_err()
                .param
                .as_deref(),
            Some("status")
        );
        assert_eq!(
            filter(params(None, Some("noon")))
                .unwrap_err()
                .param
                .as_deref(),
            Some("after")
        );
    }
}
