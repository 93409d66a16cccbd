//! Who asks (contract v3 §2): an org by its API key, or a client by a token for
//! one session. Each extractor here is one kind of door; a handler says by its
//! arguments which one it has.
//!
//! Nothing is cached: a key revoked a moment ago, on whatever node, opens
//! nothing. The credential itself is never logged.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use session::Millis;

use super::problem::{Code, Problem};
use super::query::At;
use super::request::Seen;
use crate::app::App;
use crate::client_tokens::{self, Grant, Scopes};
use crate::clock;

/// An org, by its API key: every route.
#[derive(Debug)]
pub struct Org(pub String);

/// Whoever may read the session in the path.
#[derive(Debug)]
pub struct Reads {
    /// The session's owner.
    pub org: String,
    /// The session.
    pub session: String,
    /// Until when, if by a token.
    pub expires: Option<Millis>,
}

/// Whoever may send messages to the session in the path.
#[derive(Debug)]
pub struct Steers {
    /// The session's owner.
    pub org: String,
    /// The session.
    pub session: String,
}

/// Who a credential belongs to.
enum Caller {
    Org(String),
    Client { org: String, grant: Grant },
}

impl FromRequestParts<App> for Org {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match caller(parts, app, false).await? {
            Caller::Org(org) => Ok(Self(org)),
            Caller::Client { .. } => Err(forbidden(
                "a client token does not open this route; use an API key",
            )),
        }
    }
}

impl FromRequestParts<App> for Reads {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = caller(parts, app, true).await?;
        let (org, session, expires) =
            door(parts, app, caller, |scopes| scopes.read, "read").await?;
        Ok(Self {
            org,
            session,
            expires,
        })
    }
}

impl FromRequestParts<App> for Steers {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = caller(parts, app, false).await?;
        let (org, session, _) = door(parts, app, caller, |scopes| scopes.steer, "steer").await?;
        Ok(Self { org, session })
    }
}

/// Opens the session in the path, the first of the path's parameters.
async fn door(
    parts: &mut Parts,
    app: &App,
    caller: Caller,
    allows: impl Fn(Scopes) -> bool,
    scope: &str,
) -> Result<(String, String, Option<Millis>), Problem> {
    let session = first(parts, app).await?;
    match caller {
        Caller::Org(org) => Ok((org, session, None)),
        Caller::Client { grant, .. } if grant.session != session => {
            Err(forbidden("this client token is for another session"))
        }
        Caller::Client { grant, .. } if !allows(grant.scopes) => Err(forbidden(&format!(
            "this client token lacks the scope `{scope}`"
        ))),
        Caller::Client { org, grant } => Ok((org, session, Some(grant.expires))),
    }
}

async fn first(parts: &mut Parts, app: &App) -> Result<String, Problem> {
    if let Ok(At([session])) = At::<1>::from_request_parts(parts, app).await {
        return Ok(session);
    }
    At::<2>::from_request_parts(parts, app)
        .await
        .map(|At([session, _])| session)
}

async fn caller(parts: &Parts, app: &App, in_query: bool) -> Result<Caller, Problem> {
    let caller = match (credential(&parts.headers)?, query_token(parts)) {
        (Some(text), _) => known(app, text).await?,
        (None, Some(token)) if in_query && token.starts_with(client_tokens::MARK) => {
            known(app, &token).await?
        }
        (None, Some(token)) if in_query && token.starts_with("osb_") => {
            return Err(unauthorized(
                "`?token=` takes client tokens only: an API key must not stand in an address",
            ));
        }
        (None, Some(_)) if in_query => {
            return Err(unauthorized(&format!(
                "what `?token=` holds is no client token: those begin with `{}`",
                client_tokens::MARK
            )));
        }
        (None, _) => return Err(unauthorized("send `Authorization: Bearer <API key>`")),
    };
    if let Some(seen) = parts.extensions.get::<Seen>() {
        let org = match &caller {
            Caller::Org(org) | Caller::Client { org, .. } => org,
        };
        seen.org(org);
    }
    Ok(caller)
}

async fn known(app: &App, text: &str) -> Result<Caller, Problem> {
    let now = clock::now();
    if text.starts_with(client_tokens::MARK) {
        return client(app, text, now).await;
    }
    let key = app.store.authenticate(text, now).await?;
    key.map(|key| Caller::Org(key.org))
        .ok_or_else(|| unauthorized("this API key is unknown or revoked"))
}

/// The client that a token makes of its bearer, as long as there is its session.
async fn client(app: &App, token: &str, now: Millis) -> Result<Caller, Problem> {
    let unknown = || unauthorized("this client token is unknown or expired");
    let grant = app.client_tokens.grant(token, now).ok_or_else(unknown)?;
    match app.store.org_of(&grant.session).await {
        Ok(org) => Ok(Caller::Client { org, grant }),
        Err(store::Error::NotFound) => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}

/// The credential in the headers: `Authorization: Bearer …` or `X-API-Key: …`.
fn credential(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let unreadable = || unauthorized("the credential is not readable text");
    if let Some(value) = headers.get(AUTHORIZATION) {
        let text = value.to_str().map_err(|_| unreadable())?;
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("bearer") || rest.trim().is_empty() {
            return Err(unauthorized(
                "the Authorization header must be `Bearer <API key>`",
            ));
        }
        return Ok(Some(rest.trim()));
    }
    match headers.get("x-api-key") {
        Some(value) => value
            .to_str()
            .map(|text| Some(text.trim()))
            .map_err(|_| unreadable()),
        None => Ok(None),
    }
}

fn query_token(parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(name, _)| name == "token")
        .map(|(_, value)| value.into_owned())
}

fn unauthorized(message: &str) -> Problem {
    Problem::new(Code::Unauthorized, message)
}

fn forbidden(message: &str) -> Problem {
    Problem::new(Code::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn both_headers_are_understood() {
        type Sent = &'static [(&'static str, &'static str)];
        let table: [(Sent, Option<&str>); 5] = [
            (&[("authorization", "Bearer osb_1")], Some("osb_1")),
            (&[("authorization", "bearer  osb_1 ")], Some("osb_1")),
            (&[("x-api-key", "osb_2")], Some("osb_2")),
            (
                &[("authorization", "Bearer osb_1"), ("x-api-key", "osb_2")],
                Some("osb_1"),
            ),
            (&[], None),
        ];
        for (pairs, want) in table {
            assert_eq!(credential(&headers(pairs)).unwrap(), want, "{pairs:?}");
        }
    }

    #[test]
    fn another_scheme_or_an_empty_one_is_told() {
        for value in ["Basic dTpw", "Bearer", "Bearer ", "osb_1"] {
            let problem = credential(&headers(&[("authorization", value)])).unwrap_err();
            assert_eq!(problem.code, Code::Unauthorized, "{value}");
        }
    }
}
