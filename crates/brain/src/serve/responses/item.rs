//! The input of a request, item by item.

use serde_json::Value;

/// One item, as far as a rehearsal cares.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item<'a> {
    /// A message of the user.
    User(String),
    /// A message of the platform: instructions, in the API's words.
    Instruction,
    /// A message of the model.
    Said {
        id: &'a str,
    },
    Reasoning {
        id: &'a str,
        sealed: &'a str,
    },
    Call {
        id: &'a str,
        call: &'a str,
        name: &'a str,
        arguments: Option<&'a str>,
    },
    Output {
        call: &'a str,
        text: String,
    },
    /// An item of a kind or role that does not exist.
    Unknown(String),
}

impl Item<'_> {
    /// Whether the model made it.
    pub fn is_of_model(&self) -> bool {
        matches!(
            self,
            Self::Said { .. } | Self::Reasoning { .. } | Self::Call { .. }
        )
    }
}

/// The items of an input, which may also be plain text.
pub(super) fn items(input: &Value) -> Vec<Item<'_>> {
    match input {
        Value::String(text) => vec![Item::User(text.clone())],
        Value::Array(items) => items.iter().map(item).collect(),
        _ => vec![],
    }
}

fn item(value: &Value) -> Item<'_> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "" | "message" => match text("role") {
            "user" => Item::User(joined(&value["content"])),
            "assistant" => Item::Said { id: text("id") },
            "system" | "developer" => Item::Instruction,
            role => Item::Unknown(format!("role `{role}`")),
        },
        "reasoning" => Item::Reasoning {
            id: text("id"),
            sealed: text("encrypted_content"),
        },
        "function_call" => Item::Call {
            id: text("id"),
            call: text("call_id"),
            name: text("name"),
            arguments: value["arguments"].as_str(),
        },
        "function_call_output" => Item::Output {
            call: text("call_id"),
            text: joined(&value["output"]),
        },
        kind => Item::Unknown(format!("type `{kind}`")),
    }
}

/// The texts of a content, one below the other.
fn joined(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
