//! One answer out of the events of its stream. Only finished items count; what
//! was begun and never finished is not part of the answer.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use session::{Call, Reply, Stop, Tokens};

use super::item::Item;
use crate::model::{Delta, Deltas, tell};
use crate::wire::fault::Fault;
use crate::wire::raw::RawObject;
use crate::{CUT_CALL, ErrorKind, ModelError};

/// An answer that is being put together.
#[derive(Debug)]
pub(crate) struct Assembly<'a> {
    deltas: &'a Deltas,
    items: Vec<Item>,
    end: Option<Response>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(default)]
    response: Option<Response>,
    #[serde(default)]
    error: Option<Value>,
}

/// The state of the whole, as the last event tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response {
    error: Option<Value>,
    incomplete_details: Option<Incomplete>,
    usage: Option<Usage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    input_tokens_details: Cached,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cached {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

impl<'a> Assembly<'a> {
    pub fn new(deltas: &'a Deltas) -> Self {
        Self {
            deltas,
            items: Vec::new(),
            end: None,
        }
    }

    /// Takes in one event; true when the answer is complete.
    pub fn take(&mut self, data: &str) -> Result<bool, ModelError> {
        let event: Event<'_> = read(data)?;
        match event.kind.as_str() {
            "response.output_item.added" => {
                let raw = event.item.map_or("", RawValue::get);
                self.begin(raw.len(), &read(raw).unwrap_or_default());
            }
            "response.output_item.done" => {
                let fields: RawObject = read(event.item.map_or("", RawValue::get))?;
                self.items.push(Item::new(fields));
            }
            "response.completed" | "response.incomplete" => {
                self.end = Some(event.response.unwrap_or_default());
                return Ok(true);
            }
            "response.failed" => {
                let fault = event.response.and_then(|response| response.error);
                return Err(Fault::from(&fault.unwrap_or_default()).in_stream());
            }
            "error" => {
                // The fields stand in the event itself, or one level deeper.
                let flat = || serde_json::from_str(data).unwrap_or_default();
                return Err(Fault::from(&event.error.unwrap_or_else(flat)).in_stream());
            }
            kind => self.pass_on(kind, event.delta),
        }
        Ok(false)
    }

    /// Counts the beginning of an item.
    fn begin(&self, bytes: usize, item: &RawObject) {
        let thought = item.get::<String>("type").as_deref() == Some("reasoning");
        self.deltas.meter().begins(bytes, thought);
    }

    fn pass_on(&self, kind: &str, delta: Option<&RawValue>) {
        let told = match kind {
            "response.output_text.delta" | "response.refusal.delta" => Delta::Text,
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                Delta::Thinking
            }
            "response.function_call_arguments.delta" => Delta::ToolInput,
            _ => return,
        };
        let text = delta.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            tell(self.deltas, told(text));
        }
    }

    /// The answer.
    pub fn finish(self) -> Result<Reply, ModelError> {
        let end = self.end.unwrap_or_default();
        let mut items = self.items;
        let reason = end.incomplete_details.and_then(|details| details.reason);
        let stop = stop(reason.as_deref(), &items)?;
        // Reasoning is refused when it comes back without what it led to.
        while items.last().is_some_and(|item| item.kind == "reasoning") {
            items.pop();
        }
        let mut calls: Vec<Call> = Vec::new();
        let last = items.len().checked_sub(1);
        for (at, item) in items.iter_mut().enumerate() {
            let Some(mut call) = item.call.take() else {
                continue;
            };
            let known = calls.iter().any(|other| other.id == call.id);
            if call.id.is_empty() || call.tool.is_empty() || known {
                return Err(garbled("a call without an id of its own or a name"));
            }
            if stop == Stop::MaxTokens && Some(at) == last {
                call.unusable = Some(CUT_CALL.to_owned());
            }
            calls.push(call);
        }
        let raw: Vec<_> = items.iter().map(|item| &item.fields).collect();
        let raw = serde_json::to_string(&raw).map_err(|_| garbled("an item that is no JSON"))?;
        Ok(Reply {
            raw: raw.into(),
            text: items.iter().map(|item| item.text.as_str()).collect(),
            calls,
            stop,
            usage: end.usage.map(tokens),
            request_id: None,
        })
    }
}

fn stop(incomplete: Option<&str>, items: &[Item]) -> Result<Stop, ModelError> {
    Ok(match incomplete {
        Some("content_filter") => Stop::Refusal,
        Some("max_output_tokens") => Stop::MaxTokens,
        Some("max_prompt_tokens") => Stop::ContextFull,
        Some(other) => {
            let words = format!("The answer is incomplete, for the reason `{other}`.");
            return Err(ModelError::new(ErrorKind::Broken, words));
        }
        None if items.iter().any(|item| item.call.is_some()) => Stop::ToolUse,
        None if items.iter().any(|item| item.refused) => Stop::Refusal,
        None => Stop::EndTurn,
    })
}

/// The provider counts what went through its cache among the input.
fn tokens(usage: Usage) -> Tokens {
    let details = usage.input_tokens_details;
    let read = details.cached_tokens.min(usage.input_tokens);
    let fresh = usage.input_tokens - read;
    let written = details.cache_write_tokens.min(fresh);
    Tokens {
        input: fresh - written,
        output: usage.output_tokens,
        cache_write: written,
        cache_read: read,
        ..Tokens::default()
    }
}

fn read<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T, ModelError> {
    serde_json::from_str(json).map_err(|error| garbled(&format!("no event ({error})")))
}

fn garbled(what: &str) -> ModelError {
    ModelError::broken(format!("The answer cannot be read: it holds {what}."))
}

#[cfg(test)]
mod tests;
