//! The body of a request: the frozen prefix, then every item of the
//! conversation. The provider's own items go back byte for byte.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use session::Reply;
use session::tool::Tool;

use crate::api::{Want, json};
use crate::model::{Ask, Purpose};
use crate::wire::conversation::{Entry, conversation};
use crate::{ModelError, table};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(flatten)]
    answer: Option<Answer<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    instructions: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Described<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    input: Vec<Input<'a>>,
}

/// What is said of an answer, and not where tokens are only counted.
#[derive(Serialize)]
struct Answer<'a> {
    max_output_tokens: u32,
    stream: bool,
    store: bool,
    prompt_cache_key: &'a str,
    /// Without it the provider would keep its reasoning to itself, and could
    /// not go on from it. Models that do not reason refuse the wish.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    include: &'static [&'static str],
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "function")]
struct Described<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
    strict: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Raw(&'a RawValue),
    Message(Message<'a>),
    Output(Output<'a>),
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "function_call_output")]
struct Output<'a> {
    call_id: &'a str,
    output: Cow<'a, str>,
}

/// The body of the request for this ask.
pub(crate) fn body(ask: &Ask, want: Want) -> Result<Bytes, ModelError> {
    let known = table::look_up(&ask.model);
    let entries = conversation(&ask.items);
    let tool_choice = ask.purpose == Purpose::Compact && !ask.tools.is_empty();
    let body = Body {
        model: &ask.model.name,
        answer: (want == Want::Answer).then(|| Answer {
            max_output_tokens: ask.max_tokens.min(known.max_output),
            stream: true,
            store: false,
            prompt_cache_key: &ask.session,
            include: match known.adaptive {
                true => &["reasoning.encrypted_content"],
                false => &[],
            },
        }),
        instructions: &ask.system,
        tools: ask.tools.iter().map(described).collect(),
        tool_choice: tool_choice.then_some("none"),
        input: entries.iter().flat_map(input).collect(),
    };
    json(&body)
}

fn described(tool: &Tool) -> Described<'_> {
    Described {
        name: tool.name,
        description: tool.description,
        parameters: &tool.schema,
        strict: false,
    }
}

fn input<'a>(entry: &'a Entry<'a>) -> Vec<Input<'a>> {
    match entry {
        Entry::Assistant(reply) => said(reply),
        Entry::User { results, texts } => {
            let outputs = results.iter().map(|outcome| {
                Input::Output(Output {
                    call_id: outcome.call,
                    output: output(&outcome.text, outcome.is_error),
                })
            });
            let texts = texts.iter().map(|text| message("user", text));
            outputs.chain(texts).collect()
        }
    }
}

/// There is no field for a failure: the text has to say it.
fn output(text: &str, is_error: bool) -> Cow<'_, str> {
    match is_error {
        true => Cow::Owned(format!("[failed]\n{text}")),
        false => Cow::Borrowed(text),
    }
}

fn said(reply: &Reply) -> Vec<Input<'_>> {
    match serde_json::from_str::<Vec<&RawValue>>(&reply.raw) {
        Ok(items) => items.into_iter().map(Input::Raw).collect(),
        // Not written by us; its text is the best that is left of it.
        Err(_) => vec![message("assistant", &reply.text)],
    }
}

fn message<'a>(role: &'static str, content: &'a str) -> Input<'a> {
    Input::Message(Message { role, content })
}
