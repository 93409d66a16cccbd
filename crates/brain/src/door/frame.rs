//! What an engine says in a request beside the conversation: its system
//! prompt, its tools, how the model is to think. The conversation is put in by
//! us, from the log, in the bytes that [`crate::api`] would send by itself.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};
use serde_json::Value;
use serde_json::value::RawValue;
use session::{Item, Provider};

use crate::api::{Api, Want, json};
use crate::model::Ask;
use crate::serve::REPLIES;
use crate::wire::raw::{RawObject, raw, string};
use crate::{ErrorKind, ModelError};

/// Headers that are about the connection, or that are ours to set.
const OURS: [HeaderName; 10] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::COOKIE,
    header::EXPECT,
    header::UPGRADE,
];

/// The name under which a rehearsal counts its failures.
const COUNTED: HeaderName = HeaderName::from_static("x-claude-code-session-id");

/// An engine's request without its conversation.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    headers: HeaderMap,
    body: RawObject,
    /// Whether the conversation is the engine's own, and left as it is.
    whole: bool,
}

impl Frame {
    /// Reads a request.
    ///
    /// # Errors
    /// Why it is none that asks for the next answer of a turn.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, &'static str> {
        let body: RawObject =
            serde_json::from_slice(body).map_err(|_| "This is no JSON object.")?;
        if body.get::<bool>("stream") != Some(true) {
            return Err("Answers are given as streams only.");
        }
        let (headers, whole) = (headers.clone(), false);
        Ok(Self {
            headers,
            body,
            whole,
        })
    }

    /// Reads a request of a program that has a conversation of its own; also
    /// tells whether it wants a stream.
    ///
    /// # Errors
    /// Why it is none.
    pub fn whole(headers: &HeaderMap, body: &[u8]) -> Result<(Self, bool), &'static str> {
        let body: RawObject =
            serde_json::from_slice(body).map_err(|_| "This is no JSON object.")?;
        let stream = body.get::<bool>("stream") == Some(true);
        let (headers, whole) = (headers.clone(), true);
        let frame = Self {
            headers,
            body,
            whole,
        };
        Ok((frame, stream))
    }

    /// Names of the tools it offers.
    pub fn tools(&self) -> Vec<String> {
        let tools: Vec<Value> = self.body.get("tools").unwrap_or_default();
        let name = |tool: &Value| tool["name"].as_str().map(str::to_owned);
        tools.iter().filter_map(name).collect()
    }

    /// The headers of the request to the provider: the engine's, with our key.
    pub fn headers(&self, api: Api, ask: &Ask) -> Result<HeaderMap, ModelError> {
        let mut headers = self.headers.clone();
        for name in OURS {
            headers.remove(name);
        }
        headers.remove("x-api-key");
        headers.extend(api.headers(ask.key.as_ref())?);
        if ask.model.provider == Provider::Test
            && let Ok(session) = HeaderValue::from_str(&ask.session)
        {
            headers.insert(COUNTED, session);
        }
        if ask.model.provider == Provider::Test
            && !self.whole
            && let Some(Item::Summary { replies, .. }) = ask.items.first()
        {
            headers.insert(REPLIES, (*replies).into());
        }
        Ok(headers)
    }

    /// The body of the request to the provider.
    pub fn body(&self, api: Api, ask: &Ask) -> Result<Bytes, ModelError> {
        if self.whole {
            return json(&self.bounded(api, ask));
        }
        let ours = api.body(ask, Want::Answer)?;
        let ours: RawObject = serde_json::from_slice(&ours).map_err(|error| {
            let words = format!("The request cannot be put together: {error}.");
            ModelError::new(ErrorKind::BadRequest, words)
        })?;
        let mut body = self.body.clone();
        for (name, value) in ours.fields().filter(|(name, _)| is_ours(api, name)) {
            body.set(name, value.to_owned());
        }
        match api {
            Api::Messages => fit_thinking(&mut body, ask.max_tokens),
            Api::Responses => keep_instructions(&mut body, &self.body),
        }
        json(&body)
    }
}

impl Frame {
    /// The engine's own request, of the session's model and within its limits.
    fn bounded(&self, api: Api, ask: &Ask) -> RawObject {
        let mut body = self.body.clone();
        let field = match api {
            Api::Messages => "max_tokens",
            Api::Responses => "max_output_tokens",
        };
        let wanted: Option<u32> = body.get(field);
        let most = wanted.map_or(ask.max_tokens, |wanted| wanted.min(ask.max_tokens));
        body.set(field, raw(most.to_string()));
        body.set("model", string(&ask.model.name));
        body.set("stream", raw("true".to_owned()));
        if api == Api::Messages {
            fit_thinking(&mut body, most);
        }
        body
    }
}

/// Fields of a request that follow from the ask alone.
fn is_ours(api: Api, field: &str) -> bool {
    let common = ["model", "stream", "tool_choice"].contains(&field);
    common
        || match api {
            Api::Messages => ["messages", "max_tokens", "cache_control"].contains(&field),
            Api::Responses => ["input", "max_output_tokens", "prompt_cache_key"].contains(&field),
        }
}

/// Thinking with a budget has to be less than the whole answer, and is not to
/// be had below this many tokens.
fn fit_thinking(body: &mut RawObject, most: u32) {
    const LEAST: u64 = 1024;
    let Some(thinking) = body.get::<Value>("thinking") else {
        return;
    };
    let Some(budget) = thinking["budget_tokens"].as_u64() else {
        return;
    };
    let most = u64::from(most);
    if most <= LEAST {
        body.set("thinking", raw(r#"{"type":"disabled"}"#.to_owned()));
    } else if budget >= most {
        let mut thinking = thinking;
        thinking["budget_tokens"] = (most - 1).into();
        body.set("thinking", raw(thinking.to_string()));
    }
}

/// An engine that puts its instructions at the head of the conversation keeps
/// them there, without the names it draws for them at each of its starts.
fn keep_instructions(body: &mut RawObject, engine: &RawObject) {
    let theirs: Vec<RawObject> = engine.get("input").unwrap_or_default();
    let leads = |item: &RawObject| {
        let role = item.get::<String>("role");
        matches!(role.as_deref(), Some("developer" | "system"))
    };
    let lead = theirs.into_iter().take_while(leads).map(|mut item| {
        item.remove("id");
        serde_json::to_string(&item).unwrap_or_default()
    });
    let ours: Vec<Box<RawValue>> = body.get("input").unwrap_or_default();
    let items: Vec<String> = lead
        .chain(ours.iter().map(|item| item.get().to_owned()))
        .collect();
    body.set("input", raw(format!("[{}]", items.join(","))));
}

#[cfg(test)]
mod tests;
