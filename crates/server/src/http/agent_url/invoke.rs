//! `POST /`: the org begins a session of the agent with any JSON, and is given a
//! token that a page or a program may follow it with.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use session::Command;
use store::SessionRow;
use utoipa::ToSchema;

use super::{address, ask, exact, nothing_here, once};
use crate::app::App;
use crate::begin::Wish;
use crate::http::auth::Org;
use crate::http::problem::{ErrorEnvelope, Problem, named};
use crate::http::query::At;
use crate::http::v3::tokens;

/// A session that was begun at its agent's address.
#[derive(Debug, Serialize, ToSchema)]
pub struct Invoked {
    /// Names the request; the same when it is repeated.
    request_id: String,
    /// The session.
    session: InvokedSession,
    /// Opens the session to read and steer, for an hour.
    client_token: String,
    /// Where it is followed and spoken to.
    links: Links,
    /// Whether an earlier request of the same key began it.
    replayed: bool,
}

/// A session in short.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvokedSession {
    /// Its id.
    id: String,
    /// What it is doing.
    status: String,
    /// Its newest number.
    head: u64,
}

/// Where a session is followed and spoken to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Links {
    /// Its events, also as a stream.
    events: String,
    /// Takes messages.
    messages: String,
}

/// Begin a session at the agent's own address, with any JSON of at most 24 KiB
#[utoipa::path(post, path = "/agents/{agent}", operation_id = "invoke_agent", tag = "Agent URLs",
    params(("agent" = String, Path, description = "Agent, as in its `invoke_url`: `agt-` and 24 hex digits"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request happen once")),
    request_body(content = serde_json::Value, description = "Any JSON; the model sees it as it is"),
    responses((status = 202, description = "Begun, now or by the same request before", body = Invoked),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
pub(super) async fn invoke(
    State(app): State<App>,
    Org(org): Org,
    At([label]): At<1>,
    request: Request,
) -> Result<(StatusCode, Json<Invoked>), Problem> {
    let id = address::agent(&label).filter(|_| exact(request.uri()));
    let id = id.ok_or_else(nothing_here)?;
    let agent = app.store.agent(&org, &id).await;
    let agent = agent.map_err(named("agent", &id))?;
    let asked = ask::read(request, &["idempotency-key"], false).await?;
    let once = once::once(asked.key, "agent_url", &id, &asked.payload);
    if let Some(row) = once::before(&app, &org, once.as_ref()).await? {
        return Ok(receipt(&app, row, true));
    }
    let first = Command::Request {
        payload: asked.payload,
        actor: None,
    };
    let mut wish = Wish::new(org, agent, first);
    wish.once = once;
    let born = once::begun(&app, wish).await?;
    Ok(receipt(&app, born.row, !born.new))
}

fn receipt(app: &App, row: SessionRow, replayed: bool) -> (StatusCode, Json<Invoked>) {
    let at = |what: &str| format!("{}/v3/sessions/{}/{what}", app.config.node.url(), row.id);
    let links = Links {
        events: at("events"),
        messages: at("messages"),
    };
    let invoked = Invoked {
        client_token: tokens::usual(app, &row.id),
        request_id: once::receipt(&row.id),
        links,
        session: InvokedSession {
            id: row.id,
            status: row.status,
            head: row.head,
        },
        replayed,
    };
    (StatusCode::ACCEPTED, Json(invoked))
}
