//! Agents' own secrets (contract v3 §22): sandboxes of the agent's sessions are
//! given a sealed token for each.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::SecretRow;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::json::Sent;
use crate::http::problem::{ErrorEnvelope, Problem};
use crate::http::query::At;
use crate::http::secrets::{self, Fields};

/// How this face calls them.
const FIELDS: Fields = Fields {
    name: "name",
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
pub struct SetAgentSecret {
    /// One line of at most 64 KiB. Write-only.
    #[schema(value_type = String, required = true, write_only)]
    value: Option<String>,
    /// Hosts that may be given the value, as `api.example.com` or `*.example.com`;
    /// an empty list is every host. Absent: as they are, and every host for a
    /// new secret.
    #[schema(nullable = false)]
    allowed_hosts: Option<Vec<String>>,
}

/// A secret, without its value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentSecret)]
pub struct AgentSecretObject {
    /// The name of the variable in sandboxes.
    name: String,
    /// The last characters of the value, at most four; none of a short one.
    last4: String,
    /// Hosts that may be given the value; empty for every host.
    allowed_hosts: Vec<String>,
    /// When it was last set.
    updated_at: String,
}

/// A secret that was set.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentSecretSet {
    /// The secret.
    #[serde(flatten)]
    secret: AgentSecretObject,
    /// Always false: a new value is used from the next request on.
    deployment_required: bool,
}

/// All of them, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentSecretPage {
    /// The secrets.
    data: Vec<AgentSecretObject>,
}

impl From<SecretRow> for AgentSecretObject {
    fn from(row: SecretRow) -> Self {
        Self {
            name: row.name,
            last4: row.last4,
            allowed_hosts: row.hosts,
            updated_at: clock::rfc3339(row.updated),
        }
    }
}

/// List an agent's own secrets, by name and without their values
#[utoipa::path(get, path = "/v3/agents/{id}/secrets", operation_id = "list_agent_secrets", tag = "Secrets",
    params(("id" = String, Path, description = "Agent, by its id or name")),
    responses((status = 200, description = "Secrets", body = AgentSecretPage),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<AgentSecretPage>, Problem> {
    let rows = secrets::own(&app, &org, &id).await?;
    Ok(Json(AgentSecretPage {
        data: rows.into_iter().map(Into::into).collect(),
    }))
}

/// Set a secret of an agent's own, for running sandboxes too
#[utoipa::path(put, path = "/v3/agents/{id}/secrets/{name}", operation_id = "set_agent_secret", tag = "Secrets",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("name" = String, Path, description = "Name")),
    request_body = SetAgentSecret,
    responses((status = 200, description = "Set", body = AgentSecretSet),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn put(
    State(app): State<App>,
    Org(org): Org,
    At([id, name]): At<2>,
    sent: Sent,
) -> Result<Json<AgentSecretSet>, Problem> {
    let wanted: SetAgentSecret = sent.parse()?;
    let new = FIELDS.read(name, wanted.value, wanted.allowed_hosts)?;
    let row = secrets::set_own(&app, org, &id, new).await?;
    Ok(Json(AgentSecretSet {
        secret: row.into(),
        deployment_required: false,
    }))
}

/// Delete a secret of an agent's own; running sandboxes lose it at once
#[utoipa::path(delete, path = "/v3/agents/{id}/secrets/{name}", operation_id = "delete_agent_secret", tag = "Secrets",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("name" = String, Path, description = "Name")),
    responses((status = 204, description = "Gone"),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([id, name]): At<2>,
) -> Result<StatusCode, Problem> {
    secrets::delete_own(&app, &org, &id, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
