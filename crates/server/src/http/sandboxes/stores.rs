//! Secret stores (contract sandbox.md §10): named sets of secrets, and the hosts
//! that each lets sandboxes reach.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use session::id::Noun;
use store::{NewSecretStore, SecretStoreChange, SecretStoreRow};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::field::{need, short};
use crate::http::json::Sent;
use crate::http::problem::{Code, Problem, named};
use crate::http::query::At;
use crate::http::secrets::hosts;
use crate::http::shape::SandboxError;

/// Most characters of a name.
const NAME: usize = 128;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
}

/// A store to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateSecretStore {
    /// Unique within the org; agents name it.
    #[schema(value_type = String, required = true)]
    name: Option<String>,
    /// Hosts that sandboxes with this store may reach, as `api.example.com` or
    /// `*.example.com`; empty for all.
    #[schema(nullable = false)]
    egress_allowlist: Option<Vec<String>>,
}

/// A change of a store; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateSecretStore {
    /// Another name.
    #[schema(nullable = false)]
    name: Option<String>,
    /// Other hosts, in place of all there are.
    #[schema(nullable = false)]
    egress_allowlist: Option<Vec<String>>,
}

/// A store, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SecretStore)]
#[serde(rename_all = "camelCase")]
pub struct StoreObject {
    /// Its id.
    id: String,
    /// Its owner.
    org_id: String,
    /// Its name.
    name: String,
    /// Hosts that sandboxes with this store may reach; empty for all.
    egress_allowlist: Vec<String>,
    /// When it was made.
    created_at: String,
    /// When it or one of its secrets was last changed.
    updated_at: String,
}

impl From<SecretStoreRow> for StoreObject {
    fn from(row: SecretStoreRow) -> Self {
        Self {
            id: row.id,
            org_id: row.org,
            name: row.name,
            egress_allowlist: row.allowlist,
            created_at: clock::rfc3339(row.created),
            updated_at: clock::rfc3339(row.updated),
        }
    }
}

/// A name there is already, told by it.
fn taken(name: &str) -> impl FnOnce(store::Error) -> Problem + '_ {
    move |error| match error {
        store::Error::Taken => {
            let message = format!("there is a secret store named `{name}` already");
            Problem::new(Code::Conflict, message).at("name")
        }
        error => error.into(),
    }
}

/// Create a secret store
#[utoipa::path(post, path = "/api/secret-stores", operation_id = "create_secret_store", tag = "Secrets",
    request_body = CreateSecretStore,
    responses((status = 201, description = "Made", body = StoreObject),
        (status = "default", description = "A problem", body = SandboxError)))]
async fn create(
    State(app): State<App>,
    Org(org): Org,
    sent: Sent,
) -> Result<(StatusCode, Json<StoreObject>), Problem> {
    let wanted: CreateSecretStore = sent.parse()?;
    let name = short(need(wanted.name, "name")?, "name", NAME)?;
    let new = NewSecretStore {
        id: clock::fresh(Noun::SecretStore),
        org,
        name: name.clone(),
        allowlist: hosts(
            wanted.egress_allowlist.unwrap_or_default(),
            "egressAllowlist",
        )?,
        at: clock::now(),
    };
    let made = app.store.create_secret_store(new).await;
    let row = made.map_err(taken(&name))?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// List secret stores, newest first
#[utoipa::path(get, path = "/api/secret-stores", operation_id = "list_secret_stores", tag = "Secrets",
    responses((status = 200, description = "Stores", body = Vec<StoreObject>),
        (status = "default", description = "A problem", body = SandboxError)))]
async fn list(State(app): State<App>, Org(org): Org) -> Result<Json<Vec<StoreObject>>, Problem> {
    let rows = app.store.secret_stores(&org).await?;
    Ok(Json(rows.into_iter().map(Into::into).collect()))
}

/// Read a secret store
#[utoipa::path(get, path = "/api/secret-stores/{id}", operation_id = "get_secret_store", tag = "Secrets",
    params(("id" = String, Path, description = "Store")),
    responses((status = 200, description = "The store", body = StoreObject),
        (status = "default", description = "A problem", body = SandboxError)))]
async fn get(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<StoreObject>, Problem> {
    let row = app.store.secret_store(&org, &id).await;
    Ok(Json(row.map_err(named("secret store", &id))?.into()))
}

/// Change a secret store, for running sandboxes too
#[utoipa::path(put, path = "/api/secret-stores/{id}", operation_id = "update_secret_store", tag = "Secrets",
    params(("id" = String, Path, description = "Store")), request_body = UpdateSecretStore,
    responses((status = 200, description = "The store as it is now", body = StoreObject),
        (status = "default", description = "A problem", body = SandboxError)))]
async fn update(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
    sent: Sent,
) -> Result<Json<StoreObject>, Problem> {
    let wanted: UpdateSecretStore = sent.parse()?;
    let name = wanted
        .name
        .map(|name| short(name, "name", NAME))
        .transpose()?;
    let change = SecretStoreChange {
        name: name.clone(),
        allowlist: wanted
            .egress_allowlist
            .map(|list| hosts(list, "egressAllowlist"))
            .transpose()?,
        at: clock::now(),
    };
    let changed = app.store.update_secret_store(&org, &id, change).await;
    let row = changed.map_err(|error| match error {
        store::Error::Taken => taken(name.as_deref().unwrap_or_default())(error),
        error => named("secret store", &id)(error),
    })?;
    Ok(Json(row.into()))
}

/// Delete a secret store and all its secrets; running sandboxes lose them at once
#[utoipa::path(delete, path = "/api/secret-stores/{id}", operation_id = "delete_secret_store", tag = "Secrets",
    params(("id" = String, Path, description = "Store")),
    responses((status = 204, description = "Gone"),
        (status = "default", description = "A problem", body = SandboxError)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<StatusCode, Problem> {
    let deleted = app.store.delete_secret_store(&org, &id).await;
    deleted.map_err(named("secret store", &id))?;
    Ok(StatusCode::NO_CONTENT)
}
