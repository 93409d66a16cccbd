//! Why a model did not answer, in terms of what a caller does next.
//!
//! Messages hold the provider's own words, capped, and never a key.

use std::time::Duration;

/// Most characters of a provider's own words that are kept.
const MOST: usize = 500;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The key is missing, wrong, or may not use this model.
    Auth,
    /// The account's money or quota is used up.
    Spend,
    /// Too many requests for now.
    RateLimited,
    /// The provider cannot serve anyone, or failed by itself.
    Overloaded,
    /// The request is wrong; asking again changes nothing.
    BadRequest,
    /// The conversation does not fit the model's window.
    ContextFull,
    /// There is no such model.
    NotFound,
    /// No connection, a cut stream, or an answer that cannot be read.
    Broken,
    /// The provider was silent for too long.
    Timeout,
}

/// A model call that gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}{}", .request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default())]
pub struct ModelError {
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// The HTTP status, if the provider answered with one.
    pub status: Option<u16>,
    /// What happened, in words for the user.
    pub message: String,
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
    /// Whether the same request may succeed later.
    pub retriable: bool,
    /// How long the provider asks to wait before that.
    pub retry_after: Option<Duration>,
}

impl ModelError {
    /// A failure of that kind, with what usually follows from it.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            message: message.into(),
            request_id: None,
            retriable: matches!(
                kind,
                ErrorKind::RateLimited
                    | ErrorKind::Overloaded
                    | ErrorKind::Broken
                    | ErrorKind::Timeout
            ),
            retry_after: None,
        }
    }

    /// A stream that was cut or cannot be read.
    #[must_use]
    pub fn broken(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Broken, message)
    }

    /// Whether the answer may have begun, and so have cost something: the
    /// provider did not refuse the call outright.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.status.is_none()
    }

    /// What an HTTP error status means. `words` are the provider's own.
    #[must_use]
    pub fn of_status(status: u16, words: &str) -> Self {
        let (kind, what) = match status {
            401 | 403 => (ErrorKind::Auth, "The provider refused the key"),
            402 => (ErrorKind::Spend, "The provider wants to be paid"),
            413 => (ErrorKind::ContextFull, "The request is too large"),
            404 => (ErrorKind::NotFound, "The provider does not know this model"),
            408 | 504 => (ErrorKind::Timeout, "The provider took too long"),
            429 => (ErrorKind::RateLimited, "The provider limits the rate"),
            409 | 500.. => (ErrorKind::Overloaded, "The provider failed"),
            _ => (ErrorKind::BadRequest, "The provider refused the request"),
        };
        let words = plain(words);
        let message = match words.as_str() {
            "" => format!("{what} (HTTP {status})."),
            words => format!("{what} (HTTP {status}): {words}"),
        };
        Self {
            status: Some(status),
            ..Self::new(kind, message)
        }
    }

    /// The same failure, known to be one of another kind.
    #[must_use]
    pub fn as_kind(self, kind: ErrorKind) -> Self {
        Self {
            kind,
            retriable: Self::new(kind, "").retriable,
            ..self
        }
    }
}

/// A provider's words, fit to be shown: one line, capped, without anything that
/// looks like a key (some providers repeat the key they refuse).
pub(crate) fn plain(words: &str) -> String {
    let mut text = String::new();
    for word in words.split_whitespace() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(if is_secret(word) { "[key]" } else { word });
    }
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn is_secret(word: &str) -> bool {
    let word = word.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    ["sk-", "osb_", "Bearer", "sk_"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_a_caller_does_next() {
        use ErrorKind::{
            Auth, BadRequest, ContextFull, NotFound, Overloaded, RateLimited, Spend, Timeout,
        };
        for (status, kind, retriable) in [
            (400, BadRequest, false),
            (401, Auth, false),
            (402, Spend, false),
            (403, Auth, false),
            (404, NotFound, false),
            (408, Timeout, true),
            (409, Overloaded, true),
            (413, ContextFull, false),
            (429, RateLimited, true),
            (500, Overloaded, true),
            (504, Timeout, true),
            (529, Overloaded, true),
        ] {
            let error = ModelError::of_status(status, "words");
            assert_eq!(
                (error.kind, error.retriable),
                (kind, retriable),
                "status {status}"
            );
            assert!(error.to_string().contains("words"));
        }
    }

    #[test]
    fn words_of_a_provider_are_capped_and_hold_no_key() {
        let words = plain("Incorrect API key provided: sk-ant-abc, \"osb_12\".\nSee  there.");
        assert_eq!(words, "Incorrect API key provided: [key] [key] See there.");
        assert_eq!(plain(&"ä".repeat(2000)).chars().count(), MOST + 1);
    }

    #[test]
    fn the_request_id_is_told_where_there_is_one() {
        let mut error = ModelError::broken("The stream broke.");
        assert_eq!(error.to_string(), "The stream broke.");
        error.request_id = Some("req_1".into());
        assert_eq!(error.to_string(), "The stream broke. (request req_1)");
    }
}
