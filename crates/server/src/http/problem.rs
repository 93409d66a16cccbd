//! The one shape of every refusal and failure on the wire (contract v3 §3).
//!
//! A code knows its status and whether asking again may help. Nothing of a
//! refused request has happened, except that after `timeout`, `internal` and
//! `unavailable` the outcome may be unknown: there a key makes asking again safe.
//!
//! A problem does not know which request it answers: it travels inside the
//! response, and `request` renders it with the request's id.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request cannot be read: broken JSON, a bad cursor or query.
    Malformed,
    /// No key or token, or one that opens nothing.
    Unauthorized,
    /// The token does not open this.
    Forbidden,
    /// No such thing, or it is somebody else's.
    NotFound,
    /// The route has no such method.
    MethodNotAllowed,
    /// The request came too slowly.
    Timeout,
    /// It contradicts what is there.
    Conflict,
    /// The body is over the limit.
    TooLarge,
    /// The body is of a kind that is not taken here.
    UnsupportedMedia,
    /// It is asked too often.
    RateLimited,
    /// The request can be read, and a field is missing or wrong.
    Invalid,
    /// A field of the contract that this build does not have yet.
    FieldNotSupported,
    /// No model key can be found for the session.
    NoCredential,
    /// The server itself has no model key.
    ManagedUnavailable,
    /// This build has no such runtime.
    RuntimeUnavailable,
    /// A defect; the log says more.
    Internal,
    /// A route of the contract that this build does not have yet.
    RouteNotSupported,
    /// Others changed the same thing all the time.
    Busy,
    /// The database cannot be reached.
    Unavailable,
    /// The node is about to stop.
    Draining,
    /// The disk is full.
    StorageFull,
}

impl Code {
    /// The word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed | Self::Invalid => "invalid",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Timeout => "timeout",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::UnsupportedMedia => "unsupported_media_type",
            Self::RateLimited => "rate_limited",
            Self::FieldNotSupported | Self::RouteNotSupported => "not_supported",
            Self::NoCredential => "no_credential",
            Self::ManagedUnavailable => "managed_unavailable",
            Self::RuntimeUnavailable => "runtime_unavailable",
            Self::Internal => "internal",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Draining => "draining",
            Self::StorageFull => "storage_full",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Invalid
            | Self::FieldNotSupported
            | Self::NoCredential
            | Self::ManagedUnavailable
            | Self::RuntimeUnavailable => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::RouteNotSupported => StatusCode::NOT_IMPLEMENTED,
            Self::Busy | Self::Unavailable | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    /// Whether the same request may succeed later, unchanged.
    #[must_use]
    pub fn retriable(self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::RateLimited
                | Self::Internal
                | Self::Busy
                | Self::Unavailable
                | Self::Draining
                | Self::StorageFull
        )
    }
}

/// A refusal or failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// For programs.
    pub code: Code,
    /// For people: what is wrong and what would be right.
    pub message: String,
    /// The field or parameter that is wrong.
    pub param: Option<String>,
    /// Seconds after which asking again may help, where that is known.
    pub again: Option<u64>,
}

/// The envelope on the wire.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorEnvelope {
    /// What went wrong.
    error: ErrorObject,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorObject {
    /// For programs; the same as `code`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// For programs.
    code: &'static str,
    /// For people.
    message: String,
    /// The field or parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    param: Option<String>,
    /// Whether the same request may succeed later.
    retriable: bool,
    /// The id of the request, also in the header `x-request-id`.
    request_id: String,
}

impl Problem {
    /// A problem with these words.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            param: None,
            again: None,
        }
    }

    /// A field that is missing or wrong (422).
    #[must_use]
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::new(Code::Invalid, message).at(param)
    }

    /// A query parameter or header that cannot be read (400).
    #[must_use]
    pub fn malformed(param: &str, message: impl Into<String>) -> Self {
        Self::new(Code::Malformed, message).at(param)
    }

    /// No such thing, or it is another org's.
    #[must_use]
    pub fn missing(noun: &str, id: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no {noun} {id}"))
    }

    /// Names the field that is wrong.
    #[must_use]
    pub fn at(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// Tells when asking again may help.
    #[must_use]
    pub fn again_in(mut self, seconds: u64) -> Self {
        self.again = Some(seconds);
        self
    }

    /// The envelope for the request of that id.
    #[must_use]
    pub fn envelope(self, request_id: &str) -> ErrorEnvelope {
        let name = self.code.name();
        ErrorEnvelope {
            error: ErrorObject {
                kind: name,
                code: name,
                message: self.message,
                param: self.param,
                retriable: self.code.retriable(),
                request_id: request_id.to_owned(),
            },
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        use store::Error;
        match error {
            Error::NotFound => Self::new(Code::NotFound, "not found"),
            Error::Stale { .. } => {
                Self::new(Code::Busy, "the session is changing too fast; try again")
            }
            Error::TooMany { most } => Self::new(
                Code::Conflict,
                format!("there are {most} already, and there may be no more; delete one first"),
            ),
            Error::Nul => Self::new(Code::Invalid, "a text cannot hold the character U+0000"),
            Error::Full => Self::new(Code::StorageFull, "the server's disk is full"),
            Error::Unavailable(why) => {
                tracing::warn!(%why, "the database is unavailable");
                Self::new(Code::Unavailable, "the database is unavailable; try again")
            }
            Error::Fatal(why) => {
                tracing::error!(%why, "the store failed for good");
                Self::new(
                    Code::Unavailable,
                    "the store failed; the server is about to stop",
                )
            }
            defect => {
                tracing::error!(error = %defect, "a request met a defect");
                Self::new(
                    Code::Internal,
                    "something is wrong inside the server; its log has the details",
                )
            }
        }
    }
}

/// Turns the store's *not found* into words that name what was looked for.
pub fn named<'a>(noun: &'a str, id: &'a str) -> impl FnOnce(store::Error) -> Problem + 'a {
    move |error| match error {
        store::Error::NotFound => Problem::missing(noun, id),
        error => error.into(),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_s_failures_are_told_apart() {
        let table = [
            (store::Error::NotFound, 404, "not_found", false),
            (store::Error::Stale { head: 3 }, 503, "busy", true),
            (store::Error::TooMany { most: 5 }, 409, "conflict", false),
            (store::Error::Full, 507, "storage_full", true),
            (
                store::Error::Unavailable("x".to_owned()),
                503,
                "unavailable",
                true,
            ),
            (store::Error::Sealed, 500, "internal", true),
        ];
        for (error, status, name, retriable) in table {
            let problem = Problem::from(error);
            assert_eq!(problem.code.status().as_u16(), status);
            assert_eq!(
                (problem.code.name(), problem.code.retriable()),
                (name, retriable)
            );
        }
    }

    #[test]
    fn the_envelope_is_the_contract_s() {
        let problem = Problem::invalid("limits.tokens", "give 1 or more");
        let json = serde_json::to_value(problem.envelope("req_1")).unwrap_or_default();
        let want = serde_json::json!({ "error": { "type": "invalid", "code": "invalid", "message": "give 1 or more",
            "param": "limits.tokens", "retriable": false, "request_id": "req_1" } });
        assert_eq!(json, want);
    }

    #[test]
    fn what_is_missing_is_named() {
        let problem = named("session", "ses_1")(store::Error::NotFound);
        assert_eq!(problem, Problem::missing("session", "ses_1"));
        assert_eq!(
            named("session", "ses_1")(store::Error::Full).code,
            Code::StorageFull
        );
    }
}
