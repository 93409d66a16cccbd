//! Deliveries (contract v3 §13): what destinations were told, and telling them again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use session::id;
use store::{DELIVERY_STATES, DeliveryFilter, DeliveryRow};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::problem::{ErrorEnvelope, Problem, named};
use crate::http::query::{At, Params, size};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(redeliver))
}

/// One event for one destination.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryObject {
    /// Its id.
    id: String,
    /// The session's id.
    session: String,
    /// The destination's id.
    destination: String,
    /// The event's id: what `webhook-id` says.
    event_id: String,
    /// The event's number.
    event_seq: u64,
    /// `pending`, `delivering`, `delivered`, `failed` (it is tried again) or `dead_letter`.
    #[schema(example = "delivered")]
    status: String,
    /// Attempts made.
    attempts: u64,
    /// When the last one was made.
    last_attempt_at: Option<String>,
    /// When the next one is due.
    next_attempt_at: Option<String>,
    /// The status of the receiver's last answer.
    response_code: Option<u64>,
    /// Why the last attempt failed.
    error: Option<String>,
    /// When it was queued.
    created_at: String,
    /// When it last changed.
    updated_at: String,
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryPage {
    /// Those of the newest events first.
    data: Vec<DeliveryObject>,
    /// Where the next page begins, for `after`.
    next_cursor: Option<String>,
}

/// Which deliveries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryParams {
    /// To this destination
    destination: Option<String>,
    /// `pending`, `delivering`, `delivered`, `failed` or `dead_letter`
    status: Option<String>,
    /// Behind this delivery: its id, or the `next_cursor` of the page before
    after: Option<String>,
    /// The same as `after`
    cursor: Option<String>,
    /// Most deliveries of a page (50, at most 100)
    limit: Option<u64>,
}

impl From<DeliveryRow> for DeliveryObject {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id(),
            event_id: id::event(&row.session, row.seq),
            session: row.session,
            destination: row.destination,
            event_seq: row.seq,
            status: row.status,
            attempts: row.attempts,
            last_attempt_at: row.tried.map(clock::rfc3339),
            next_attempt_at: row.due.map(clock::rfc3339),
            response_code: row.code,
            error: row.error,
            created_at: clock::rfc3339(row.created),
            updated_at: clock::rfc3339(row.updated),
        }
    }
}

/// List a session's deliveries, those of the newest events first
#[utoipa::path(get, path = "/v3/sessions/{id}/deliveries", operation_id = "list_deliveries", tag = "Webhooks",
    params(("id" = String, Path, description = "Session"), DeliveryParams),
    responses((status = 200, description = "Deliveries", body = DeliveryPage),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    At([session]): At<1>,
    Params(params): Params<DeliveryParams>,
) -> Result<Json<DeliveryPage>, Problem> {
    let filter = filter(params)?;
    let limit = filter.limit;
    let asked = DeliveryFilter {
        limit: limit + 1,
        ..filter
    };
    let rows = app.store.deliveries(&org, &session, asked).await;
    let mut rows = rows.map_err(named("session", &session))?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    Ok(Json(DeliveryPage {
        next_cursor: rows.last().filter(|_| more).map(DeliveryRow::id),
        data: rows.into_iter().map(DeliveryObject::from).collect(),
    }))
}

fn filter(params: DeliveryParams) -> Result<DeliveryFilter, Problem> {
    if let Some(status) = &params.status
        && !DELIVERY_STATES.contains(&status.as_str())
    {
        let message = format!("`status` must be one of {}", DELIVERY_STATES.join(", "));
        return Err(Problem::malformed("status", message));
    }
    let after = params.after.or(params.cursor);
    let after = after.filter(|text| !text.is_empty()).map(|text| {
        id::delivery_of(&text).ok_or_else(|| {
            Problem::malformed("after", "`after` must be the id of a delivery of this list")
        })
    });
    Ok(DeliveryFilter {
        destination: params.destination,
        status: params.status,
        after: after.transpose()?,
        limit: size(params.limit, 50, 100)?,
    })
}

/// Read a delivery
#[utoipa::path(get, path = "/v3/sessions/{id}/deliveries/{delivery}", operation_id = "get_delivery", tag = "Webhooks",
    params(("id" = String, Path, description = "Session"), ("delivery" = String, Path, description = "Delivery")),
    responses((status = 200, description = "The delivery", body = DeliveryObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn get(
    State(app): State<App>,
    Org(org): Org,
    At([session, asked]): At<2>,
) -> Result<Json<DeliveryObject>, Problem> {
    let (destination, seq) = place(&asked)?;
    let row = app.store.delivery(&org, &session, &destination, seq).await;
    Ok(Json(row.map_err(named("delivery", &asked))?.into()))
}

/// Send a delivery again, whatever became of it, with the same `webhook-id`
#[utoipa::path(post, path = "/v3/sessions/{id}/deliveries/{delivery}/redeliver", operation_id = "redeliver", tag = "Webhooks",
    params(("id" = String, Path, description = "Session"), ("delivery" = String, Path, description = "Delivery")),
    responses((status = 202, description = "It is queued, with all its attempts before it", body = DeliveryObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn redeliver(
    State(app): State<App>,
    Org(org): Org,
    At([session, asked]): At<2>,
) -> Result<(StatusCode, Json<DeliveryObject>), Problem> {
    let (destination, seq) = place(&asked)?;
    let row = app
        .store
        .redeliver(&org, &session, &destination, seq, clock::now());
    let row = row.await.map_err(named("delivery", &asked))?;
    Ok((StatusCode::ACCEPTED, Json(row.into())))
}

fn place(asked: &str) -> Result<(String, u64), Problem> {
    id::delivery_of(asked).ok_or_else(|| Problem::missing("delivery", asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_known_or_named() {
        let wrong = |params| filter(params).unwrap_err().param;
        let status = DeliveryParams {
            status: Some("lost".to_owned()),
            ..DeliveryParams::default()
        };
        assert_eq!(wrong(status).as_deref(), Some("status"));
        let after = DeliveryParams {
            after: Some("dst_1".to_owned()),
            ..DeliveryParams::default()
        };
        assert_eq!(wrong(after).as_deref(), Some("after"));
        let good = DeliveryParams {
            status: Some("dead_letter".to_owned()),
            cursor: Some("dlv_1_7".to_owned()),
            ..DeliveryParams::default()
        };
        let good = filter(good).unwrap();
        assert_eq!(good.after, Some(("dst_1".to_owned(), 7)));
        assert_eq!(good.limit, 50);
    }
}
