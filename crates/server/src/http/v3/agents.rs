//! Agents (contract v3 §6): created once by name, changed by revisions, deleted
//! without a trace on their sessions.

mod object;
mod runtime;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use session::id::Noun;
use session::{ModelRef, Provider};
use sha2::{Digest, Sha256};
use store::{AgentChange, AgentCreated, AgentRow, NewAgent, NewCredential};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::limits::LimitsIn;
use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::json::{Object, Sent, need, short};
use crate::http::problem::{Code, ErrorEnvelope, Problem, named};
use crate::http::query::{At, Params, page};
use object::{AgentObject, AgentPage};

/// Most characters of a name.
const NAME: usize = 128;
/// What stands for the server's own key.
pub(super) const MANAGED: &str = "managed";

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
}

/// An agent to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateAgent {
    /// Unique within the org; the same request again finds the agent of that name.
    #[schema(value_type = String, required = true)]
    name: Option<String>,
    /// The system prompt.
    #[schema(value_type = String, required = true)]
    prompt: Option<String>,
    /// `provider/name`, or a bare name of the runtime's own provider.
    #[schema(value_type = String, required = true, example = "anthropic/claude-opus-4-8")]
    model: Option<String>,
    /// `native` (the default).
    #[schema(nullable = false)]
    runtime: Option<String>,
    /// A model key; becomes a credential, attached. Write-only.
    #[schema(nullable = false, write_only)]
    key: Option<String>,
    /// `managed` or a credential's id; without it, the org's default.
    #[schema(nullable = false)]
    credential: Option<String>,
    /// Defaults for its sessions.
    #[schema(value_type = LimitsIn, required = false)]
    limits: Option<Object<LimitsIn>>,
}

/// A change of an agent; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateAgent {
    /// Another system prompt: makes a revision and activates it.
    #[schema(nullable = false)]
    prompt: Option<String>,
    /// Another model: makes a revision and activates it.
    #[schema(nullable = false)]
    model: Option<String>,
    /// A new value for the attached credential. Write-only.
    #[schema(nullable = false, write_only)]
    key: Option<String>,
    /// `managed`, a credential's id, or null for the org's default.
    credential: Option<String>,
    /// Other limits, in place of all there are.
    #[schema(value_type = LimitsIn, required = false)]
    limits: Option<Object<LimitsIn>>,
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
    let new = new_agent(&app, org, sent.parse()?).await?;
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

