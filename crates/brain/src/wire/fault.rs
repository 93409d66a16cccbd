//! What a provider's error body means. Both providers name their errors by
//! short words; the words say more than the HTTP status.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;
use session::retry;

use crate::{ErrorKind, ModelError};

/// Words for errors, of both providers, and what they mean.
const WORDS: [(&str, ErrorKind); 25] = [
    ("enforced_spend_limit_reached", ErrorKind::Spend),
    ("insufficient_quota", ErrorKind::Spend),
    ("billing_error", ErrorKind::Spend),
    ("billing_hard_limit_reached", ErrorKind::Spend),
    ("billing_not_active", ErrorKind::Spend),
    ("authentication_error", ErrorKind::Auth),
    ("permission_error", ErrorKind::Auth),
    ("invalid_api_key", ErrorKind::Auth),
    ("model_not_found", ErrorKind::NotFound),
    ("not_found_error", ErrorKind::NotFound),
    ("context_length_exceeded", ErrorKind::ContextFull),
    ("exceed_context_size_error", ErrorKind::ContextFull),
    ("request_too_large", ErrorKind::ContextFull),
    ("rate_limit_error", ErrorKind::RateLimited),
    ("rate_limit_exceeded", ErrorKind::RateLimited),
    ("overloaded_error", ErrorKind::Overloaded),
    ("server_is_overloaded", ErrorKind::Overloaded),
    ("slow_down", ErrorKind::Overloaded),
    ("api_error", ErrorKind::Overloaded),
    ("server_error", ErrorKind::Overloaded),
    ("conflict_error", ErrorKind::Overloaded),
    ("timeout_error", ErrorKind::Timeout),
    ("invalid_request_error", ErrorKind::BadRequest),
    ("invalid_prompt", ErrorKind::BadRequest),
    ("unsupported_parameter", ErrorKind::BadRequest),
];

/// Parts of messages that say that the conversation is too long. Anthropic, and
/// many that speak like OpenAI, have no word for it, only sentences.
const TOO_LONG: [&str; 4] = [
    "prompt is too long",
    "exceed context limit",
    "maximum context length",
    "exceeds the context window",
];

/// An error as a provider describes it. Servers that only speak like one of
/// the providers take liberties: what is no text counts as not there.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    kind: Option<String>,
    code: Option<String>,
    detail: Option<String>,
    message: String,
}

impl From<&Value> for Fault {
    fn from(error: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        // Some send nothing but the message.
        let message = text(error).or_else(|| text(&error["message"]));
        Self {
            kind: text(&error["type"]),
            code: text(&error["code"]),
            detail: text(&error["details"]["error_code"]),
            message: message.unwrap_or_default(),
        }
    }
}

impl Fault {
    /// What the provider's words mean; the most specific word first.
    fn kind(&self) -> Option<ErrorKind> {
        let mut kinds = [&self.detail, &self.code, &self.kind]
            .into_iter()
            .flatten()
            .filter_map(|word| WORDS.iter().find(|(known, _)| known == word))
            .map(|(_, kind)| *kind);
        let kind = kinds.next();
        let too_long = TOO_LONG.iter().any(|part| self.message.contains(part));
        match kind {
            None | Some(ErrorKind::BadRequest) if too_long => Some(ErrorKind::ContextFull),
            kind => kind,
        }
    }

    /// An error that came inside a stream, after its beginning.
    pub fn in_stream(&self) -> ModelError {
        let kind = self.kind().unwrap_or(ErrorKind::Overloaded);
        let words = crate::error::plain(&self.message);
        ModelError::new(kind, format!("The provider broke off its answer: {words}"))
    }
}

/// What an HTTP error answer means.
pub(crate) fn of_answer(status: u16, headers: &HeaderMap, body: &[u8]) -> ModelError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let fault = Fault::from(&body["error"]);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut error = ModelError::of_status(status, &fault.message);
    // A generic word says less than a status such as 401 or 404. And a server
    // that failed may have said anything.
    let says_more = |kind: &ErrorKind| match kind {
        ErrorKind::BadRequest => false,
        ErrorKind::ContextFull => status < 500,
        _ => true,
    };
    if let Some(kind) = fault.kind().filter(says_more) {
        error = error.as_kind(kind);
    }
    let spend = error.kind == ErrorKind::Spend;
    error.retriable = retry::worthwhile(status, header("x-should-retry"), spend);
    let advice = retry::advice_ms(header("retry-after-ms"), header("retry-after"));
    error.retry_after = advice.map(Duration::from_millis);
    error.request_id =
        request_id(headers).or_else(|| Some(body["request_id"].as_str()?.to_owned()));
    error
}

