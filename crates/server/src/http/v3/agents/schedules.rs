//! Schedules of an agent (contract v3 §16): each begins a session of its own at
//! set times, or when somebody fires it by hand.

mod object;
mod wanted;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use store::{AgentRow, ScheduleRow};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::json::Sent;
use crate::http::problem::{Code, ErrorEnvelope, Problem, named};
use crate::http::query::{At, Params, page};
use crate::http::secrets;
use crate::schedules;
use object::{OneRun, OneSchedule, RunObject, RunPage, ScheduleList};
use wanted::{CreateSchedule, UpdateSchedule, change, new};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(fire))
        .routes(routes!(runs))
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunParams {
    /// Most runs of a page (50, at most 100)
    limit: Option<u64>,
    /// The `next_cursor` of the page before
    cursor: Option<String>,
}

/// Make a schedule
#[utoipa::path(post, path = "/v3/agents/{id}/schedules", operation_id = "create_schedule", tag = "Schedules",
    params(("id" = String, Path, description = "Agent, by its id or name")), request_body = CreateSchedule,
    responses((status = 201, description = "Made", body = OneSchedule),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn create(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
    sent: Sent,
) -> Result<(StatusCode, Json<OneSchedule>), Problem> {
    let agent = secrets::agent(&app, &org, &id).await?;
    let new = new(&app, &agent, &sent)?;
    let name = new.name.clone();
    let made = app.store.create_schedule(new).await;
    let row = made.map_err(|error| match error {
        store::Error::Taken => Problem::new(
            Code::Conflict,
            format!("agent {} has a schedule named `{name}`", agent.id),
        )
        .at("name"),
        error => named("agent", &agent.id)(error),
    })?;
    app.schedules.ring();
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// List an agent's schedules, by name
#[utoipa::path(get, path = "/v3/agents/{id}/schedules", operation_id = "list_schedules", tag = "Schedules",
    params(("id" = String, Path, description = "Agent, by its id or name")),
    responses((status = 200, description = "All of them", body = ScheduleList),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<ScheduleList>, Problem> {
    let agent = secrets::agent(&app, &org, &id).await?;
    let rows = app.store.schedules(&org, &agent.id).await?;
    Ok(Json(ScheduleList {
        schedules: rows.into_iter().map(Into::into).collect(),
    }))
}

/// Read a schedule
#[utoipa::path(get, path = "/v3/agents/{id}/schedules/{schedule}", operation_id = "get_schedule", tag = "Schedules",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("schedule" = String, Path, description = "Schedule")),
    responses((status = 200, description = "The schedule", body = OneSchedule),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn get(
    State(app): State<App>,
    Org(org): Org,
    At([id, schedule]): At<2>,
) -> Result<Json<OneSchedule>, Problem> {
    let (_, row) = found(&app, &org, &id, &schedule).await?;
    Ok(Json(row.into()))
}

/// Change a schedule; sessions it began keep what they were born with
#[utoipa::path(patch, path = "/v3/agents/{id}/schedules/{schedule}", operation_id = "update_schedule", tag = "Schedules",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("schedule" = String, Path, description = "Schedule")),
    request_body = UpdateSchedule,
    responses((status = 200, description = "The schedule as it is now", body = OneSchedule),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn update(
    State(app): State<App>,
    Org(org): Org,
    At([id, schedule]): At<2>,
    sent: Sent,
) -> Result<Json<OneSchedule>, Problem> {
    let agent = secrets::agent(&app, &org, &id).await?;
    let change = change(&app, &agent, &sent)?;
    let now = change.at;
    let next = move |row: &ScheduleRow| schedules::next(&row.cron, row.tz.as_deref(), now);
    let changed = app
        .store
        .change_schedule(&org, &agent.id, &schedule, change, next);
    let row = changed.await.map_err(named("schedule", &schedule))?;
    app.schedules.ring();
    Ok(Json(row.into()))
}

/// Delete a schedule; its runs and sessions stay, its name is free
#[utoipa::path(delete, path = "/v3/agents/{id}/schedules/{schedule}", operation_id = "delete_schedule", tag = "Schedules",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("schedule" = String, Path, description = "Schedule")),
    responses((status = 204, description = "Gone"),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([id, schedule]): At<2>,
) -> Result<StatusCode, Problem> {
    let agent = secrets::agent(&app, &org, &id).await?;
    app.store
        .delete_schedule(&org, &agent.id, &schedule, clock::now())
        .await
        .map_err(named("schedule", &schedule))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fire a schedule now, whatever its state; its slots stay as they are
#[utoipa::path(post, path = "/v3/agents/{id}/schedules/{schedule}/fire", operation_id = "fire_schedule", tag = "Schedules",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("schedule" = String, Path, description = "Schedule")),
    responses((status = 201, description = "What became of it", body = OneRun),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn fire(
    State(app): State<App>,
    Org(org): Org,
    At([id, schedule]): At<2>,
) -> Result<(StatusCode, Json<OneRun>), Problem> {
    let (_, row) = found(&app, &org, &id, &schedule).await?;
    let run = schedules::by_hand(&app, row).await?;
    Ok((StatusCode::CREATED, Json(OneRun { run: run.into() })))
}

/// List what became of each firing, newest first; also of a deleted schedule
#[utoipa::path(get, path = "/v3/agents/{id}/schedules/{schedule}/runs", operation_id = "list_schedule_runs", tag = "Schedules",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("schedule" = String, Path, description = "Schedule"), RunParams),
    responses((status = 200, description = "Runs", body = RunPage),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn runs(
    State(app): State<App>,
    Org(org): Org,
    At([id, schedule]): At<2>,
    Params(params): Params<RunParams>,
) -> Result<Json<RunPage>, Problem> {
    let page = page(params.limit, params.cursor.as_deref(), 50, 100)?;
    let agent = secrets::agent(&app, &org, &id).await?;
    let listed = app.store.runs(&org, &agent.id, &schedule, page).await;
    let listed = listed.map_err(named("schedule", &schedule))?;
    Ok(Json(RunPage {
        runs: listed.rows.into_iter().map(RunObject::from).collect(),
        next_cursor: listed.next.map(|cursor| cursor.to_string()),
    }))
}

/// A schedule and the agent it is of.
async fn found(
    app: &App,
    org: &str,
    agent: &str,
    schedule: &str,
) -> Result<(AgentRow, ScheduleRow), Problem> {
    let agent = secrets::agent(app, org, agent).await?;
    let row = app.store.schedule(org, &agent.id, schedule).await;
    Ok((agent, row.map_err(named("schedule", schedule))?))
}
