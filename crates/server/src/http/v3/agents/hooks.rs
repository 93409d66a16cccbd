//! Hooks of an agent (contract v3 §17): addresses that begin its sessions for
//! whoever knows them. The address is shown once, when it is made.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use session::Millis;
use session::id::Noun;
use store::{HookRow, NewHook};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::policy::{CapsIn, CapsObject, caps};
use crate::app::App;
use crate::clock;
use crate::http::agent_url::address;
use crate::http::auth::Org;
use crate::http::field::{Object, need, slug};
use crate::http::hook_token;
use crate::http::json::Sent;
use crate::http::problem::{Code, ErrorEnvelope, Problem, named};
use crate::http::query::{At, Params, page};
use crate::http::secrets::agent;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, update, revoke))
}

/// A hook to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateHook {
    /// Lower-case letters, digits and `-`; that of one hook of the agent at a time.
    #[schema(value_type = String, required = true, pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    name: Option<String>,
    /// From when on it opens nothing; RFC 3339, in the future.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// What all its sessions together may use.
    #[schema(value_type = CapsIn, required = false)]
    caps: Option<Object<CapsIn>>,
}

/// A change of a hook.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateHook {
    /// What all its sessions together may use, in place of what was; null for no
    /// caps. Holds for running sessions too.
    #[schema(value_type = Option<CapsIn>, required = false)]
    caps: Option<Object<CapsIn>>,
}

/// A hook, without its token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hook)]
pub struct HookObject {
    /// Its id.
    id: String,
    /// The agent whose sessions it begins.
    agent_id: String,
    /// Its name.
    name: String,
    /// `active`, `expired` or `revoked`.
    #[schema(value_type = String)]
    status: &'static str,
    /// The last characters of its token.
    secret_last4: String,
    /// Why it was revoked: `manual` or `secret_exposure`.
    revoked_reason: Option<String>,
    /// What all its sessions together may use.
    #[schema(value_type = CapsIn)]
    caps: CapsObject,
    /// From when on it opens nothing.
    expires_at: Option<String>,
    /// When it was made.
    created_at: String,
}

/// A hook that was made, and its address.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedHook {
    /// The hook.
    hook: HookObject,
    /// Where programs post to. It is the secret itself, and is not shown again.
    hook_url: String,
}

/// A page of hooks, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct HookPage {
    /// The hooks.
    data: Vec<HookObject>,
    /// Goes on as `cursor`, if there are more.
    next_cursor: Option<String>,
}

/// Which hooks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HookParams {
    /// Whether revoked ones are listed, too
    include_revoked: Option<bool>,
    /// Most hooks of a page (50, at most 100)
    limit: Option<u64>,
    /// The `next_cursor` of the page before
    cursor: Option<String>,
}

impl HookObject {
    fn new(row: HookRow, now: Millis) -> Self {
        let status = match (&row.revoked, row.expires) {
            (Some(_), _) => "revoked",
            (None, Some(expires)) if expires <= now => "expired",
            _ => "active",
        };
        Self {
            id: row.id,
            agent_id: row.agent,
            name: row.name,
            status,
            secret_last4: row.last4,
            revoked_reason: row.revoked.map(|(_, reason)| reason),
            caps: row.caps.into(),
            expires_at: row.expires.map(clock::rfc3339),
            created_at: clock::rfc3339(row.created),
        }
    }
}

