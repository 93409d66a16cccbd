//! Agents' own secrets as `v1` has them (contract v1.md §2).

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::SecretRow;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::json::Sent;
use crate::http::problem::Problem;
use crate::http::query::At;
use crate::http::secrets::{self, Fields};
use crate::http::shape::V1Error;

/// How this face calls them.
const FIELDS: Fields = Fields {
    name: "key",
    hosts: "allowed_hosts",
};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(put, delete))
}

/// A secret to be set.
#[derive(Debug, Deserialize, ToSchema)]
pub struct V1SetSecret {
    /// One line of at most 64 KiB. Write-only.
    #[schema(value_type = String, required = true, write_only)]
    value: Option<String>,
    /// Hosts that may be given the value; an empty list is every host. Absent: as
    /// they are.
    #[schema(nullable = false)]
    allowed_hosts: Option<Vec<String>>,
}

/// A secret, without its value.
#[derive(Debug, Serialize, ToSchema)]
pub struct V1Secret {
    /// The name of the variable in sandboxes.
    key: String,
    /// Hosts that may be given the value; empty for every host.
    allowed_hosts: Vec<String>,
    /// When it was last set.
    set_at: String,
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct V1Secrets {
    /// By name.
    secrets: Vec<V1Secret>,
}

/// Nothing to tell.
#[derive(Debug, Serialize, ToSchema)]
pub struct Nothing {}

impl From<SecretRow> for V1Secret {
    fn from(row: SecretRow) -> Self {
        Self {
            key: row.name,
            allowed_hosts: row.hosts,
            set_at: clock::rfc3339(row.updated),
        }
    }
}

/// List an agent's own secrets (v1)
#[utoipa::path(get, path = "/v1/agents/{id}/secrets", operation_id = "v1_list_agent_secrets", tag = "Secrets",
    params(("id" = String, Path, description = "Agent, by its id or name")),
    responses((status = 200, description = "Secrets", body = V1Secrets),
        (status = "default", description = "A problem", body = V1Error)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<V1Secrets>, Problem> {
    let rows = secrets::own(&app, &org, &id).await?;
    Ok(Json(V1Secrets {
        secrets: rows.into_iter().map(Into::into).collect(),
    }))
}

/// Set a secret of an agent's own (v1)
#[utoipa::path(put, path = "/v1/agents/{id}/secrets/{name}", operation_id = "v1_set_agent_secret", tag = "Secrets",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("name" = String, Path, description = "Name")),
    request_body = V1SetSecret,
    responses((status = 200, description = "Set", body = V1Secret),
        (status = "default", description = "A problem", body = V1Error)))]
async fn put(
    State(app): State<App>,
    Org(org): Org,
    At([id, name]): At<2>,
    sent: Sent,
) -> Result<Json<V1Secret>, Problem> {
    let wanted: V1SetSecret = sent.parse()?;
    let new = FIELDS.read(name, wanted.value, wanted.allowed_hosts)?;
    let row = secrets::set_own(&app, org, &id, new).await?;
    Ok(Json(row.into()))
}

/// Delete a secret of an agent's own (v1)
#[utoipa::path(delete, path = "/v1/agents/{id}/secrets/{name}", operation_id = "v1_delete_agent_secret", tag = "Secrets",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("name" = String, Path, description = "Name")),
    responses((status = 200, description = "Gone", body = Nothing),
        (status = "default", description = "A problem", body = V1Error)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([id, name]): At<2>,
) -> Result<Json<Nothing>, Problem> {
    secrets::delete_own(&app, &org, &id, &name).await?;
    Ok(Json(Nothing {}))
}
