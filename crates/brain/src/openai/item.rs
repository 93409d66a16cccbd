//! One finished item of an answer: what it says, and what it calls.

use serde::Deserialize;
use serde_json::Value;
use session::Call;

use crate::wire::raw::{self, RawObject};

/// A part of a message.
#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    refusal: String,
}

/// An item as it is sent back, and what it means.
#[derive(Debug)]
pub(super) struct Item {
    pub fields: RawObject,
    pub kind: String,
    pub text: String,
    pub refused: bool,
    pub call: Option<Call>,
}

impl Item {
    /// Reads a finished item.
    pub fn new(fields: RawObject) -> Self {
        let kind: String = fields.get("type").unwrap_or_default();
        let mut item = Self {
            fields,
            kind,
            text: String::new(),
            refused: false,
            call: None,
        };
        match item.kind.as_str() {
            "message" => item.read_message(),
            "function_call" => item.call = Some(item.read_call()),
            _ => {}
        }
        item
    }

    fn read_message(&mut self) {
        let parts: Vec<Part> = self.fields.get("content").unwrap_or_default();
        for part in parts {
            self.refused |= part.kind == "refusal";
            self.text.push_str(&part.text);
            self.text.push_str(&part.refusal);
        }
    }

    /// Arguments that are no JSON object become an empty one, so that the item
    /// can be sent back; the call then says why it must not run.
    fn read_call(&mut self) -> Call {
        let text: String = self.fields.get("arguments").unwrap_or_default();
        let text = match text.trim() {
            "" => "{}",
            text => text,
        };
        let (input, wrong) = match serde_json::from_str::<Value>(text) {
            Ok(input @ Value::Object(_)) => (input, None),
            Ok(_) => (Value::Null, Some("they are no object".to_owned())),
            Err(error) => (Value::Null, Some(error.to_string())),
        };
        if wrong.is_some() {
            self.fields.set("arguments", raw::string("{}"));
        }
        let unusable = wrong.map(|why| crate::bad_arguments(&why));
        Call {
            id: self.fields.get("call_id").unwrap_or_default(),
            tool: self.fields.get("name").unwrap_or_default(),
            input: match unusable {
                Some(_) => Value::Object(serde_json::Map::new()),
                None => input,
            },
            unusable,
        }
    }
}
