//! Credentials (contract v3 §7): model keys, write-only. Which one a session gets
//! is decided once, at its creation, in `resolve`.

mod resolve;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use session::Provider;
use session::id::Noun;
use store::{CredentialRow, NewCredential};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::agents::secret;
use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::field::{need, short};
use crate::http::json::Sent;
use crate::http::problem::{ErrorEnvelope, Problem, named};
use crate::http::query::At;
pub(crate) use resolve::resolve;

/// Most characters of a name.
const NAME: usize = 128;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(set_default))
        .routes(routes!(rotate, delete))
}

/// A credential to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateCredential {
    /// `anthropic` (the default) or `openai`.
    #[schema(nullable = false)]
    provider: Option<String>,
    /// The provider's key. Write-only.
    #[schema(value_type = String, required = true, write_only)]
    key: Option<String>,
    /// A name for people.
    #[schema(nullable = false)]
    name: Option<String>,
    /// Whether it becomes the org's default for its provider; by default it does not.
    #[schema(nullable = false)]
    is_default: Option<bool>,
}

/// A new value.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RotateCredential {
    /// The provider's key. Write-only.
    #[schema(value_type = String, required = true, write_only)]
    key: Option<String>,
}

/// Which credential becomes the default.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SetDefault {
    /// Its id.
    #[schema(value_type = String, required = true)]
    credential: Option<String>,
    /// Its provider, if it is to be checked.
    #[schema(nullable = false)]
    provider: Option<String>,
}

/// A model key, without its value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Credential)]
pub struct CredentialObject {
    /// Its id.
    id: String,
    /// Whose key it is.
    provider: String,
    /// A name for people.
    name: Option<String>,
    /// The last characters of the value.
    last4: String,
    /// Whether it is the org's default for its provider.
    is_default: bool,
    /// When it was made.
    created_at: String,
}

/// All credentials, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CredentialPage {
    /// The credentials.
    data: Vec<CredentialObject>,
    /// Always null: all are here.
    next_cursor: Option<String>,
}

impl From<CredentialRow> for CredentialObject {
    fn from(row: CredentialRow) -> Self {
        Self {
            id: row.id,
            provider: row.provider,
            name: row.name,
            last4: row.last4,
            is_default: row.is_default,
            created_at: clock::rfc3339(row.created),
        }
    }
}

/// Store a model key
#[utoipa::path(post, path = "/v3/credentials", operation_id = "create_credential", tag = "Credentials",
    request_body = CreateCredential,
    responses((status = 201, description = "Stored", body = CredentialObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn create(
    State(app): State<App>,
    Org(org): Org,
    sent: Sent,
) -> Result<(StatusCode, Json<CredentialObject>), Problem> {
    let wanted: CreateCredential = sent.parse()?;
    let new = NewCredential {
        id: clock::fresh(Noun::Credential),
        provider: provider(wanted.provider.as_deref())?.name().to_owned(),
        name: wanted
            .name
            .map(|name| short(name, "name", NAME))
            .transpose()?,
        secret: secret(need(wanted.key, "key")?)?,
        default: wanted.is_default.unwrap_or(false),
        at: clock::now(),
    };
    let row = app.store.create_credential(&org, new).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

fn provider(name: Option<&str>) -> Result<Provider, Problem> {
    let Some(name) = name else {
        return Ok(Provider::Anthropic);
    };
    Provider::named(name)
        .ok_or_else(|| Problem::invalid("provider", "`provider` must be anthropic or openai"))
}

/// List model keys
#[utoipa::path(get, path = "/v3/credentials", operation_id = "list_credentials", tag = "Credentials",
    responses((status = 200, description = "Credentials", body = CredentialPage),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(State(app): State<App>, Org(org): Org) -> Result<Json<CredentialPage>, Problem> {
    let rows = app.store.credentials(&org).await?;
    Ok(Json(CredentialPage {
        data: rows.into_iter().map(Into::into).collect(),
        next_cursor: None,
    }))
}

/// Give a model key a new value, for running sessions too
#[utoipa::path(patch, path = "/v3/credentials/{id}", operation_id = "rotate_credential", tag = "Credentials",
    params(("id" = String, Path, description = "Credential")), request_body = RotateCredential,
    responses((status = 200, description = "The credential with its new last4", body = CredentialObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn rotate(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
    sent: Sent,
) -> Result<Json<CredentialObject>, Problem> {
    let wanted: RotateCredential = sent.parse()?;
    let secret = secret(need(wanted.key, "key")?)?;
    // Looked for first, so that nothing is sealed for nobody.
    app.store
        .credential(&org, &id)
        .await
        .map_err(named("credential", &id))?;
    let row = app
        .store
        .rotate_credential(&org, &id, secret)
        .await
        .map_err(named("credential", &id))?;
    Ok(Json(row.into()))
}

/// Choose the org's default key of a provider
#[utoipa::path(put, path = "/v3/credentials/default", operation_id = "set_default_credential", tag = "Credentials",
    request_body = SetDefault,
    responses((status = 200, description = "The default", body = CredentialObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn set_default(
    State(app): State<App>,
    Org(org): Org,
    sent: Sent,
) -> Result<Json<CredentialObject>, Problem> {
    let wanted: SetDefault = sent.parse()?;
    let id = short(need(wanted.credential, "credential")?, "credential", NAME)?;
    let row = app
        .store
        .credential(&org, &id)
        .await
        .map_err(named("credential", &id))?;
    if wanted.provider.is_some_and(|name| name != row.provider) {
        return Err(Problem::invalid(
            "provider",
            format!("{id} is a key of {}", row.provider),
        ));
    }
    let row = app
        .store
        .set_default_credential(&org, &id)
        .await
        .map_err(named("credential", &id))?;
    Ok(Json(row.into()))
}

/// Delete a model key
#[utoipa::path(delete, path = "/v3/credentials/{id}", operation_id = "delete_credential", tag = "Credentials",
    params(("id" = String, Path, description = "Credential")),
    responses((status = 204, description = "Gone"),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<StatusCode, Problem> {
    app.store
        .delete_credential(&org, &id)
        .await
        .map_err(named("credential", &id))?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_known_or_the_default() {
        assert_eq!(provider(None), Ok(Provider::Anthropic));
        assert_eq!(provider(Some("openai")), Ok(Provider::OpenAi));
        assert_eq!(
            provider(Some("acme")).unwrap_err().param.as_deref(),
            Some("provider")
        );
    }
}
