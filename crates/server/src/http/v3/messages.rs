//! Steering (contract v3 §11): a message joins the log, wakes an idle session, and
//! is seen by a running one at its next model call.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use session::id;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::command::carry;
use super::said::{Envelope, KEY, Said};
use crate::app::App;
use crate::http::auth::Steers;
use crate::http::field::{Object, need, short};
use crate::http::json::Sent;
use crate::http::problem::{ErrorEnvelope, Problem};
use crate::outside::Carried;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(send))
}

/// A message: `text`, or an envelope with more.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SendMessage {
    /// What is said.
    #[schema(nullable = false)]
    text: Option<String>,
    /// More than a text, in place of `text`.
    #[schema(value_type = Envelope, required = false)]
    envelope: Option<Object<Envelope>>,
    /// Makes the message be said once, however often it is sent.
    #[schema(nullable = false)]
    idempotency_key: Option<String>,
    /// Cut the step that runs, instead of waiting for its end.
    #[schema(nullable = false)]
    interrupt: Option<bool>,
}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentMessage {
    /// The fact it is.
    event: SentEvent,
    /// The session after it.
    session: SentSession,
}

/// The fact a message is.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentEvent {
    /// Its id.
    id: String,
    /// Its number.
    seq: u64,
}

/// A session in short.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentSession {
    /// Its id.
    id: String,
    /// What it is doing.
    status: String,
    /// Its newest number.
    head: u64,
}

/// Send a message
#[utoipa::path(post, path = "/v3/sessions/{id}/messages", operation_id = "send_message", tag = "Messages",
    security(("api_key" = []), ("x_api_key" = []), ("client_token" = [])),
    params(("id" = String, Path, description = "Session"),
        ("Idempotency-Key" = Option<String>, Header, description = "In place of `idempotency_key`")),
    request_body = SendMessage,
    responses((status = 202, description = "Said", body = SentMessage),
        (status = 200, description = "Said before under that key", body = SentMessage),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn send(
    State(app): State<App>,
    door: Steers,
    headers: HeaderMap,
    sent: Sent,
) -> Result<(StatusCode, Json<SentMessage>), Problem> {
    let said = said(sent.parse()?, header_key(&headers)?)?;
    let carried = carry(
        &app,
        &door.org,
        &door.session,
        &said.command(),
        said.key.as_deref(),
    )
    .await?;
    let status = if carried.replay {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, Json(answer(carried))))
}

fn said(wanted: SendMessage, header: Option<String>) -> Result<Said, Problem> {
    let mut said = match (wanted.text, wanted.envelope) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid(
                "envelope",
                "give `text` or `envelope`, not both",
            ));
        }
        (None, Some(envelope)) => Said::envelope(envelope.0, "envelope")?,
        (text, None) => Said::text(need(text, "text")?, "text")?,
    };
    if let Some(key) = wanted.idempotency_key {
        said.key = Some(short(key, "idempotency_key", KEY)?);
    }
    said.key = said.key.or(header);
    Ok(said.interrupting(wanted.interrupt.unwrap_or(false)))
}

/// The key in the header `Idempotency-Key`, if there is one.
pub(super) fn header_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.as_bytes());
    let text =
        text.map_err(|_| Problem::malformed("Idempotency-Key", "`Idempotency-Key` must be text"))?;
    short(text.to_owned(), "Idempotency-Key", KEY).map(Some)
}

fn answer(carried: Carried) -> SentMessage {
    let Carried { row, first, .. } = carried;
    let seq = first.unwrap_or(row.head);
    SentMessage {
        event: SentEvent {
            id: id::event(&row.id, seq),
            seq,
        },
        session: SentSession {
            id: row.id,
            status: row.status,
            head: row.head,
        },
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value, header: Option<&str>) -> Result<Said, Problem> {
        said(
            serde_json::from_value(body).unwrap(),
            header.map(str::to_owned),
        )
    }

    #[test]
    fn either_shape_is_a_message_and_both_are_none() {
        assert!(read(json!({ "text": "a" }), None).is_ok());
        assert!(read(json!({ "envelope": { "text": "a" } }), None).is_ok());
        let both = read(json!({ "text": "a", "envelope": { "text": "b" } }), None).unwrap_err();
        assert_eq!(both.param.as_deref(), Some("envelope"));
        assert_eq!(
            read(json!({}), None).unwrap_err().param.as_deref(),
            Some("text")
        );
    }

    #[test]
    fn the_key_of_the_body_wins_over_the_envelope_s_and_the_header_s() {
        let table = [
            (json!({ "text": "a" }), Some("h")),
            (json!({ "envelope": { "text": "a", "id": "e" } }), Some("e")),
            (
                json!({ "envelope": { "text": "a", "id": "e" }, "idempotency_key": "b" }),
                Some("b"),
            ),
        ];
        for (body, want) in table {
            assert_eq!(read(body, Some("h")).unwrap().key.as_deref(), want);
        }
        assert_eq!(read(json!({ "text": "a" }), None).unwrap().key, None);
    }

    #[test]
    fn a_header_key_is_short_text() {
        let headers = |text: &'static [u8]| {
            HeaderMap::from_iter([(
                "idempotency-key".parse().unwrap(),
                HeaderValue::from_bytes(text).unwrap(),
            )])
        };
        assert_eq!(header_key(&headers(b"k1")).unwrap().as_deref(), Some("k1"));
        for bad in [b"".as_slice(), b"\xff"] {
            assert!(header_key(&headers(bad)).is_err());
        }
    }
}
