//! What the operator's machines ask: is it alive, may it get traffic, how is it
//! doing, what does it speak.

use std::sync::OnceLock;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Code, ErrorEnvelope, Problem};
use crate::app::App;
use crate::metrics;

/// A state in one word.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `ready`.
    status: &'static str,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(openapi))
}

/// What this is, for whoever looks at the address itself.
pub async fn front() -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "name": "OpenComputer",
        "version": env!("CARGO_PKG_VERSION"),
        "what": "runs AI agents as durable sessions; the API is below /v3",
        "openapi": "/openapi.json",
        "health": "/healthz",
        "docs": "docs/ beside the source; `oc help` for the command line",
    }))
}

/// Whether the process is alive
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "Operations", security(()),
    responses((status = 200, description = "Alive", body = Health)))]
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether this node takes requests
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "Operations", security(()),
    responses((status = 200, description = "Ready", body = Health),
        (status = 503, description = "Draining, or the store takes no writes", body = ErrorEnvelope)))]
async fn readyz(State(app): State<App>) -> Result<Json<Health>, Problem> {
    if app.drain.is_cancelled() {
        return Err(Problem::new(Code::Draining, "this node is about to stop"));
    }
    app.store
        .ready()
        .map_err(|reason| Problem::new(Code::Unavailable, reason.0))?;
    Ok(Json(Health { status: "ready" }))
}

/// Counts for Prometheus
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "Operations", security(()),
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let text = metrics::page(&app).await?;
    Ok((
        [(
            CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    ))
}

/// This document
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "Operations", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
async fn openapi() -> impl IntoResponse {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| Bytes::from(super::openapi::text()));
    ([(CONTENT_TYPE, "application/json")], text.clone())
}
