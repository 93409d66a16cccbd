//! Agents (contract v3 §6): created once by name, changed by revisions, deleted
//! without a trace on their sessions.

mod egress;
mod hooks;
mod object;
mod policy;
pub mod runtime;
mod schedules;
mod secrets;
mod skills;
mod wanted;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use store::AgentCreated;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::json::Sent;
use crate::http::problem::{Code, ErrorEnvelope, Problem, named};
use crate::http::query::{At, Params, page};
use crate::http::secrets::agent as found;
pub(super) use egress::EgressObject;
use object::{AgentObject, AgentPage};
pub(crate) use wanted::model;
use wanted::{CreateAgent, UpdateAgent, change, new_agent};
pub(super) use wanted::{MANAGED, secret};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .merge(secrets::routes())
        .merge(schedules::routes())
        .merge(skills::routes())
        .merge(hooks::routes())
}

/// Which agents.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AgentParams {
    /// Most agents of a page (100, at most 100)
    limit: Option<u64>,
    /// The `next_cursor` of the page before
    cursor: Option<String>,
}

/// Create an agent
#[utoipa::path(post, path = "/v3/agents", operation_id = "create_agent", tag = "Agents", request_body = CreateAgent,
    responses((status = 201, description = "Made", body = AgentObject),
        (status = 200, description = "There already, and the same", body = AgentObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn create(
    State(app): State<App>,
    Org(org): Org,
    sent: Sent,
) -> Result<(StatusCode, Json<AgentObject>), Problem> {
    let new = new_agent(&app, org, &sent).await?;
    match app.store.create_agent(new).await? {
        AgentCreated::New(row) => Ok((
            StatusCode::CREATED,
            Json(AgentObject::new(row, &app.config)),
        )),
        AgentCreated::Same(row) => Ok((StatusCode::OK, Json(AgentObject::new(row, &app.config)))),
        AgentCreated::Differs(row, fields) => Err(Problem::new(
            Code::Conflict,
            format!(
                "an agent named `{}` exists ({}) and differs in: {}",
                row.name,
                row.id,
                fields.join(", ")
            ),
        )),
    }
}

/// List agents, newest first
#[utoipa::path(get, path = "/v3/agents", operation_id = "list_agents", tag = "Agents", params(AgentParams),
    responses((status = 200, description = "Agents", body = AgentPage),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    Params(params): Params<AgentParams>,
) -> Result<Json<AgentPage>, Problem> {
    let page = page(params.limit, params.cursor.as_deref(), 100, 100)?;
    let listed = app.store.agents(&org, page).await?;
    Ok(Json(AgentPage {
        data: listed
            .rows
            .into_iter()
            .map(|row| AgentObject::new(row, &app.config))
            .collect(),
        next_cursor: listed.next.map(|cursor| cursor.to_string()),
    }))
}

/// Read an agent
#[utoipa::path(get, path = "/v3/agents/{id}", operation_id = "get_agent", tag = "Agents",
    params(("id" = String, Path, description = "Agent, by its id or name")),
    responses((status = 200, description = "The agent", body = AgentObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn get(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<AgentObject>, Problem> {
    let row = found(&app, &org, &id).await?;
    Ok(Json(AgentObject::new(row, &app.config)))
}

/// Change an agent; its sessions keep what they were born with
#[utoipa::path(patch, path = "/v3/agents/{id}", operation_id = "update_agent", tag = "Agents",
    params(("id" = String, Path, description = "Agent, by its id or name")), request_body = UpdateAgent,
    responses((status = 200, description = "The agent as it is now", body = AgentObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn update(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
    sent: Sent,
) -> Result<Json<AgentObject>, Problem> {
    let before = found(&app, &org, &id).await?;
    let change = change(&app, &before, &sent).await?;
    let row = app
        .store
        .change_agent(&org, &before.id, change)
        .await
        .map_err(named("agent", &id))?;
    Ok(Json(AgentObject::new(row, &app.config)))
}

/// Delete an agent; its sessions stay and its name is free
#[utoipa::path(delete, path = "/v3/agents/{id}", operation_id = "delete_agent", tag = "Agents",
    params(("id" = String, Path, description = "Agent, by its id or name")),
    responses((status = 204, description = "Gone"),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<StatusCode, Problem> {
    let row = found(&app, &org, &id).await?;
    app.store
        .delete_agent(&org, &row.id, clock::now())
        .await
        .map_err(named("agent", &id))?;
    Ok(StatusCode::NO_CONTENT)
}
