//! `POST /v1/responses`: a request of the OpenAI API, checked and played.

mod check;
mod item;
mod render;

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::seal::Seal;
use super::{Asked, Fault, Rehearsals, beat, document, is_users, model};
use crate::rehearsal::{Scene, Seen, part};
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
    let body: Body = serde_json::from_slice(&asked.body)
        .map_err(|error| Fault::bad(format!("The request body is not valid JSON: {error}")))?;
    let items = item::items(&body.input);
    check::body(&body, &items)?;
    let scene = scene(&items);
    let name = body.model.as_deref().unwrap_or_default();
    let part = part(model(name), &scene)?;
    let ending = rehearsals.begin(&session(&body), &part).await?;
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
