//! One block of an answer, from its beginning and its deltas.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use session::Call;

use crate::wire::raw::{self, RawObject};

/// A block that is being put together.
#[derive(Debug)]
pub(super) struct Block {
    fields: RawObject,
    /// Texts that deltas added, by field.
    texts: BTreeMap<String, String>,
    /// The JSON of the input, as far as it came.
    input: String,
    /// Things that deltas added to a list of the block.
    citations: Vec<Box<RawValue>>,
}

impl Block {
    pub fn new(fields: RawObject) -> Self {
        Self {
            fields,
            texts: BTreeMap::new(),
            input: String::new(),
            citations: Vec::new(),
        }
    }

    pub fn append(&mut self, delta: &RawObject) {
        for (name, value) in delta.fields() {
            let text = serde_json::from_str::<String>(value.get()).ok();
            match (name, text) {
                ("type", _) => {}
                ("partial_json", Some(text)) => self.input.push_str(&text),
                ("citation", _) => self.citations.push(value.to_owned()),
                (name, Some(text)) => {
                    let begin = || self.fields.get(name).unwrap_or_default();
                    let whole = self.texts.entry(name.to_owned()).or_insert_with(begin);
                    whole.push_str(&text);
                }
                (name, None) => self.fields.set(name, value.to_owned()),
            }
        }
    }

    fn kind(&self) -> String {
        self.fields.get("type").unwrap_or_default()
    }

    /// The words of a text block.
    pub fn text(&self) -> Option<String> {
        if self.kind() != "text" {
            return None;
        }
        let added = self.texts.get("text").cloned();
        added.or_else(|| self.fields.get("text"))
    }

    /// The API gives text blocks of nothing but white space now and then, and
    /// refuses to take them back.
    pub fn is_blank_text(&self) -> bool {
        self.kind() == "text" && self.text().unwrap_or_default().trim().is_empty()
    }

    /// The block as it is sent back, and the call it makes.
    pub fn finish(mut self) -> (RawObject, Option<Call>) {
        for (name, text) in std::mem::take(&mut self.texts) {
            self.fields.set(&name, raw::string(&text));
        }
        if !self.citations.is_empty() {
            let list: Option<Vec<Box<RawValue>>> = self.fields.get("citations");
            let list: Vec<_> = list
                .unwrap_or_default()
                .into_iter()
                .chain(std::mem::take(&mut self.citations))
                .collect();
            let json = serde_json::to_string(&list).unwrap_or_default();
            self.fields.set("citations", raw::raw(json));
        }
        let wrong = self.set_input();
        let call = (self.kind() == "tool_use").then(|| Call {
            id: self.fields.get("id").unwrap_or_default(),
            tool: self.fields.get("name").unwrap_or_default(),
            input: self.fields.get("input").unwrap_or_default(),
            unusable: wrong,
        });
        (self.fields, call)
    }

    /// Puts the input that came in pieces in its place. What is no JSON object
    /// cannot be sent back: it becomes an empty one. Returns why, in that case.
    fn set_input(&mut self) -> Option<String> {
        let streamed = !self.input.trim().is_empty();
        if !streamed && self.fields.text("input").is_none() {
            return None;
        }
        let json = match streamed {
            true => std::mem::take(&mut self.input),
            false => self.fields.text("input").unwrap_or("{}").to_owned(),
        };
        let (input, wrong) = match serde_json::from_str::<Value>(&json) {
            Ok(Value::Object(_)) => (json, None),
            Ok(_) => ("{}".to_owned(), Some("they are no object".to_owned())),
            Err(error) => ("{}".to_owned(), Some(error.to_string())),
        };
        self.fields.set("input", raw::raw(input));
        wrong.map(|why| crate::bad_arguments(&why))
    }
}
