//! The content of a message, block by block.

use serde_json::Value;

/// One block, as far as a rehearsal cares.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block<'a> {
    Text(&'a str),
    Thinking {
        text: &'a str,
        signature: &'a str,
    },
    Redacted(&'a str),
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a Value,
    },
    ToolResult {
        id: &'a str,
        text: String,
        is_error: bool,
    },
    /// Images, documents, and what servers of tools make.
    Other(&'a str),
}

/// The blocks of a content, which may also be plain text.
pub(super) fn blocks(content: &Value) -> Vec<Block<'_>> {
    match content {
        Value::String(text) => vec![Block::Text(text)],
        Value::Array(blocks) => blocks.iter().map(block).collect(),
        _ => vec![],
    }
}

fn block(value: &Value) -> Block<'_> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "text" => Block::Text(text("text")),
        "thinking" => Block::Thinking {
            text: text("thinking"),
            signature: text("signature"),
        },
        "redacted_thinking" => Block::Redacted(text("data")),
        "tool_use" => Block::ToolUse {
            id: text("id"),
            name: text("name"),
            input: &value["input"],
        },
        "tool_result" => Block::ToolResult {
            id: text("tool_use_id"),
            text: joined(&value["content"]),
            is_error: value["is_error"].as_bool().unwrap_or(false),
        },
        other => Block::Other(other),
    }
}

fn joined(content: &Value) -> String {
    let texts = blocks(content).into_iter().filter_map(|block| match block {
        Block::Text(text) => Some(text.to_owned()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
