//! Making client tokens (contract v3 §12); what one is: `crate::client_tokens`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use session::Millis;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::client_tokens::{Grant, Scopes};
use crate::clock;
use crate::http::auth::Org;
use crate::http::json::MaybeSent;
use crate::http::problem::{ErrorEnvelope, Problem, named};
use crate::http::query::At;
use crate::http::v3::number::Seconds;

/// Seconds a token lasts, unless told.
const LASTS: i64 = 3600;
/// Seconds a token may last.
const RANGE: (i64, i64) = (60, 86_400);

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(mint))
}

/// What the token is to allow, and how long.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct MintToken {
    /// `read`, `steer`; both by default.
    #[schema(nullable = false)]
    scopes: Option<Vec<String>>,
    /// Seconds, between 60 and 86400 (moved into that range); 3600 by default.
    #[schema(nullable = false)]
    #[schema(value_type = i64, required = false)]
    ttl: Option<Seconds>,
}

/// A token, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct MintedToken {
    /// The token.
    token: String,
    /// The same.
    client_token: String,
    /// What it allows.
    scopes: Vec<&'static str>,
    /// Until when.
    expires_at: String,
}

/// Make a client token
#[utoipa::path(post, path = "/v3/sessions/{id}/client-tokens", operation_id = "create_client_token", tag = "Sessions",
    params(("id" = String, Path, description = "Session")), request_body = Option<MintToken>,
    responses((status = 201, description = "The token", body = MintedToken),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn mint(
    State(app): State<App>,
    Org(org): Org,
    At([session]): At<1>,
    MaybeSent(sent): MaybeSent,
) -> Result<(StatusCode, Json<MintedToken>), Problem> {
    let wanted: MintToken = sent.parse()?;
    let scopes = scopes(wanted.scopes)?;
    let owner = app.store.org_of(&session).await;
    if owner.map_err(named("session", &session))? != org {
        return Err(Problem::missing("session", &session));
    }
    let grant = grant(&session, scopes, wanted.ttl.map(|ttl| ttl.0), clock::now());
    let token = app.client_tokens.token(&grant);
    let allowed = [("read", scopes.read), ("steer", scopes.steer)];
    let minted = MintedToken {
        client_token: token.clone(),
        token,
        scopes: allowed
            .into_iter()
            .filter_map(|(name, allowed)| allowed.then_some(name))
            .collect(),
        expires_at: clock::rfc3339(grant.expires),
    };
    Ok((StatusCode::CREATED, Json(minted)))
}

/// A token that allows everything a token can, for the usual time from now.
pub(in crate::http) fn usual(app: &App, session: &str) -> String {
    app.client_tokens
        .token(&grant(session, Scopes::ALL, None, clock::now()))
}

fn grant(session: &str, scopes: Scopes, ttl: Option<i64>, now: Millis) -> Grant {
    let lasts = ttl.unwrap_or(LASTS).clamp(RANGE.0, RANGE.1);
    Grant {
        session: session.to_owned(),
        scopes,
        expires: now.plus(lasts * 1000),
    }
}

fn scopes(names: Option<Vec<String>>) -> Result<Scopes, Problem> {
    let Some(names) = names else {
        return Ok(Scopes::ALL);
    };
    let mut scopes = Scopes {
        read: false,
        steer: false,
    };
    for name in &names {
        match name.as_str() {
            "read" => scopes.read = true,
            "steer" => scopes.steer = true,
            _ => {
                return Err(Problem::invalid(
                    "scopes",
                    "`scopes` may hold `read` and `steer`",
                ));
            }
        }
    }
    if names.is_empty() {
        return Err(Problem::invalid(
            "scopes",
            "`scopes` must hold `read`, `steer` or both",
        ));
    }
    Ok(scopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_moved_into_its_range() {
        for (ttl, seconds) in [
            (None, 3600),
            (Some(120), 120),
            (Some(1), 60),
            (Some(-5), 60),
            (Some(i64::MAX), 86_400),
        ] {
            let grant = grant("ses_1", Scopes::ALL, ttl, Millis(0));
            assert_eq!(grant.expires, Millis(seconds * 1000), "{ttl:?}");
        }
    }

    #[test]
    fn scopes_are_known_and_not_empty() {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        for (names, want) in [
            (None, Some((true, true))),
            (list(&["read"]), Some((true, false))),
            (list(&["steer", "steer"]), Some((false, true))),
            (list(&[]), None),
            (list(&["read", "admin"]), None),
        ] {
            let got = scopes(names).ok().map(|scopes| (scopes.read, scopes.steer));
            assert_eq!(got, want);
        }
    }
}
