//! `POST /v1/messages`: a request of the Anthropic API, checked and played.

mod block;
mod check;
mod render;
mod tools;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::seal::Seal;
use super::{Asked, Fault, Rehearsals, beat, document, is_users};
use crate::rehearsal::{Scene, Seen};
use block::{Block, blocks};
pub(super) use tools::is_name;

/// A request, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct Body {
    model: Option<String>,
    max_tokens: Option<i64>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    system: Value,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    thinking: Option<Thinking>,
    #[serde(default)]
    metadata: Value,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: Value,
}

#[derive(Debug, Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: String,
    display: Option<String>,
}

/// What the model thinks before it speaks, if it was asked to.
#[derive(Debug)]
struct Thought {
    text: String,
    signature: String,
    /// Thinking that is not shown.
    redacted: Option<String>,
}

pub(super) async fn answer(rehearsals: &Rehearsals, asked: Asked) -> Result<Response, Fault> {
    check::headers(&asked.headers)?;
    let body = read(&asked)?;
    check::body(&body)?;
    let seal = check::thinking(&body)?;
    let name = body.model.as_deref().unwrap_or_default();
    let most = u64::try_from(body.max_tokens.unwrap_or(0)).unwrap_or(0);
    let part = asked.part(name, scene(&body.messages))?;
    let part = part.within(most);
    let ending = rehearsals.begin(&session(&asked, &body), &part).await?;
    let thought = thought(&body, &seal, part.index);
    let whole = crate::rehearsal::tokens(part.line.tokens);
    asked.watch.begins(whole, thought.is_some() || !body.stream);
    let message = render::Played {
        id: asked.watch.request_id().replace("req", "msg"),
        model: name,
        part: &part,
        thought,
    };
    Ok(match body.stream {
        true => beat::respond(message.events(), ending, asked.watch).await,
        false => document(message.document(), ending, asked.watch).await,
    })
}

/// `POST /v1/messages/count_tokens`: what the answer will report as its input.
pub(super) fn count(asked: &Asked) -> Result<Response, Fault> {
    check::headers(&asked.headers)?;
    let mut body = read(asked)?;
    if body.max_tokens.is_some() || body.stream {
        return Err(Fault::bad(
            "max_tokens: Extra inputs are not permitted where tokens are counted",
        ));
    }
    body.max_tokens = Some(1);
    check::body(&body)?;
    let name = body.model.as_deref().unwrap_or_default();
    let part = asked.part(name, scene(&body.messages))?;
    let tokens = part.line.tokens.context();
    Ok(Json(json!({ "input_tokens": tokens })).into_response())
}

fn read(asked: &Asked) -> Result<Body, Fault> {
    serde_json::from_slice(&asked.body)
        .map_err(|error| Fault::bad(format!("The request body is not valid JSON: {error}")))
}

/// The conversation. Each text of a message counts as a message of its own:
/// clients join what the user said while the model was busy.
fn scene(messages: &[Message]) -> Scene<'_> {
    let mut seen = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let blocks = blocks(&message.content);
        match message.role.as_str() {
            "assistant" => {
                let calls = blocks
                    .iter()
                    .any(|block| matches!(block, Block::ToolUse { .. }));
                seen.push(Seen::Said { calls });
            }
            "user" => seen.extend(blocks.into_iter().filter_map(|block| heard(at, block))),
            _ => {}
        }
    }
    Scene(seen)
}

fn heard(at: usize, block: Block<'_>) -> Option<Seen<'_>> {
    match block {
        Block::Text(text) if is_users(text) => Some(Seen::User {
            seq: at as u64 + 1,
            text: text.into(),
        }),
        Block::ToolResult { text, is_error, .. } => Some(Seen::Result {
            text: text.into(),
            is_error,
        }),
        _ => None,
    }
}

/// What tells one conversation from another, for the counts of failures.
fn session(asked: &Asked, body: &Body) -> String {
    let header = asked.headers.get("x-claude-code-session-id");
    let header = header.and_then(|value| value.to_str().ok());
    let user = body.metadata.get("user_id").and_then(Value::as_str);
    match (header, user) {
        (Some(id), _) | (None, Some(id)) => id.to_owned(),
        (None, None) => {
            let mut seal = Seal::default();
            for message in body.messages.iter().take(1) {
                seal.take(&message.content);
            }
            seal.sign("")
        }
    }
}

fn thought(body: &Body, seal: &Seal, index: u64) -> Option<Thought> {
    let thinking = body.thinking.as_ref()?;
    if !matches!(thinking.kind.as_str(), "adaptive" | "enabled") {
        return None;
    }
    let text = match thinking.display.as_deref() {
        Some("omitted") => String::new(),
        _ => format!("Line {index} of the script is next."),
    };
    Some(Thought {
        signature: seal.sign(&text),
        redacted: (index % 2 == 1).then(|| seal.sign(check::REDACTED)),
        text,
    })
}