/// The provider's id of the request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    let found = ["request-id", "x-request-id"]
        .iter()
        .find_map(|name| headers.get(*name));
    Some(crate::error::plain(found?.to_str().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_say_more_than_the_status() {
        use ErrorKind::{Auth, BadRequest, ContextFull, NotFound, Overloaded, RateLimited, Spend};
        let anthropic = |kind: &str, message: &str| json!({ "type": "error", "error": { "type": kind, "message": message } });
        let openai = |code: &str| json!({ "error": { "message": "m", "type": "t", "code": code } });
        let spend = json!({ "error": { "type": "rate_limit_error", "message": "m",
            "details": { "error_code": "enforced_spend_limit_reached" } } });
        for (status, body, kind, retriable) in [
            (
                429,
                anthropic("rate_limit_error", "slow"),
                RateLimited,
                true,
            ),
            (429, spend, Spend, false),
            (429, openai("insufficient_quota"), Spend, false),
            (429, openai("rate_limit_exceeded"), RateLimited, true),
            (
                400,
                anthropic("invalid_request_error", "prompt is too long: 9 > 8"),
                ContextFull,
                false,
            ),
            (400, openai("context_length_exceeded"), ContextFull, false),
            (400, openai("exceed_context_size_error"), ContextFull, false),
            (
                400,
                anthropic(
                    "invalid_request_error",
                    "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000",
                ),
                ContextFull,
                false,
            ),
            (
                400,
                json!({ "error": { "message": "This model's maximum context length is 8192 tokens.",
                    "type": "BadRequestError", "code": 400 } }),
                ContextFull,
                false,
            ),
            (
                500,
                json!({ "error": "maximum context length" }),
                Overloaded,
                true,
            ),
            (
                400,
                anthropic("invalid_request_error", "roles"),
                BadRequest,
                false,
            ),
            (401, anthropic("authentication_error", "key"), Auth, false),
            (404, openai("model_not_found"), NotFound, false),
            (403, anthropic("invalid_request_error", "no"), Auth, false),
            (500, openai("invalid_request_error"), Overloaded, true),
            (529, anthropic("overloaded_error", "busy"), Overloaded, true),
            (502, json!("not an object"), Overloaded, true),
            (
                400,
                json!({ "error": { "code": 400, "message": ["odd"] } }),
                BadRequest,
                false,
            ),
            (418, json!({}), BadRequest, false),
        ] {
            let error = of_answer(status, &HeaderMap::new(), body.to_string().as_bytes());
            assert_eq!((error.kind, error.retriable), (kind, retriable), "{body}");
            assert_eq!(error.status, Some(status));
        }
    }

    #[test]
    fn a_message_is_found_where_a_server_puts_it() {
        for body in [
            json!({ "error": "no such model" }),
            json!({ "error": { "code": 7, "message": "no such model" } }),
        ] {
            let error = of_answer(404, &HeaderMap::new(), body.to_string().as_bytes());
            assert!(error.message.ends_with(": no such model"), "{error}");
        }
    }

    #[test]
    fn headers_say_when_to_come_back_and_what_to_quote() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("retry-after", "3"),
            ("request-id", "req_7"),
            ("x-should-retry", "false"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let error = of_answer(529, &headers, b"");
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(error.request_id.as_deref(), Some("req_7"));
        assert!(!error.retriable);
    }

    #[test]
    fn an_error_inside_a_stream_is_what_its_word_says() {
        for (word, kind, retriable) in [
            ("overloaded_error", ErrorKind::Overloaded, true),
            ("invalid_request_error", ErrorKind::BadRequest, false),
            ("rate_limit_exceeded", ErrorKind::RateLimited, true),
            ("never_heard", ErrorKind::Overloaded, true),
        ] {
            let fault = Fault {
                code: Some(word.into()),
                ..Fault::default()
            };
            let error = fault.in_stream();
            assert_eq!((error.kind, error.retriable), (kind, retriable), "{word}");
        }
    }
}
