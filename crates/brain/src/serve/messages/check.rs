//! The rules of the Messages API, as far as clients break them.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::block::{Block, blocks};
use super::{Body, Message, tools};
use crate::serve::fault::Fault;
use crate::serve::seal::Seal;

/// Stands for the text of redacted thinking under its signature.
pub(super) const REDACTED: &str = "redacted";

/// Blocks that are looked at no further, by who may say them.
const OF_USER: [&str; 4] = ["image", "document", "search_result", "container_upload"];
const OF_MODEL: [&str; 3] = [
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
];

pub(super) fn headers(headers: &HeaderMap) -> Result<(), Fault> {
    if !headers.contains_key("x-api-key") && !headers.contains_key("authorization") {
        return Err(Fault::new(401, "x-api-key header is required"));
    }
    if !headers.contains_key("anthropic-version") {
        return Err(Fault::bad("anthropic-version: header is required"));
    }
    Ok(())
}

pub(super) fn body(body: &Body) -> Result<(), Fault> {
    if body.model.as_deref().unwrap_or_default().is_empty() {
        return Err(Fault::bad("model: Field required"));
    }
    match body.max_tokens {
        None => return Err(Fault::bad("max_tokens: Field required")),
        Some(..0) => {
            return Err(Fault::bad(
                "max_tokens: Input should be greater than or equal to 0",
            ));
        }
        Some(_) => {}
    }
    tools::check(&body.tools)?;
    marks(body)?;
    let messages = &body.messages;
    let first = messages.first();
    let first = first.ok_or_else(|| Fault::bad("messages: at least one message is required"))?;
    if first.role != "user" {
        return Err(Fault::bad("messages: first message must use the user role"));
    }
    for (at, message) in messages.iter().enumerate() {
        content(at, message)?;
    }
    pairs(messages)?;
    if messages
        .last()
        .is_some_and(|message| message.role == "assistant")
    {
        return Err(Fault::bad(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    Ok(())
}

/// At most four marks for caching.
fn marks(body: &Body) -> Result<(), Fault> {
    fn count(value: &Value) -> usize {
        match value {
            Value::Object(fields) => {
                let own = usize::from(fields.contains_key("cache_control"));
                own + fields.values().map(count).sum::<usize>()
            }
            Value::Array(items) => items.iter().map(count).sum(),
            _ => 0,
        }
    }
    let messages: usize = body
        .messages
        .iter()
        .map(|message| count(&message.content))
        .sum();
    let tools: usize = body.tools.iter().map(count).sum();
    match count(&body.system) + tools + messages {
        5.. => Err(Fault::bad(
            "A maximum of 4 blocks with cache_control may be provided.",
        )),
        _ => Ok(()),
    }
}

/// The content of one message, looked at by itself.
fn content(at: usize, message: &Message) -> Result<(), Fault> {
    let bad = |words: &str| Err(Fault::bad(format!("messages.{at}: {words}")));
    let role = message.role.as_str();
    if !matches!(role, "user" | "assistant" | "system") {
        return bad(&format!("role: Unexpected role \"{role}\""));
    }
    if !message.content.is_string() && !message.content.is_array() {
        return bad("content: Input should be a string or a list of blocks");
    }
    let blocks = blocks(&message.content);
    if blocks.is_empty() {
        return bad("all messages must have non-empty content");
    }
    for block in &blocks {
        match (block, role) {
            (Block::Text(text), _) if text.trim().is_empty() => {
                return bad("text content blocks must contain non-whitespace text");
            }
            (Block::ToolUse { id, name, input }, "assistant") => {
                if id.is_empty() || name.is_empty() || !input.is_object() {
                    return bad("tool_use: id, name and input (an object) are required");
                }
            }
            (Block::ToolResult { id: "", .. }, "user") => {
                return bad("tool_result.tool_use_id: Field required");
            }
            (Block::Text(_), _)
            | (Block::ToolResult { .. }, "user")
            | (Block::Thinking { .. } | Block::Redacted(_), "assistant") => {}
            (Block::Other(kind), "user") if OF_USER.contains(kind) => {}
            (Block::Other(kind), "assistant") if OF_MODEL.contains(kind) => {}
            (block, role) => {
                return bad(&format!(
                    "a message of role {role} cannot hold this block: {block:?}"
                ));
            }
        }
    }
    Ok(())
}

/// Every call is answered right after it, once, first of all; and only calls
/// are answered.
fn pairs(messages: &[Message]) -> Result<(), Fault> {
    let mut open: Vec<&str> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    let mut before = "";
    for (at, message) in messages.iter().enumerate() {
        let role = message.role.as_str();
        let mut spoke = before == "user" && role == "user";
        for block in blocks(&message.content) {
            match block {
                Block::ToolUse { id, .. } => {
                    if seen.contains(&id) {
                        return Err(Fault::bad(format!(
                            "messages.{at}: `tool_use` ids must be unique: {id}"
                        )));
                    }
                    seen.push(id);
                    open.push(id);
                }
                Block::ToolResult { id, .. } => {
                    let Some(place) = open.iter().position(|call| *call == id) else {
                        return Err(Fault::bad(format!(
                            "messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                        )));
                    };
                    if spoke {
                        return Err(Fault::bad(format!(
                            "messages.{at}: `tool_result` blocks must come first"
                        )));
                    }
                    open.remove(place);
                }
                _ => spoke = true,
            }
        }
        if role != "assistant" && !open.is_empty() {
            return Err(unanswered(at, &open));
        }
        before = role;
    }
    match open.is_empty() {
        true => Ok(()),
        false => Err(unanswered(messages.len(), &open)),
    }
}

fn unanswered(at: usize, open: &[&str]) -> Fault {
    let ids = open.join(", ");
    Fault::bad(format!(
        "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {ids}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    ))
}

/// Checks the signatures of all thinking that comes back, and gives the seal
/// for the next.
pub(super) fn thinking(body: &Body) -> Result<Seal, Fault> {
    let mut seal = Seal::default();
    seal.take(&normal(&body.system));
    seal.take(&json!(body.tools));
    for (at, message) in body.messages.iter().enumerate() {
        for block in blocks(&message.content) {
            let good = match block {
                Block::Thinking { text, signature } => signature == seal.sign(text),
                Block::Redacted(data) => data == seal.sign(REDACTED),
                _ => true,
            };
            if !good {
                return Err(Fault::bad(format!(
                    "messages.{at}: Invalid `signature` in `thinking` block: the block, or what came before it, is not what it was."
                )));
            }
        }
        seal.take(&json!({ "role": message.role, "content": normal(&message.content) }));
    }
    Ok(seal)
}

/// Plain text and a single text block are the same.
fn normal(content: &Value) -> Value {
    match content {
        Value::String(text) => json!([{ "type": "text", "text": text }]),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
