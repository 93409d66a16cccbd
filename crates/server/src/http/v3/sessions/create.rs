//! Making a session by a request: what was sent becomes a wish, which
//! `crate::begin` carries.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use store::{AgentRow, NewDestination, Once};
use utoipa::ToSchema;

use super::object::SessionObject;
use crate::app::App;
use crate::begin::{Born, Wish, begin};
use crate::http::field::{Object, need, short};
use crate::http::json::{Sent, wrong};
use crate::http::problem::{Code, Problem};
use crate::http::secrets;
use crate::http::v3::destinations::{self, CreateDestination};
use crate::http::v3::limits::LimitsIn;
use crate::http::v3::said::{Input, KEY, Said};
use crate::http::v3::{messages, tokens};

/// Fields of the contract that this build does not have yet.
const UNBUILT: [&str; 2] = ["sources", "revision"];
/// Most bytes of the caller's own object, as sent.
const METADATA: usize = 16 * 1024;

/// A session to be started.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateSession {
    /// The agent, by id or by name.
    #[schema(value_type = String, required = true)]
    agent: Option<String>,
    /// The first message.
    #[schema(value_type = Input, required = true)]
    input: Option<serde_json::Value>,
    /// Another model than the agent's.
    #[schema(nullable = false)]
    model: Option<String>,
    /// Limits over the agent's, field by field.
    #[schema(value_type = LimitsIn, required = false)]
    limits: Option<Object<LimitsIn>>,
    /// Get or create: the same key finds the same session.
    #[schema(nullable = false)]
    key: Option<String>,
    /// The caller's own object, at most 16 KiB; never shown to the model.
    #[schema(value_type = Object, required = false)]
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// An address that is told of every event of level `user` from the first one on;
    /// the short form of one destination.
    #[schema(nullable = false)]
    webhook: Option<String>,
    /// Who is told of its events from the first one on; not applied when an earlier
    /// request made the session.
    #[schema(value_type = Vec<CreateDestination>, required = false)]
    destinations: Option<Vec<Object<CreateDestination>>>,
}

/// A session, and a token for its user.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedSession {
    /// The session.
    session: SessionObject,
    /// Opens it to read and steer, for an hour.
    client_token: String,
}

/// The caller's object, in the very text that was sent.
#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

/// Makes a session, or finds the one that the same request made before.
pub async fn create(
    app: &App,
    org: String,
    headers: &HeaderMap,
    sent: &Sent,
) -> Result<(StatusCode, Json<CreatedSession>), Problem> {
    sent.refuse(&UNBUILT)?;
    let wanted: CreateSession = sent.parse()?;
    let metadata = metadata(sent, wanted.metadata.is_some())?;
    let said = Said::input(input(need(wanted.input, "input")?)?)?;
    let key = wanted.key.map(|key| short(key, "key", KEY)).transpose()?;
    let once = once(key.clone(), messages::header_key(headers)?, "", sent);
    let agent = agent(app, &org, need(wanted.agent, "agent")?).await?;
    let mut wish = Wish::new(org, agent, said.command());
    wish.model = wanted.model;
    wish.limits = wanted
        .limits
        .map(|limits| limits.0.into())
        .unwrap_or_default();
    wish.key = key;
    wish.once = once;
    wish.metadata = metadata;
    wish.destinations = destinations(app, wanted.webhook, wanted.destinations)?;
    let Born { new, row, runs } = begin(app, wish).await?;
    Ok((
        made(new),
        Json(CreatedSession {
            client_token: tokens::usual(app, &row.id),
            session: SessionObject::born(app, row, runs).await?,
        }),
    ))
}

/// Most destinations of a request.
const DESTINATIONS: usize = 20;

/// Who is to be told from the first event on.
fn destinations(
    app: &App,
    webhook: Option<String>,
    listed: Option<Vec<Object<CreateDestination>>>,
) -> Result<Vec<NewDestination>, Problem> {
    let mut wanted = Vec::new();
    if let Some(url) = webhook {
        let new = destinations::new(app, CreateDestination::of(url), "");
        wanted.push(new.map_err(|problem| {
            let message = problem.message.replace("`url`", "`webhook`");
            Problem::invalid("webhook", message)
        })?);
    }
    for (at, one) in listed.unwrap_or_default().into_iter().enumerate() {
        let field = format!("destinations[{at}].");
        wanted.push(destinations::new(app, one.0, &field)?);
    }
    if wanted.len() > DESTINATIONS {
        let message = format!("a session has at most {DESTINATIONS} destinations");
        return Err(Problem::invalid("destinations", message));
    }
    Ok(wanted)
}