async fn new_agent(app: &App, org: String, wanted: CreateAgent) -> Result<NewAgent, Problem> {
    let name = short(need(wanted.name, "name")?, "name", NAME)?;
    let runtime = runtime::built(wanted.runtime.as_deref())?;
    let model = model(need(wanted.model, "model")?, runtime)?;
    let prompt = prompt(need(wanted.prompt, "prompt")?)?;
    let credential = credential(app, &org, wanted.credential, wanted.key.as_deref()).await?;
    Ok(NewAgent {
        id: clock::fresh(Noun::Agent),
        revision: clock::fresh(Noun::Revision),
        name,
        runtime: runtime.to_owned(),
        prompt_hash: hash(&prompt),
        prompt,
        key: wanted
            .key
            .map(|key| brought(key, model.provider))
            .transpose()?,
        model: model.to_string(),
        limits: wanted
            .limits
            .map(|limits| limits.0.into())
            .unwrap_or_default(),
        credential,
        org,
        at: clock::now(),
    })
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
    params(("id" = String, Path, description = "Agent")),
    responses((status = 200, description = "The agent", body = AgentObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn get(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<AgentObject>, Problem> {
    let row = app
        .store
        .agent(&org, &id)
        .await
        .map_err(named("agent", &id))?;
    Ok(Json(AgentObject::new(row, &app.config)))
}

/// Change an agent; its sessions keep what they were born with
#[utoipa::path(patch, path = "/v3/agents/{id}", operation_id = "update_agent", tag = "Agents",
    params(("id" = String, Path, description = "Agent")), request_body = UpdateAgent,
    responses((status = 200, description = "The agent as it is now", body = AgentObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn update(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
    sent: Sent,
) -> Result<Json<AgentObject>, Problem> {
    let before = app
        .store
        .agent(&org, &id)
        .await
        .map_err(named("agent", &id))?;
    let change = change(&app, &before, &sent).await?;
    let row = app
        .store
        .change_agent(&org, &id, change)
        .await
        .map_err(named("agent", &id))?;
    Ok(Json(AgentObject::new(row, &app.config)))
}

async fn change(app: &App, before: &AgentRow, sent: &Sent) -> Result<AgentChange, Problem> {
    if let Some(fixed) = ["name", "runtime"]
        .into_iter()
        .find(|field| sent.has(field))
    {
        return Err(Problem::invalid(
            fixed,
            format!("`{fixed}` cannot be changed; create another agent"),
        ));
    }
    let wanted: UpdateAgent = sent.parse()?;
    let model = wanted
        .model
        .map(|text| model(text, &before.runtime))
        .transpose()?;
    let provider = match &model {
        Some(model) => model.provider,
        None => provider_of(before)?,
    };
    let found = credential(app, &before.org, wanted.credential, wanted.key.as_deref()).await?;
    Ok(AgentChange {
        revision: clock::fresh(Noun::Revision),
        prompt: wanted
            .prompt
            .map(prompt)
            .transpose()?
            .map(|text| (text.clone(), hash(&text))),
        model: model.map(|model| model.to_string()),
        credential: sent.has("credential").then_some(found),
        limits: wanted.limits.map(|limits| limits.0.into()),
        key: wanted.key.map(|key| brought(key, provider)).transpose()?,
        at: clock::now(),
    })
}

/// Delete an agent; its sessions stay and its name is free
#[utoipa::path(delete, path = "/v3/agents/{id}", operation_id = "delete_agent", tag = "Agents",
    params(("id" = String, Path, description = "Agent")),
    responses((status = 204, description = "Gone"),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn delete(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<StatusCode, Problem> {
    app.store
        .delete_agent(&org, &id, clock::now())
        .await
        .map_err(named("agent", &id))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The model of that text on that runtime.
pub(super) fn model(text: String, runtime: &str) -> Result<ModelRef, Problem> {
    let text = short(text, "model", NAME)?;
    ModelRef::parse(&text, runtime).map_err(|error| Problem::invalid("model", error.to_string()))
}

/// The provider of an agent's model.
pub(super) fn provider_of(agent: &AgentRow) -> Result<Provider, Problem> {
    model(agent.active.model.clone(), &agent.runtime).map(|model| model.provider)
}

fn prompt(text: String) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::invalid("prompt", "`prompt` must not be empty"));
    }
    Ok(text)
}

/// The credential that a request names, checked to be there.
async fn credential(
    app: &App,
    org: &str,
    wanted: Option<String>,
    key: Option<&str>,
) -> Result<Option<String>, Problem> {
    let Some(id) = wanted else { return Ok(None) };
    if key.is_some() {
        return Err(Problem::invalid(
            "key",
            "give `key` or `credential`, not both",
        ));
    }
    if id != MANAGED {
        let id = short(id.clone(), "credential", NAME)?;
        app.store
            .credential(org, &id)
            .await
            .map_err(|error| match error {
                store::Error::NotFound => {
                    Problem::invalid("credential", format!("there is no credential {id}"))
                }
                error => error.into(),
            })?;
    }
    Ok(Some(id))
}

/// A key that came with a request, as a credential of its own.
fn brought(key: String, provider: Provider) -> Result<NewCredential, Problem> {
    Ok(NewCredential {
        id: clock::fresh(Noun::Credential),
        provider: provider.name().to_owned(),
        name: None,
        secret: secret(key)?,
        default: false,
        at: clock::now(),
    })
}

/// A model key: one line of visible text, since it becomes a header.
pub(super) fn secret(key: String) -> Result<SecretString, Problem> {
    let key = key.trim();
    if key.is_empty() || key.len() > 4096 || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::invalid(
            "key",
            "`key` must be a model key: visible ASCII characters without spaces",
        ));
    }
    Ok(SecretString::from(key))
}

/// `sha256:` and the hex digest.
fn hash(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold("sha256:".to_owned(), |mut hex, byte| {
            use std::fmt::Write;
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_normalised_or_refused_by_name() {
        assert_eq!(
            model("claude-opus-4-8".into(), "native")
                .unwrap()
                .to_string(),
            "anthropic/claude-opus-4-8"
        );
        for bad in ["", "acme/x", "anthropic/", "a\nb"] {
            assert_eq!(
                model(bad.into(), "native").unwrap_err().param.as_deref(),
                Some("model"),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_key_is_one_line_of_visible_text() {
        for (key, good) in [
            (" sk-1\n", true),
            ("", false),
            ("a b", false),
            ("sk-\u{e9}", false),
            ("a\r\nx: y", false),
        ] {
            assert_eq!(secret(key.to_owned()).is_ok(), good, "{key:?}");
        }
    }

    #[test]
    fn a_hash_names_its_algorithm() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash(""), empty);
    }
}
