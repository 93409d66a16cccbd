//! Secrets of a store (contract sandbox.md §10): set, listed without their
//! values, deleted.

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
use crate::http::problem::{Problem, named};
use crate::http::query::At;
use crate::http::secrets::Fields;
use crate::http::shape::SandboxError;

/// How this face calls them.
const FIELDS: Fields = Fields {
    name: "name",
    hosts: "allowedHosts",
};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(put, delete))
}

/// A secret to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetSecret {
    /// One line of at most 64 KiB. Write-only.
    #[schema(value_type = String, required = true, write_only)]
    value: Option<String>,
    /// Hosts that may be given the value, as `api.example.com` or `*.example.com`;
    /// an empty list is every host. Absent: as they are, and every host for a
    /// new secret.
    #[schema(nullable = false)]
    allowed_hosts: Option<Vec<String>>,
}

/// That a secret was set.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretSet {
    /// Its name.
    name: String,
    /// `set`.
    status: &'static str,
}

/// A secret, without its value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Secret)]
#[serde(rename_all = "camelCase")]
pub struct SecretObject {
    /// Its id.
    id: String,
    /// Its store.
    store_id: String,
    /// The name of the variable in sandboxes.
    name: String,
    /// Hosts that may be given the value; empty for every host.
    allowed_hosts: Vec<String>,
    /// When it was first set.
    created_at: String,
    /// When it was last set.
    updated_at: String,
}

impl From<SecretRow> for SecretObject {
    fn from(row: SecretRow) -> Self {
        Self {
            id: row.id,
            store_id: row.store,
            name: row.name,
            allowed_hosts: row.hosts,
            created_at: clock::rfc3339(row.created),
            updated_at: clock::rfc3339(row.updated),
        }
    }
}

/// List the secrets of a store, by name and without their values
#[utoipa::path(get, path = "/api/secret-stores/{id}/secrets", operation_id = "list_secrets", tag = "Secrets",
    params(("id" = String, Path, description = "Store")),
    responses((status = 200, description = "Secrets", body = Vec<SecretObject>),
        (status = "default", description = "A problem", body = SandboxError)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<Vec<SecretObject>>, Problem> {
    let rows = app.store.secrets(&org, &id).await;
    let rows = rows.map_err(named("secret store", &id))?;
    Ok(Json(rows.into_iter().map(Into::into).collect()))
}

/// Set a secret, for running sandboxes too
#[utoipa::path(put, path = "/api/secret-stores/{id}/secrets/{name}", operation_id = "set_secret", tag = "Secrets",
    params(("id" = String, Path, description = "Store"), ("name" = String, Path, description = "Name")),
    request_body = SetSecret,
    responses((status = 200, description = "Set", body = SecretSet),
        (status = "default", description = "A problem", body = SandboxError)))]
async fn put(
    State(app): State<App>,
    Org(org): Org,
    At([id, name]): At<2>,
    sent: Sent,
) -> Result<Json<SecretSet>, Problem> {
    let wanted: SetSecret = sent.parse()?;
    let new = FIELDS.read(name, wanted.value, wanted.allowed_hosts)?;
    let row = app.store.put_secret(&org, &id, new).await;
    let row = row.map_err(named("secret store", &id))?;
    Ok(Json(SecretSet {
        name: row.name,
        status: "set",
    }))
}

/// Delete a secret; running sandboxes lose it at once
#[utoipa::path(delete, path = "/api/secret-stores/{id}/secrets/{name}", operation_id = "delete_secret", tag = "Secrets",
    params(("id" = String, Path, description = "Store"), ("name" = String, Path, description = "Name")),
    responses((status = 204, description = "Gone"),
        (status = "default", description = "A problem", body = SandboxError)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([id, name]): At<2>,
) -> Result<StatusCode, Problem> {
    let store = app.store.secret_store(&org, &id).await;
    store.map_err(named("secret store", &id))?;
    let deleted = app
        .store
        .delete_secret(&org, &id, &name, clock::now())
        .await;
    deleted.map_err(named("secret", &name))?;
    Ok(StatusCode::NO_CONTENT)
}
