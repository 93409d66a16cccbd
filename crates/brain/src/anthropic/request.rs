//! The body of a request: the frozen prefix, then the conversation. What the
//! model said goes back byte for byte, since its signed thinking is bound to
//! everything before it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use session::Reply;
use session::tool::Tool;

use crate::api::{Want, json};
use crate::model::{Ask, Purpose};
use crate::wire::conversation::{Entry, Outcome, conversation};
use crate::{ModelError, table};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(flatten)]
    answer: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Described<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Text<'a>>,
    messages: Vec<Message<'a>>,
}

/// What is said of an answer, and not where tokens are only counted.
#[derive(Serialize)]
struct Answer {
    max_tokens: u32,
    stream: bool,
    /// Moves along with the conversation; the mark on `system` stays.
    cache_control: Ephemeral,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "ephemeral")]
struct Ephemeral {}

#[derive(Serialize)]
#[serde(tag = "type", rename = "adaptive")]
struct Thinking {
    display: &'static str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "none")]
struct Choice {}

#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a Value,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "text")]
struct Text<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Ephemeral>,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message<'a> {
    User { content: Vec<Block<'a>> },
    Assistant { content: Content<'a> },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Raw(&'a RawValue),
    Text(&'a str),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    ToolResult {
        tool_use_id: &'a str,
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
    Text {
        text: &'a str,
    },
}

/// The body of the request for this ask.
pub(crate) fn body(ask: &Ask, want: Want) -> Result<Bytes, ModelError> {
    let known = table::look_up(&ask.model);
    let entries = conversation(&ask.items);
    let system = Text {
        text: &ask.system,
        cache_control: Some(Ephemeral {}),
    };
    let thinking = Thinking {
        display: "summarized",
    };
    let body = Body {
        model: &ask.model.name,
        answer: (want == Want::Answer).then(|| Answer {
            max_tokens: ask.max_tokens.min(known.max_output).max(1),
            stream: true,
            cache_control: Ephemeral {},
        }),
        thinking: known.adaptive.then_some(thinking),
        tools: ask.tools.iter().map(described).collect(),
        tool_choice: (ask.purpose == Purpose::Compact && !ask.tools.is_empty())
            .then_some(Choice {}),
        system: match ask.system.trim().is_empty() {
            true => vec![],
            false => vec![system],
        },
        messages: entries.iter().map(message).collect(),
    };
    json(&body)
}

fn described(tool: &Tool) -> Described<'_> {
    Described {
        name: tool.name,
        description: tool.description,
        input_schema: &tool.schema,
    }
}

fn message<'a>(entry: &'a Entry<'a>) -> Message<'a> {
    match entry {
        Entry::Assistant(reply) => Message::Assistant {
            content: content(reply),
        },
        Entry::User { results, texts } => {
            let texts = texts.iter().map(|text| Block::Text { text });
            Message::User {
                content: results.iter().map(result).chain(texts).collect(),
            }
        }
    }
}

fn content(reply: &Reply) -> Content<'_> {
    match serde_json::from_str(&reply.raw) {
        Ok(raw) => Content::Raw(raw),
        // Not written by us; its text is the best that is left of it.
        Err(_) => Content::Text(&reply.text),
    }
}

fn result<'a>(outcome: &'a Outcome<'a>) -> Block<'a> {
    Block::ToolResult {
        tool_use_id: outcome.call,
        content: &outcome.text,
        is_error: outcome.is_error,
    }
}
