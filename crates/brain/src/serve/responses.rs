//! `POST /v1/responses`: a request of the OpenAI API, checked and played.

mod check;
mod item;
mod render;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::seal::Seal;
use super::{Asked, Fault, Rehearsals, beat, document, is_users};
use crate::rehearsal::{Scene, Seen};
use item::Item;

/// A request, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct Body {
    model: Option<String>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    include: Vec<String>,
    max_output_tokens: Option<i64>,
    prompt_cache_key: Option<String>,
}

impl Body {
    /// Whether reasoning is to be handed out, so that it can come back.
    fn reasons(&self) -> bool {
        let wanted = "reasoning.encrypted_content";
        self.include.iter().any(|word| word == wanted)
    }
}

pub(super) async fn answer(rehearsals: &Rehearsals, asked: Asked) -> Result<Response, Fault> {
    check::headers(&asked.headers)?;
    let body = read(&asked)?;
    let items = item::items(&body.input);
    check::body(&body, &items)?;
    let name = body.model.as_deref().unwrap_or_default();
    let most = body
        .max_output_tokens
        .map(|most| u64::try_from(most).unwrap_or(0));
    let part = asked.part(name, scene(&items))?;
    let part = part.within(most.unwrap_or(u64::MAX));
    let ending = rehearsals.begin(&session(&body), &part).await?;
    let whole = crate::rehearsal::tokens(part.line.tokens);
    asked.watch.begins(whole, body.reasons() || !body.stream);
    let response = render::Played {
        id: asked.watch.request_id().replace("req", "resp"),
        model: name,
        part: &part,
        reasons: body.reasons(),
    };
    Ok(match body.stream {
        true => beat::respond(response.events(), ending, asked.watch).await,
        false => document(response.document(), ending, asked.watch).await,
    })
}

/// `POST /v1/responses/input_tokens`: what the answer will report as its input.
pub(super) fn count(asked: &Asked) -> Result<Response, Fault> {
    check::headers(&asked.headers)?;
    let body = read(asked)?;
    if body.max_output_tokens.is_some() || body.stream {
        return Err(Fault::bad("Unknown parameter: 'max_output_tokens'."));
    }
    let items = item::items(&body.input);
    check::body(&body, &items)?;
    let name = body.model.as_deref().unwrap_or_default();
    let tokens = asked.part(name, scene(&items))?.line.tokens.context();
    let answer = json!({ "object": "response.input_tokens", "input_tokens": tokens });
    Ok(Json(answer).into_response())
}

fn read(asked: &Asked) -> Result<Body, Fault> {
    serde_json::from_slice(&asked.body)
        .map_err(|error| Fault::bad(format!("The request body is not valid JSON: {error}")))
}

/// The conversation. One answer of the model may be several items: a run of
/// them counts once.
fn scene<'a>(items: &[Item<'a>]) -> Scene<'a> {
    let mut seen = Vec::new();
    let mut answering = false;
    for (at, item) in items.iter().enumerate() {
        let of_model = item.is_of_model();
        if of_model && !answering {
            seen.push(Seen::Said { calls: false });
        }
        answering = of_model;
        match item {
            Item::User(text) if is_users(text) => seen.push(Seen::User {
                seq: at as u64 + 1,
                text: text.clone().into(),
            }),
            Item::Call { .. } => {
                if let Some(Seen::Said { calls }) = seen.last_mut() {
                    *calls = true;
                }
            }
            Item::Output { text, .. } => seen.push(Seen::Result {
                is_error: text.starts_with("[failed]"),
                text: text.clone().into(),
            }),
            _ => {}
        }
    }
    Scene(seen)
}

/// What tells one conversation from another, for the counts of failures.
fn session(body: &Body) -> String {
    if let Some(key) = &body.prompt_cache_key {
        return key.clone();
    }
    let mut seal = Seal::default();
    seal.take(body.input.get(0).unwrap_or(&body.input));
    seal.sign("")
}
