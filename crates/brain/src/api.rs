//! The two HTTP APIs that models are behind, and everything in which they
//! differ: paths, headers, bodies, and how an answer is put together. Who asks,
//! how often and how long it is waited for is not known here.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::SecretString;
use serde::Serialize;
use session::Reply;

use crate::model::{Ask, Deltas};
use crate::wire::client::key_header;
use crate::{ErrorKind, ModelError, anthropic, openai};

/// The version of the Messages API this was written against.
const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// An API of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// Anthropic's.
    Messages,
    /// OpenAI's, without state on its server: every item, reasoning included,
    /// is kept by us and sent back.
    Responses,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// An answer, as a stream.
    Answer,
    /// The number of input tokens that the same question would have.
    Count,
}

/// An answer that is being put together.
#[derive(Debug)]
pub(crate) enum Assembly<'a> {
    Messages(anthropic::Assembly<'a>),
    Responses(openai::Assembly<'a>),
}

impl Api {
    /// Where that is asked for, below the base URL.
    pub fn path(self, want: Want) -> &'static str {
        match (self, want) {
            (Self::Messages, Want::Answer) => "/v1/messages",
            (Self::Messages, Want::Count) => "/v1/messages/count_tokens",
            (Self::Responses, Want::Answer) => "/responses",
            (Self::Responses, Want::Count) => "/responses/input_tokens",
        }
    }

    /// The headers of a request with that key.
    pub fn headers(self, key: Option<&SecretString>) -> Result<HeaderMap, ModelError> {
        let mut headers = HeaderMap::new();
        let (name, prefix) = match self {
            Self::Messages => ("x-api-key", ""),
            Self::Responses => (AUTHORIZATION.as_str(), "Bearer "),
        };
        if self == Self::Messages {
            headers.insert("anthropic-version", VERSION);
        }
        if let Some(key) = key {
            headers.insert(name, key_header(prefix, key)?);
        }
        Ok(headers)
    }

    /// The body of a request.
    pub fn body(self, ask: &Ask, want: Want) -> Result<Bytes, ModelError> {
        match self {
            Self::Messages => anthropic::body(ask, want),
            Self::Responses => openai::body(ask, want),
        }
    }

    /// An empty answer whose pieces are told to `deltas`.
    pub fn assembly(self, deltas: &Deltas) -> Assembly<'_> {
        match self {
            Self::Messages => Assembly::Messages(anthropic::Assembly::new(deltas)),
            Self::Responses => Assembly::Responses(openai::Assembly::new(deltas)),
        }
    }
}

impl Assembly<'_> {
    /// Takes in one event; true when the answer is complete.
    pub fn take(&mut self, data: &str) -> Result<bool, ModelError> {
        match self {
            Self::Messages(assembly) => assembly.take(data),
            Self::Responses(assembly) => assembly.take(data),
        }
    }

    /// The answer.
    pub fn finish(self) -> Result<Reply, ModelError> {
        match self {
            Self::Messages(assembly) => assembly.finish(),
            Self::Responses(assembly) => assembly.finish(),
        }
    }
}

/// A body as JSON.
pub(crate) fn json(body: &impl Serialize) -> Result<Bytes, ModelError> {
    let json = serde_json::to_vec(body).map_err(|error| {
        let words = format!("The request cannot be written as JSON: {error}.");
        ModelError::new(ErrorKind::BadRequest, words)
    })?;
    Ok(json.into())
}
