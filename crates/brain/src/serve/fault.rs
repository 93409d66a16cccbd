//! Errors in the shapes of the providers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Whose shapes are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Anthropic,
    OpenAi,
}

impl Dialect {
    /// The header that carries a request's id.
    pub fn id_header(self) -> &'static str {
        match self {
            Self::Anthropic => "request-id",
            Self::OpenAi => "x-request-id",
        }
    }
}

/// An error to be answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub status: u16,
    pub message: String,
    /// Seconds to wait before asking again.
    pub retry_after: Option<f64>,
    special: Option<Special>,
}

/// Errors that a status does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    Spend,
    TooLong,
}

impl Fault {
    pub fn new(status: u16, message: &str) -> Self {
        Self {
            status,
            message: message.to_owned(),
            retry_after: None,
            special: None,
        }
    }

    /// A wrong request.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(400, &message.into())
    }

    /// A spend limit: a 429 that no waiting lifts.
    pub fn spend() -> Self {
        Self {
            special: Some(Special::Spend),
            ..Self::new(429, "You have reached your spend limit.")
        }
    }

    /// A conversation beyond the window.
    pub fn too_long() -> Self {
        Self {
            special: Some(Special::TooLong),
            ..Self::bad(
                "Your input exceeds the context window of this model. Please adjust your input and try again.",
            )
        }
    }

    fn anthropic_kind(&self) -> &'static str {
        match self.status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            409 => "conflict_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            504 => "timeout_error",
            529 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        }
    }

    fn openai_kind(&self) -> (&'static str, Option<&'static str>) {
        match self.status {
            429 if self.special == Some(Special::Spend) => {
                ("insufficient_quota", Some("insufficient_quota"))
            }
            429 => ("requests", Some("rate_limit_exceeded")),
            401 => ("invalid_request_error", Some("invalid_api_key")),
            404 => ("invalid_request_error", Some("model_not_found")),
            500.. => ("server_error", Some("server_error")),
            _ if self.special == Some(Special::TooLong) => {
                ("invalid_request_error", Some("context_length_exceeded"))
            }
            _ => ("invalid_request_error", None),
        }
    }

    fn body(&self, dialect: Dialect, id: &str) -> Value {
        match dialect {
            Dialect::Anthropic => {
                let mut error = json!({ "type": self.anthropic_kind(), "message": self.message });
                match self.special {
                    Some(Special::Spend) => {
                        error["details"] = json!({ "error_code": "enforced_spend_limit_reached" });
                    }
                    Some(Special::TooLong) => {
                        error["message"] =
                            "prompt is too long: 200001 tokens > 200000 maximum".into();
                    }
                    None => {}
                }
                json!({ "type": "error", "error": error, "request_id": id })
            }
            Dialect::OpenAi => {
                let (kind, code) = self.openai_kind();
                json!({ "error": { "message": self.message, "type": kind, "param": null, "code": code } })
            }
        }
    }

    /// The answer.
    pub fn into_response(self, dialect: Dialect, id: &str) -> Response {
        let status = StatusCode::from_u16(self.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Json(self.body(dialect, id));
        match self.retry_after {
            Some(seconds) => (status, [("retry-after", seconds.to_string())], body).into_response(),
            None => (status, body).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_provider_has_its_own_shape() {
        let fault = Fault::spend();
        let anthropic = fault.body(Dialect::Anthropic, "req_1");
        assert_eq!(anthropic["error"]["type"], "rate_limit_error");
        assert_eq!(
            anthropic["error"]["details"]["error_code"],
            "enforced_spend_limit_reached"
        );
        assert_eq!(anthropic["request_id"], "req_1");
        let openai = fault.body(Dialect::OpenAi, "req_1");
        assert_eq!(openai["error"]["code"], "insufficient_quota");
    }
}
