//! The engine's own file of what was said before, written by us.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use session::Reply;

use crate::wire::conversation::{Entry, conversation};
use crate::wire::raw::raw;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "parentUuid")]
    parent: Option<String>,
    #[serde(rename = "isSidechain")]
    aside: bool,
    #[serde(rename = "type")]
    kind: &'a str,
    uuid: String,
    #[serde(rename = "sessionId")]
    session: &'a str,
    timestamp: &'a str,
    message: Message<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Message<'a> {
    User {
        role: &'a str,
        content: Value,
    },
    Assistant {
        role: &'a str,
        id: String,
        #[serde(rename = "type")]
        kind: &'a str,
        model: &'a str,
        content: Box<RawValue>,
        stop_reason: &'a str,
        stop_sequence: Option<&'a str>,
        usage: Value,
    },
}

/// The lines of that conversation, up to the words with which it ends: they
/// are new. Empty where nothing was said before them.
pub(super) fn history(session: &str, model: &str, items: &[session::Item]) -> Vec<u8> {
    let entries = conversation(items);
    let last = entries.len().saturating_sub(1);
    let mut lines = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let message = match entry {
            Entry::Assistant(reply) => said(at, model, reply),
            Entry::User { results, .. } if at == last && results.is_empty() => continue,
            Entry::User { results, texts } => {
                let results = results.iter().map(|result| {
                    json!({ "type": "tool_result", "tool_use_id": result.call, "content": result.text, "is_error": result.is_error })
                });
                let texts = texts.iter().filter(|_| at != last);
                let texts = texts.map(|text| json!({ "type": "text", "text": text }));
                let content = results.chain(texts).collect();
                let role = "user";
                Message::User { role, content }
            }
        };
        let line = Line {
            parent: at.checked_sub(1).map(uuid),
            aside: false,
            kind: match message {
                Message::User { .. } => "user",
                Message::Assistant { .. } => "assistant",
            },
            uuid: uuid(at),
            session,
            timestamp: "2026-01-01T00:00:00.000Z",
            message,
        };
        // Made of text and numbers alone: always JSON.
        let _ = serde_json::to_writer(&mut lines, &line);
        lines.push(b'\n');
    }
    lines
}

fn said<'a>(at: usize, model: &'a str, reply: &Reply) -> Message<'a> {
    let content = match serde_json::from_str::<&RawValue>(&reply.raw) {
        Ok(content) => content.to_owned(),
        // Not written by us; its text is the best that is left of it.
        Err(_) => raw(json!([{ "type": "text", "text": reply.text }]).to_string()),
    };
    let tokens = reply.usage.unwrap_or_default();
    Message::Assistant {
        role: "assistant",
        id: format!("msg_{at}"),
        kind: "message",
        model,
        content,
        stop_reason: match reply.calls.is_empty() {
            true => "end_turn",
            false => "tool_use",
        },
        stop_sequence: None,
        usage: json!({ "input_tokens": tokens.input, "output_tokens": tokens.output,
            "cache_read_input_tokens": tokens.cache_read, "cache_creation_input_tokens": tokens.cache_write }),
    }
}

/// The id of a line: its place is all there is to tell it by.
fn uuid(at: usize) -> String {
    format!("00000000-0000-4000-8000-{at:012x}")
}