/// 201 for what was made now, 200 for what was found.
pub fn made(new: bool) -> StatusCode {
    match new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    }
}

/// A string or an envelope; which of the two is told before its fields are read,
/// so that a wrong field can be named.
pub fn input(value: serde_json::Value) -> Result<Input, Problem> {
    use serde_json::Value;
    match value {
        Value::String(text) => Ok(Input::Text(text)),
        Value::Object(_) => serde_path_to_error::deserialize(value)
            .map(Input::Envelope)
            .map_err(|error| {
                let path = format!("input.{}", error.path());
                wrong(Code::Invalid, &path, &error.into_inner())
            }),
        _ => Err(Problem::invalid(
            "input",
            "`input` must be a text or an envelope with a `text`",
        )),
    }
}

pub fn metadata(sent: &Sent, there: bool) -> Result<Option<String>, Problem> {
    if !there {
        return Ok(None);
    }
    let Metadata { metadata } = sent.verbatim()?;
    let text = metadata.map_or("", RawValue::get);
    if text.len() > METADATA {
        let message = format!(
            "`metadata` has {} bytes; at most {METADATA} are kept",
            text.len()
        );
        return Err(Problem::invalid("metadata", message));
    }
    Ok(Some(text.to_owned()))
}

/// What makes the request happen once: its own key, or else the header's. `of` is
/// what the path names.
pub fn once(key: Option<String>, header: Option<String>, of: &str, sent: &Sent) -> Option<Once> {
    let (scope, key) = match (key, header) {
        (Some(key), _) => ("session.key", key),
        (None, Some(key)) => ("session.idempotency_key", key),
        (None, None) => return None,
    };
    let request = Sha256::digest(format!("{of}{}", sent.canonical("key")));
    let request = request.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Once {
        scope,
        key,
        request,
    })
}

async fn agent(app: &App, org: &str, named: String) -> Result<AgentRow, Problem> {
    let named = short(named, "agent", 256)?;
    let found = secrets::agent(app, org, &named).await;
    found.map_err(|problem| match problem.code {
        Code::NotFound => problem.at("agent"),
        _ => problem,
    })
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequest;
    use serde_json::json;

    use super::*;

    async fn sent(text: &str) -> Sent {
        let request = axum::extract::Request::new(axum::body::Body::from(text.to_owned()));
        Sent::from_request(request, &()).await.unwrap()
    }

    #[test]
    fn an_input_is_a_text_or_an_envelope_and_its_wrong_field_is_named() {
        assert!(matches!(input(json!("hi")), Ok(Input::Text(_))));
        assert!(matches!(
            input(json!({ "text": "hi" })),
            Ok(Input::Envelope(_))
        ));
        for (value, param) in [
            (json!(5), "input"),
            (json!([]), "input"),
            (json!({ "text": 5 }), "input.text"),
            (json!({ "text": "x", "refs": "y" }), "input.refs"),
        ] {
            assert_eq!(input(value).unwrap_err().param.as_deref(), Some(param));
        }
    }

    #[tokio::test]
    async fn metadata_is_kept_as_text_up_to_its_limit() {
        let kept = metadata(&sent("{\"metadata\": {\"b\":1.0, \"a\":2}}").await, true).unwrap();
        assert_eq!(kept.as_deref(), Some("{\"b\":1.0, \"a\":2}"));
        assert_eq!(metadata(&sent("{}").await, false).unwrap(), None);
        for (length, fits) in [(METADATA, true), (METADATA + 1, false)] {
            let text = format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
            let body = sent(&format!("{{\"metadata\":{text}}}")).await;
            assert_eq!(metadata(&body, true).is_ok(), fits, "{length}");
        }
    }

    #[tokio::test]
    async fn the_body_s_key_wins_and_neither_key_changes_the_digest() {
        let one = sent("{\"agent\":\"a\",\"key\":\"k\"}").await;
        let two = sent("{ \"agent\" : \"a\" }").await;
        let by_key = once(Some("k".into()), Some("h".into()), "", &one).unwrap();
        let by_header = once(None, Some("h".into()), "", &two).unwrap();
        assert_eq!((by_key.scope, by_key.key.as_str()), ("session.key", "k"));
        assert_eq!(
            (by_header.scope, by_header.key.as_str()),
            ("session.idempotency_key", "h")
        );
        assert_eq!(by_key.request, by_header.request);
        assert_eq!(once(None, None, "", &two), None);
    }
}
