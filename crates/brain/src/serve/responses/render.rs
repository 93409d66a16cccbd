//! A played part in the shapes of the Responses API.

use serde_json::{Value, json};
use session::Stop;

use super::check::{REASONED, seal};
use crate::rehearsal::{Part, chunks, stop};
use crate::serve::beat::{Beat, event};

/// A part, and what a response says besides.
#[derive(Debug)]
pub(super) struct Played<'a> {
    pub id: String,
    pub model: &'a str,
    pub part: &'a Part,
    pub reasons: bool,
}

impl Played<'_> {
    fn item_id(&self, kind: &str, at: usize) -> String {
        let end = if self.reasons { REASONED } else { "" };
        let (seq, index) = (self.part.seq, self.part.index);
        format!("{kind}_{seq}_{index}_{at}{end}")
    }

    fn reasoning(&self) -> Value {
        let id = format!("rs_{}_{}", self.part.seq, self.part.index);
        let summary = format!("Line {} of the script is next.", self.part.index);
        let summary = json!([{ "type": "summary_text", "text": summary }]);
        json!({ "type": "reasoning", "id": id, "summary": summary, "encrypted_content": seal(&id) })
    }

    fn message(&self) -> Option<Value> {
        let text = self.part.line.say.as_deref().unwrap_or_default();
        let refused = stop(&self.part.line) == Stop::Refusal;
        let part = match (refused, text) {
            (true, text) => json!({ "type": "refusal", "refusal": text }),
            (false, "") => return None,
            (false, text) => json!({ "type": "output_text", "text": text, "annotations": [] }),
        };
        let status = self.status(true);
        Some(
            json!({ "type": "message", "id": self.item_id("msg", 0), "role": "assistant",
            "status": status, "content": [part] }),
        )
    }

    fn calls(&self) -> Vec<Value> {
        let calls = &self.part.line.call;
        let call = |(at, wish): (usize, &crate::rehearsal::Wish)| {
            let whole = wish.args.to_string();
            let cut = self.cut() && at + 1 == calls.len();
            let end = match cut {
                true => whole.floor_char_boundary(whole.len() / 2),
                false => whole.len(),
            };
            json!({ "type": "function_call", "id": self.item_id("fc", at), "call_id": self.part.call_id(at),
                "name": wish.tool, "arguments": whole[..end], "status": self.status(!cut) })
        };
        calls.iter().enumerate().map(call).collect()
    }

    fn cut(&self) -> bool {
        stop(&self.part.line) == Stop::MaxTokens
    }

    fn status(&self, whole: bool) -> &'static str {
        if whole { "completed" } else { "incomplete" }
    }

    fn items(&self) -> Vec<Value> {
        let reasoning = self.reasons.then(|| self.reasoning());
        let all = reasoning.into_iter().chain(self.message());
        all.chain(self.calls()).collect()
    }

    fn response(&self, output: Vec<Value>, done: bool) -> Value {
        let spent = self.part.line.tokens;
        let input = spent.context();
        let details =
            json!({ "cached_tokens": spent.cache_read, "cache_write_tokens": spent.cache_write });
        let usage = json!({ "input_tokens": input, "input_tokens_details": details,
            "output_tokens": spent.output, "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": input.saturating_add(spent.output) });
        let status = if done {
            self.status(!self.cut())
        } else {
            "in_progress"
        };
        let cut = json!({ "reason": "max_output_tokens" });
        json!({ "id": self.id, "object": "response", "created_at": 0, "model": self.model, "status": status,
            "error": null, "incomplete_details": if done && self.cut() { cut } else { Value::Null },
            "output": output, "parallel_tool_calls": true, "tools": [], "usage": if done { usage } else { Value::Null } })
    }

    /// The answer as one document.
    pub fn document(&self) -> Value {
        self.response(self.items(), true)
    }

    /// The answer as a stream.
    pub fn events(&self) -> Vec<Beat> {
        let mut stream = Stream::default();
        let begun = self.response(vec![], false);
        stream.put(json!({ "type": "response.created", "response": begun }));
        stream.put(json!({ "type": "response.in_progress", "response": begun }));
        let items = self.items();
        for (at, item) in items.iter().enumerate() {
            stream.put(json!({ "type": "response.output_item.added", "output_index": at, "item": begin(item) }));
            self.pieces(&mut stream, at, item);
            stream.put(
                json!({ "type": "response.output_item.done", "output_index": at, "item": item }),
            );
        }
        let kind = format!("response.{}", self.status(!self.cut()));
        stream.put(json!({ "type": kind, "response": self.response(items, true) }));
        stream.beats
    }

    fn pieces(&self, stream: &mut Stream, at: usize, item: &Value) {
        let id = &item["id"];
        match item["type"].as_str() {
            Some("reasoning") => {
                let text = &item["summary"][0]["text"];
                stream.put(
                    json!({ "type": "response.reasoning_summary_text.delta", "item_id": id,
                    "output_index": at, "summary_index": 0, "delta": text }),
                );
            }
            Some("function_call") => {
                let arguments = &item["arguments"];
                stream.put(
                    json!({ "type": "response.function_call_arguments.delta", "item_id": id,
                    "output_index": at, "delta": arguments }),
                );
                stream.put(
                    json!({ "type": "response.function_call_arguments.done", "item_id": id,
                    "output_index": at, "arguments": arguments }),
                );
            }
            _ => self.text(stream, at, item),
        }
    }

    fn text(&self, stream: &mut Stream, at: usize, item: &Value) {
        let (id, part) = (&item["id"], &item["content"][0]);
        let kind = part["type"].as_str().unwrap_or_default();
        let place = |kind: &str| json!({ "type": format!("response.{kind}"), "item_id": id, "output_index": at, "content_index": 0 });
        let mut added = place("content_part.added");
        added["part"] = match kind {
            "refusal" => json!({ "type": kind, "refusal": "" }),
            _ => json!({ "type": kind, "text": "", "annotations": [] }),
        };
        stream.put(added);
        for (number, chunk) in chunks(&self.part.line).into_iter().enumerate() {
            let mut delta = place(&format!("{kind}.delta"));
            delta["delta"] = chunk.into();
            stream.put(delta);
            if let Some(beat) = stream.beats.last_mut() {
                beat.chunk = true;
                beat.wait_ms = self.part.line.chunk_ms.filter(|_| number > 0).unwrap_or(0);
            }
        }
        let mut done = place(&format!("{kind}.done"));
        let whole = self.part.line.say.clone().unwrap_or_default();
        done[if kind == "refusal" { "refusal" } else { "text" }] = whole.into();
        stream.put(done);
        let mut done = place("content_part.done");
        done["part"] = part.clone();
        stream.put(done);
    }
}

/// An item as it looks before anything of it was said.
fn begin(item: &Value) -> Value {
    let mut item = item.clone();
    for (field, empty) in [
        ("content", json!([])),
        ("summary", json!([])),
        ("arguments", json!("")),
        ("status", json!("in_progress")),
    ] {
        if item.get(field).is_some() {
            item[field] = empty;
        }
    }
    item
}

/// Events, numbered.
#[derive(Default)]
struct Stream {
    beats: Vec<Beat>,
}

impl Stream {
    fn put(&mut self, mut data: Value) {
        data["sequence_number"] = self.beats.len().into();
        self.beats.push(event(&data));
    }
}