/// Make a hook: an address that begins sessions of the agent for whoever knows it
#[utoipa::path(post, path = "/v3/agents/{id}/hooks", operation_id = "create_hook", tag = "Hooks",
    params(("id" = String, Path, description = "Agent, by its id or name")), request_body = CreateHook,
    responses((status = 201, description = "Made; the address is shown this once", body = CreatedHook),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn create(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
    sent: Sent,
) -> Result<(StatusCode, Json<CreatedHook>), Problem> {
    let wanted: CreateHook = sent.parse()?;
    let now = clock::now();
    let name = slug(need(wanted.name, "name")?, "name")?;
    let expires = wanted
        .expires_at
        .map(|text| future(&text, now))
        .transpose()?;
    let agent = agent(&app, &org, &id).await?;
    let caps = caps(&app, &agent, wanted.caps)?;
    let token = hook_token::fresh();
    let url = address::of(&app.config, &agent.id);
    let hook_url = format!("{url}/hooks/{}", token.expose_secret());
    let new = NewHook {
        id: clock::fresh(Noun::Hook),
        org,
        agent: agent.id,
        name,
        token,
        caps,
        expires,
        at: now,
    };
    let taken = format!("the agent has a hook named `{}` already", new.name);
    let row = app
        .store
        .create_hook(new)
        .await
        .map_err(|error| match error {
            store::Error::Taken => Problem::new(Code::Conflict, taken).at("name"),
            error => named("agent", &id)(error),
        })?;
    let hook = HookObject::new(row, now);
    Ok((StatusCode::CREATED, Json(CreatedHook { hook, hook_url })))
}

/// List an agent's hooks, newest first
#[utoipa::path(get, path = "/v3/agents/{id}/hooks", operation_id = "list_hooks", tag = "Hooks",
    params(("id" = String, Path, description = "Agent, by its id or name"), HookParams),
    responses((status = 200, description = "Hooks", body = HookPage),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
    Params(params): Params<HookParams>,
) -> Result<Json<HookPage>, Problem> {
    let page = page(params.limit, params.cursor.as_deref(), 50, 100)?;
    let revoked = params.include_revoked.unwrap_or(false);
    let agent = agent(&app, &org, &id).await?;
    let listed = app.store.hooks(&org, &agent.id, revoked, page).await?;
    let now = clock::now();
    let shown = |row| HookObject::new(row, now);
    Ok(Json(HookPage {
        data: listed.rows.into_iter().map(shown).collect(),
        next_cursor: listed.next.map(|cursor| cursor.to_string()),
    }))
}

/// Read a hook
#[utoipa::path(get, path = "/v3/agents/{id}/hooks/{hook}", operation_id = "get_hook", tag = "Hooks",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("hook" = String, Path, description = "Hook")),
    responses((status = 200, description = "The hook", body = HookObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn get(
    State(app): State<App>,
    Org(org): Org,
    At([id, hook]): At<2>,
) -> Result<Json<HookObject>, Problem> {
    let agent = agent(&app, &org, &id).await?;
    let row = app.store.hook(&org, &agent.id, &hook).await;
    let row = row.map_err(named("hook", &hook))?;
    Ok(Json(HookObject::new(row, clock::now())))
}

/// Change what a hook's sessions together may use
#[utoipa::path(patch, path = "/v3/agents/{id}/hooks/{hook}", operation_id = "update_hook", tag = "Hooks",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("hook" = String, Path, description = "Hook")),
    request_body = UpdateHook,
    responses((status = 200, description = "The hook as it is now", body = HookObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn update(
    State(app): State<App>,
    Org(org): Org,
    At([id, hook]): At<2>,
    sent: Sent,
) -> Result<Json<HookObject>, Problem> {
    let wanted: UpdateHook = sent.parse()?;
    let agent = agent(&app, &org, &id).await?;
    let row = match sent.has("caps") {
        true => {
            let caps = caps(&app, &agent, wanted.caps)?;
            app.store.change_hook(&org, &agent.id, &hook, caps).await
        }
        false => app.store.hook(&org, &agent.id, &hook).await,
    };
    let row = row.map_err(named("hook", &hook))?;
    Ok(Json(HookObject::new(row, clock::now())))
}

/// Revoke a hook, for good; its sessions go on
#[utoipa::path(delete, path = "/v3/agents/{id}/hooks/{hook}", operation_id = "delete_hook", tag = "Hooks",
    params(("id" = String, Path, description = "Agent, by its id or name"), ("hook" = String, Path, description = "Hook")),
    responses((status = 204, description = "Revoked"),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn revoke(
    State(app): State<App>,
    Org(org): Org,
    At([id, hook]): At<2>,
) -> Result<StatusCode, Problem> {
    let agent = agent(&app, &org, &id).await?;
    let revoked = app.store.revoke_hook(&org, &agent.id, &hook, clock::now());
    revoked.await.map_err(named("hook", &hook))?;
    Ok(StatusCode::NO_CONTENT)
}

/// A moment that is yet to come.
fn future(text: &str, now: Millis) -> Result<Millis, Problem> {
    let at: Option<jiff::Timestamp> = text.parse().ok();
    let at = at.map(|at| Millis(at.as_millisecond()));
    at.filter(|at| *at > now).ok_or_else(|| {
        let message = "`expires_at` must be a time in the future, such as 2030-01-31T12:00:00Z";
        Problem::invalid("expires_at", message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hook_ends_in_the_future() {
        let now = Millis(1000);
        for (text, want) in [
            ("1970-01-01T00:00:01.001Z", Some(1001)),
            ("1970-01-01T00:00:01Z", None),
            ("1970-01-01T02:00:02+01:00", Some(3_602_000)),
            ("tomorrow", None),
            ("", None),
        ] {
            let got = future(text, now).map(|at| at.0).ok();
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn a_hook_is_the_contract_s() {
        let mut row = HookRow {
            id: "hk_1".into(),
            org: "org_1".into(),
            agent: "agt_1".into(),
            name: "issues".into(),
            last4: "wxyz".into(),
            caps: session::Caps::default(),
            created: Millis(0),
            expires: Some(Millis(5)),
            revoked: None,
        };
        let shown = |row: &HookRow, at| json!(HookObject::new(row.clone(), Millis(at)));
        let want = json!({ "id": "hk_1", "agent_id": "agt_1", "name": "issues", "status": "active",
            "secret_last4": "wxyz", "revoked_reason": null, "caps": {},
            "expires_at": "1970-01-01T00:00:00.005Z", "created_at": "1970-01-01T00:00:00.000Z" });
        assert_eq!(shown(&row, 4), want);
        assert_eq!(shown(&row, 5)["status"], "expired");
        row.revoked = Some((Millis(4), "manual".into()));
        let revoked = shown(&row, 5);
        assert_eq!(
            (&revoked["status"], &revoked["revoked_reason"]),
            (&json!("revoked"), &json!("manual"))
        );
    }
}
