//! A played part in the shapes of the Messages API.

use serde_json::{Value, json};
use session::Stop;

use super::Thought;
use crate::rehearsal::{Part, chunks, stop};
use crate::serve::beat::{Beat, event};

/// A part, and what a message says besides.
#[derive(Debug)]
pub(super) struct Played<'a> {
    pub id: String,
    pub model: &'a str,
    pub part: &'a Part,
    pub thought: Option<Thought>,
}

impl Played<'_> {
    fn reason(&self) -> &'static str {
        match stop(&self.part.line) {
            Stop::ToolUse => "tool_use",
            Stop::MaxTokens => "max_tokens",
            Stop::Refusal => "refusal",
            Stop::EndTurn | Stop::Pause | Stop::ContextFull => "end_turn",
        }
    }

    fn usage(&self, output: u64) -> Value {
        let spent = self.part.line.tokens;
        json!({ "input_tokens": spent.input, "output_tokens": output,
            "cache_read_input_tokens": spent.cache_read, "cache_creation_input_tokens": spent.cache_write })
    }

    fn message(&self, content: Value, reason: Option<&str>, output: u64) -> Value {
        json!({ "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": reason, "stop_sequence": null, "usage": self.usage(output) })
    }

    /// The answer as one document.
    pub fn document(&self) -> Value {
        let mut content = Vec::new();
        if let Some(thought) = &self.thought {
            content.push(json!({ "type": "thinking", "thinking": thought.text, "signature": thought.signature }));
            if let Some(data) = &thought.redacted {
                content.push(json!({ "type": "redacted_thinking", "data": data }));
            }
        }
        let line = &self.part.line;
        if let Some(text) = line.say.as_ref().filter(|text| !text.is_empty()) {
            content.push(json!({ "type": "text", "text": text }));
        }
        for (at, wish) in line.call.iter().enumerate() {
            content.push(json!({ "type": "tool_use", "id": self.part.call_id(at), "name": wish.tool, "input": wish.args }));
        }
        self.message(content.into(), Some(self.reason()), line.tokens.output)
    }

    /// The answer as a stream.
    pub fn events(&self) -> Vec<Beat> {
        let mut stream = Stream::default();
        let start = self.message(json!([]), None, 1);
        stream.put(json!({ "type": "message_start", "message": start }));
        stream.put(json!({ "type": "ping" }));
        if let Some(thought) = &self.thought {
            stream.thought(thought);
        }
        self.text(&mut stream);
        self.calls(&mut stream);
        let end = json!({ "stop_reason": self.reason(), "stop_sequence": null });
        let usage = self.usage(self.part.line.tokens.output);
        stream.put(json!({ "type": "message_delta", "delta": end, "usage": usage }));
        stream.put(json!({ "type": "message_stop" }));
        stream.beats
    }

    fn text(&self, stream: &mut Stream) {
        let chunks = chunks(&self.part.line);
        if chunks.is_empty() {
            return;
        }
        stream.begin(json!({ "type": "text", "text": "" }));
        for (at, chunk) in chunks.into_iter().enumerate() {
            stream.delta(json!({ "type": "text_delta", "text": chunk }));
            if let Some(beat) = stream.beats.last_mut() {
                beat.chunk = true;
                beat.wait_ms = self.part.line.chunk_ms.filter(|_| at > 0).unwrap_or(0);
            }
        }
        stream.end();
    }

    fn calls(&self, stream: &mut Stream) {
        let calls = &self.part.line.call;
        for (at, wish) in calls.iter().enumerate() {
            let id = self.part.call_id(at);
            stream.begin(json!({ "type": "tool_use", "id": id, "name": wish.tool, "input": {} }));
            let json = wish.args.to_string();
            let middle = json.floor_char_boundary(json.len() / 2);
            stream.delta(json!({ "type": "input_json_delta", "partial_json": "" }));
            stream.delta(json!({ "type": "input_json_delta", "partial_json": json[..middle] }));
            // An answer that is cut is cut inside its last call.
            let cut = at + 1 == calls.len() && self.reason() == "max_tokens";
            if !cut {
                stream.delta(json!({ "type": "input_json_delta", "partial_json": json[middle..] }));
            }
            stream.end();
        }
    }
}

/// Events, and the number of the block they belong to.
#[derive(Default)]
struct Stream {
    beats: Vec<Beat>,
    index: u64,
}

impl Stream {
    fn put(&mut self, data: Value) {
        self.beats.push(event(&data));
    }

    fn begin(&mut self, block: Value) {
        self.put(
            json!({ "type": "content_block_start", "index": self.index, "content_block": block }),
        );
    }

    fn delta(&mut self, delta: Value) {
        self.put(json!({ "type": "content_block_delta", "index": self.index, "delta": delta }));
    }

    fn end(&mut self) {
        self.put(json!({ "type": "content_block_stop", "index": self.index }));
        self.index += 1;
    }

    fn thought(&mut self, thought: &Thought) {
        self.begin(json!({ "type": "thinking", "thinking": "", "signature": "" }));
        if !thought.text.is_empty() {
            self.delta(json!({ "type": "thinking_delta", "thinking": thought.text }));
        }
        self.delta(json!({ "type": "signature_delta", "signature": thought.signature }));
        self.end();
        if let Some(data) = &thought.redacted {
            self.begin(json!({ "type": "redacted_thinking", "data": data }));
            self.end();
        }
    }
}
