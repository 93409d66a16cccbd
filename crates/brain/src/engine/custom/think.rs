//! A program's own questions to models, and our answers made of what it does.

use hyper::StatusCode;
use serde_json::{Value, json};
use session::{Call, Provider, Reply, Stop};

use crate::api::Api;
use crate::door::{Frame, Knock, Told};
use crate::model::{Ask, Deltas};
use crate::{ModelError, Models};

/// What a program is told that asked a model.
pub(super) enum Said {
    Answer { told: Told, reply: Reply },
    No(StatusCode, String),
}

/// Asks the session's model what a program asks it. The program's conversation is
/// its own; the model, the key and the most that may be answered are ours.
pub(super) async fn ask(
    knock: &Knock,
    ask: &Ask,
    models: &Models,
    deltas: &Deltas,
) -> Result<Said, ModelError> {
    let no = |why: &str| Ok(Said::No(StatusCode::BAD_REQUEST, why.to_owned()));
    let api = match knock.path.ends_with("/messages") {
        true => Api::Messages,
        false => Api::Responses,
    };
    let provider = ask.model.provider;
    let Some(remote) = models.behind(api, provider) else {
        return no(&format!(
            "The model of this session is one of {}.",
            provider.name()
        ));
    };
    let (frame, stream) = match Frame::whole(&knock.headers, &knock.body) {
        Ok(read) => read,
        Err(why) => return no(why),
    };
    let mut ask = ask.clone();
    if ask.metered {
        // What was allowed is for all that is asked until the next call.
        let used = deltas.meter().used();
        let left = u64::from(ask.max_tokens).saturating_sub(used.output);
        ask.max_tokens = u32::try_from(left).unwrap_or(u32::MAX);
        if ask.max_tokens < models.min_output(&ask.model) {
            let why = "What this step may cost is used up.".to_owned();
            return Ok(Said::No(StatusCode::TOO_MANY_REQUESTS, why));
        }
    }
    let told = remote.tell(&ask, Some(&frame), deltas).await?;
    if told.reply.is_refused_for_length() {
        return no("The prompt is too long for the model's window.");
    }
    let bytes = told.bytes.clone();
    let reply = told.reply;
    let told = match stream {
        true => Told::Answer(bytes),
        false => Told::Document(StatusCode::OK, Some(document(api, &ask, &reply))),
    };
    Ok(Said::Answer { told, reply })
}

/// An answer as one document, for whoever did not ask for a stream.
fn document(api: Api, ask: &Ask, reply: &Reply) -> Value {
    let content: Value = serde_json::from_str(&reply.raw).unwrap_or_else(|_| json!([]));
    let tokens = reply.usage.unwrap_or_default();
    let id = reply.request_id.as_deref().unwrap_or("0");
    match api {
        Api::Messages => {
            let stop = match reply.stop {
                Stop::ToolUse => "tool_use",
                Stop::MaxTokens => "max_tokens",
                Stop::Pause => "pause_turn",
                Stop::Refusal => "refusal",
                Stop::EndTurn | Stop::ContextFull => "end_turn",
            };
            json!({ "id": format!("msg_{id}"), "type": "message", "role": "assistant",
                "model": ask.model.name, "content": content, "stop_reason": stop, "stop_sequence": null,
                "usage": { "input_tokens": tokens.input, "output_tokens": tokens.output,
                    "cache_read_input_tokens": tokens.cache_read,
                    "cache_creation_input_tokens": tokens.cache_write } })
        }
        Api::Responses => {
            let cut = reply.stop == Stop::MaxTokens;
            let details = json!({ "cached_tokens": tokens.cache_read });
            json!({ "id": format!("resp_{id}"), "object": "response", "model": ask.model.name,
                "status": if cut { "incomplete" } else { "completed" },
                "incomplete_details": cut.then(|| json!({ "reason": "max_output_tokens" })),
                "output": content,
                "usage": { "input_tokens": tokens.context(), "input_tokens_details": details,
                    "output_tokens": tokens.output, "total_tokens": tokens.total() } })
        }
    }
}

/// An answer of ours, in the words of the session's provider: a plain model that
/// is to summarise the session later has to understand it.
pub(super) fn reply(ask: &Ask, text: &str, calls: Vec<Call>) -> Reply {
    let raw = match ask.model.provider {
        Provider::OpenAi => items(text, &calls),
        Provider::Anthropic | Provider::Test => blocks(text, &calls),
    };
    Reply {
        raw: Value::from(raw).to_string().into(),
        text: text.to_owned(),
        stop: match calls.is_empty() {
            true => Stop::EndTurn,
            false => Stop::ToolUse,
        },
        calls,
        usage: None,
        request_id: None,
    }
}

fn blocks(text: &str, calls: &[Call]) -> Vec<Value> {
    let text = (!text.is_empty()).then(|| json!({ "type": "text", "text": text }));
    let calls = calls.iter().map(
        |call| json!({ "type": "tool_use", "id": call.id, "name": call.tool, "input": call.input }),
    );
    text.into_iter().chain(calls).collect()
}

fn items(text: &str, calls: &[Call]) -> Vec<Value> {
    let text = (!text.is_empty()).then(|| {
        let content = json!([{ "type": "output_text", "text": text, "annotations": [] }]);
        json!({ "type": "message", "role": "assistant", "status": "completed", "content": content })
    });
    let calls = calls.iter().map(|call| {
        json!({ "type": "function_call", "call_id": call.id, "name": call.tool,
            "arguments": call.input.to_string() })
    });
    text.into_iter().chain(calls).collect()
}
