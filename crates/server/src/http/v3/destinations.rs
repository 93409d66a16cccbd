//! Destinations (contract v3 §13): who is told of a session's events by webhook.

mod object;
mod wanted;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::json::Sent;
use crate::http::problem::{Code, ErrorEnvelope, Problem, named};
use crate::http::query::At;
use object::{DestinationList, DestinationObject};
use wanted::{UpdateDestination, changed};

pub use wanted::{CreateDestination, new};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
}

/// Why there is no destination, in words.
fn missing(session: &str, id: &str) -> impl FnOnce(store::Error) -> Problem {
    let what = format!("{id} in session {session}");
    move |error| match error {
        store::Error::TooMany { most } => Problem::new(
            Code::Conflict,
            format!("a session has at most {most} destinations; delete one first"),
        ),
        error => named("destination", &what)(error),
    }
}

/// Add a destination: it is told of every matching event from now on
#[utoipa::path(post, path = "/v3/sessions/{id}/destinations", operation_id = "create_destination", tag = "Webhooks",
    params(("id" = String, Path, description = "Session")), request_body = CreateDestination,
    responses((status = 201, description = "The destination", body = DestinationObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn create(
    State(app): State<App>,
    Org(org): Org,
    At([session]): At<1>,
    sent: Sent,
) -> Result<(StatusCode, Json<DestinationObject>), Problem> {
    let wanted: CreateDestination = sent.parse()?;
    // Whose session it is comes before what is wrong with the wish.
    let found = app.store.session(&org, &session).await;
    found.map_err(named("session", &session))?;
    let new = new(&app, wanted, "")?;
    let made = app
        .store
        .create_destination(&org, &session, new, clock::now());
    let made = made.await.map_err(missing(&session, "to add"))?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// List a session's destinations, newest first
#[utoipa::path(get, path = "/v3/sessions/{id}/destinations", operation_id = "list_destinations", tag = "Webhooks",
    params(("id" = String, Path, description = "Session")),
    responses((status = 200, description = "The destinations", body = DestinationList),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    At([session]): At<1>,
) -> Result<Json<DestinationList>, Problem> {
    let rows = app.store.destinations(&org, &session).await;
    let rows = rows.map_err(named("session", &session))?;
    Ok(Json(DestinationList {
        data: rows.into_iter().map(DestinationObject::from).collect(),
    }))
}

/// Read a destination
#[utoipa::path(get, path = "/v3/sessions/{id}/destinations/{destination}", operation_id = "get_destination", tag = "Webhooks",
    params(("id" = String, Path, description = "Session"), ("destination" = String, Path, description = "Destination")),
    responses((status = 200, description = "The destination", body = DestinationObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn get(
    State(app): State<App>,
    Org(org): Org,
    At([session, id]): At<2>,
) -> Result<Json<DestinationObject>, Problem> {
    let row = app.store.destination(&org, &session, &id).await;
    Ok(Json(row.map_err(missing(&session, &id))?.into()))
}

/// Change a destination; a new secret replaces the old one, which signs on for 24 hours
#[utoipa::path(patch, path = "/v3/sessions/{id}/destinations/{destination}", operation_id = "update_destination", tag = "Webhooks",
    params(("id" = String, Path, description = "Session"), ("destination" = String, Path, description = "Destination")),
    request_body = UpdateDestination,
    responses((status = 200, description = "The destination as it is now", body = DestinationObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn update(
    State(app): State<App>,
    Org(org): Org,
    At([session, id]): At<2>,
    sent: Sent,
) -> Result<Json<DestinationObject>, Problem> {
    let change = changed(&app, &sent)?;
    let row = app
        .store
        .change_destination(&org, &session, &id, change, clock::now());
    Ok(Json(row.await.map_err(missing(&session, &id))?.into()))
}

/// Delete a destination with its secret, its deliveries and what was still to be sent
#[utoipa::path(delete, path = "/v3/sessions/{id}/destinations/{destination}", operation_id = "delete_destination", tag = "Webhooks",
    params(("id" = String, Path, description = "Session"), ("destination" = String, Path, description = "Destination")),
    responses((status = 204, description = "Gone"),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([session, id]): At<2>,
) -> Result<StatusCode, Problem> {
    let deleted = app.store.delete_destination(&org, &session, &id).await;
    deleted.map_err(missing(&session, &id))?;
    Ok(StatusCode::NO_CONTENT)
}
