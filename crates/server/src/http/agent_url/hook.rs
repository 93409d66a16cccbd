//! `POST /hooks/<token>`: whoever knows the token begins a session of the agent, and
//! may do nothing else. The token is compared by its hash, and is never repeated: not
//! in an answer, not in the log.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::{Extension, Json};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use session::{Actor, Cause, CauseKind, Command};
use store::{HookRow, SessionRow};
use utoipa::ToSchema;

use super::flood::Floods;
use super::{address, ask, exact, nothing_here, once};
use crate::app::App;
use crate::begin::Wish;
use crate::clock;
use crate::http::hook_token;
use crate::http::problem::{Code, ErrorEnvelope, Problem};
use crate::http::query::At;
use crate::http::request::Seen;

/// A session that a hook began.
#[derive(Debug, Serialize, ToSchema)]
pub struct Hooked {
    /// Names the request; the same when it is repeated.
    request_id: String,
    /// The session.
    session: HookedSession,
    /// Whether an earlier request of the same key began it.
    replayed: bool,
}

/// A session, as one sees it who may only begin it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HookedSession {
    /// Its id.
    id: String,
    /// What it is doing.
    status: String,
}

impl Hooked {
    fn new(row: SessionRow, replayed: bool) -> Json<Self> {
        Json(Self {
            request_id: once::receipt(&row.id),
            session: HookedSession {
                id: row.id,
                status: row.status,
            },
            replayed,
        })
    }
}

/// Begin a session by a hook, with any JSON of at most 24 KiB or nothing
#[utoipa::path(post, path = "/agents/{agent}/hooks/{token}", operation_id = "call_hook", tag = "Agent URLs",
    security(()),
    params(("agent" = String, Path, description = "Agent, as in its `invoke_url`: `agt-` and 24 hex digits"),
        ("token" = String, Path, description = "The hook's token: the path itself is the secret"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request happen once"),
        ("webhook-id" = Option<String>, Header, description = "In place of `Idempotency-Key`")),
    request_body(content = Option<serde_json::Value>, description = "Any JSON; the model sees it as it is"),
    responses((status = 200, description = "Begun, now or by the same request before", body = Hooked),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
pub(super) async fn call(
    State(app): State<App>,
    Extension(floods): Extension<Arc<Floods>>,
    Extension(seen): Extension<Seen>,
    At([label, token]): At<2>,
    request: Request,
) -> Result<Json<Hooked>, Problem> {
    let hook = match exact(request.uri()) {
        true => opened(&app, &label, token.into()).await?,
        false => return Err(closed()),
    };
    seen.org(&hook.org);
    let most = app.config.node.hook_requests_per_minute;
    floods
        .count(&hook.id, most, clock::now())
        .map_err(|seconds| flooded(most, seconds))?;
    let asked = ask::read(request, &["idempotency-key", "webhook-id"], true).await?;
    let once = once::once(asked.key, "hook", &hook.id, &asked.payload);
    if let Some(row) = once::before(&app, &hook.org, once.as_ref()).await? {
        return Ok(Hooked::new(row, true));
    }
    let agent = app.store.agent(&hook.org, &hook.agent).await;
    let agent = agent.map_err(|error| match error {
        store::Error::NotFound => closed(),
        error => error.into(),
    })?;
    let first = Command::Request {
        payload: asked.payload,
        actor: Some(Actor::trigger(&hook.id, &hook.name)),
    };
    let mut wish = Wish::new(hook.org, agent, first);
    wish.once = once;
    wish.cause = Some(Cause {
        kind: CauseKind::Hook,
        id: hook.id.clone(),
        caps: hook.caps,
    });
    let born = once::begun(&app, wish).await?;
    tracing::info!(
        hook = hook.id,
        session = born.row.id,
        new = born.new,
        "a hook was called"
    );
    Ok(Hooked::new(born.row, !born.new))
}

/// The hook that the token opens at that address.
async fn opened(app: &App, label: &str, token: SecretString) -> Result<HookRow, Problem> {
    let agent = address::agent(label).ok_or_else(nothing_here)?;
    if !hook_token::is_one(token.expose_secret()) {
        return Err(closed());
    }
    let hook = app.store.hook_opened(&agent, &token, clock::now()).await?;
    hook.ok_or_else(closed)
}

/// Never made, expired, revoked, another agent's: it is all the same to a stranger.
fn closed() -> Problem {
    Problem::new(
        Code::NotFound,
        "this hook opens nothing: it may have expired, been revoked, or never been",
    )
}

fn flooded(most: u64, seconds: u64) -> Problem {
    Problem::new(
        Code::RateLimited,
        format!("this hook is called more than {most} times a minute"),
    )
    .again_in(seconds)
}
