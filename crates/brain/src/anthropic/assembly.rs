//! One answer out of the events of its stream.
//!
//! Blocks are put together generically: a delta's text is appended to the field
//! of the same name, whatever kind of block it belongs to. So kinds of blocks
//! that are not known here come through whole, too.

mod block;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use session::{Call, Reply, Stop, Tokens};

use crate::model::{Delta, Deltas, tell};
use crate::wire::fault::Fault;
use crate::wire::raw::RawObject;
use crate::{CUT_CALL, ModelError};
use block::Block;

/// An answer that is being put together.
#[derive(Debug)]
pub(crate) struct Assembly<'a> {
    deltas: &'a Deltas,
    blocks: BTreeMap<u64, Block>,
    stop: Option<String>,
    usage: Option<Usage>,
}

/// Counts so far: each event that has some replaces those before.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct End {
    stop_reason: Option<String>,
}

impl<'a> Assembly<'a> {
    pub fn new(deltas: &'a Deltas) -> Self {
        Self {
            deltas,
            blocks: BTreeMap::new(),
            stop: None,
            usage: None,
        }
    }

    /// Takes in one event; true when the answer is complete.
    pub fn take(&mut self, data: &str) -> Result<bool, ModelError> {
        let event: Event<'_> = read(data)?;
        match event.kind.as_str() {
            "message_start" => {
                self.count(event.message.and_then(|message| message.usage));
                if let Some(usage) = self.usage {
                    self.deltas.meter().input(tokens(usage));
                }
            }
            "content_block_start" => {
                let start: RawObject = read(event.content_block.map_or("", RawValue::get))?;
                self.begin(event.content_block.map_or(0, |raw| raw.get().len()), &start);
                self.blocks.insert(event.index, Block::new(start));
            }
            "content_block_delta" => {
                let delta: RawObject = read(event.delta.map_or("", RawValue::get))?;
                self.append(event.index, &delta)?;
            }
            "message_delta" => {
                let end: End = read(event.delta.map_or("", RawValue::get))?;
                self.stop = end.stop_reason.or(self.stop.take());
                self.count(event.usage);
            }
            "message_stop" => return Ok(true),
            "error" => return Err(Fault::from(&event.error.unwrap_or_default()).in_stream()),
            // Pings, ends of blocks, and kinds that are yet to be invented.
            _ => {}
        }
        Ok(false)
    }

    /// Counts the beginning of a block.
    fn begin(&self, bytes: usize, start: &RawObject) {
        let kind = start.get::<String>("type").unwrap_or_default();
        let thought = kind.ends_with("thinking");
        self.deltas.meter().begins(bytes, thought);
    }

    fn append(&mut self, index: u64, delta: &RawObject) -> Result<(), ModelError> {
        let block = self.blocks.get_mut(&index);
        let block = block.ok_or_else(|| garbled("a piece of a block that never began"))?;
        block.append(delta);
        for (field, told) in [
            ("text", Delta::Text as fn(String) -> Delta),
            ("thinking", Delta::Thinking),
            ("partial_json", Delta::ToolInput),
        ] {
            if let Some(text) = delta.get::<String>(field).filter(|text| !text.is_empty()) {
                tell(self.deltas, told(text));
            }
        }
        Ok(())
    }

    fn count(&mut self, usage: Option<Usage>) {
        let Some(new) = usage else { return };
        let old = self.usage.unwrap_or_default();
        self.usage = Some(Usage {
            input_tokens: new.input_tokens.or(old.input_tokens),
            output_tokens: new.output_tokens.or(old.output_tokens),
            cache_creation_input_tokens: new
                .cache_creation_input_tokens
                .or(old.cache_creation_input_tokens),
            cache_read_input_tokens: new.cache_read_input_tokens.or(old.cache_read_input_tokens),
        });
    }

    /// The answer.
    pub fn finish(self) -> Result<Reply, ModelError> {
        let stop = stop(self.stop.as_deref());
        let cut = matches!(stop, Stop::MaxTokens | Stop::ContextFull);
        let last = self.blocks.keys().next_back().copied();
        let (mut raw, mut text, mut calls) = (Vec::new(), String::new(), Vec::new());
        for (index, block) in self.blocks {
            if block.is_blank_text() {
                continue;
            }
            if let Some(words) = block.text() {
                text.push_str(&words);
            }
            let (finished, call) = block.finish();
            if let Some(mut call) = call {
                usable(&mut call, &calls, cut && last == Some(index))?;
                calls.push(call);
            }
            let json = serde_json::to_string(&finished);
            raw.push(json.map_err(|_| garbled("a block that is no JSON"))?);
        }
        Ok(Reply {
            raw: format!("[{}]", raw.join(",")).into(),
            text,
            calls,
            stop,
            usage: self.usage.map(tokens),
            request_id: None,
        })
    }
}

/// Checks a call's names, and marks it if the answer was cut inside it.
fn usable(call: &mut Call, before: &[Call], cut: bool) -> Result<(), ModelError> {
    if call.id.is_empty() || call.tool.is_empty() {
        return Err(garbled("a call without an id or a name"));
    }
    if before.iter().any(|other| other.id == call.id) {
        return Err(garbled("two calls of one id"));
    }
    if cut {
        call.unusable = Some(CUT_CALL.to_owned());
    }
    Ok(())
}

fn tokens(usage: Usage) -> Tokens {
    Tokens {
        input: usage.input_tokens.unwrap_or(0),
        output: usage.output_tokens.unwrap_or(0),
        cache_write: usage.cache_creation_input_tokens.unwrap_or(0),
        cache_read: usage.cache_read_input_tokens.unwrap_or(0),
        ..Tokens::default()
    }
}

fn stop(reason: Option<&str>) -> Stop {
    match reason {
        Some("end_turn" | "stop_sequence") => Stop::EndTurn,
        Some("tool_use") => Stop::ToolUse,
        Some("max_tokens") => Stop::MaxTokens,
        Some("pause_turn") => Stop::Pause,
        Some("refusal") => Stop::Refusal,
        Some("model_context_window_exceeded") => Stop::ContextFull,
        other => {
            tracing::warn!(reason = other, "unknown stop reason, taken as the end");
            Stop::EndTurn
        }
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
