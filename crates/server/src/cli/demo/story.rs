//! What the demo does with the server: an agent, a session, its events as they
//! happen, the result.

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::agent;
use crate::cli::api::Ask;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::session::{follow_turn, path, wait_turn};

const NAME: &str = "quickstart";
const PROMPT: &str = "You are a careful programmer. Do what you are asked in /workspace, run what you write, and report the output you really got.";
const INPUT: &str = "Write a script that prints the first 20 primes and run it.";

/// The model to use, and why.
pub(super) struct Choice {
    name: &'static str,
    why: &'static str,
}

/// What happened.
pub(super) struct Told {
    /// The agent's id.
    pub agent: String,
    /// The session's id.
    pub session: String,
    /// The result's text.
    pub result: String,
}

/// A real model where there is a key for one, else the rehearsal model.
pub(super) fn model(anthropic_key: Option<&str>) -> Choice {
    match anthropic_key {
        Some(key) if !key.is_empty() => Choice {
            name: "anthropic/claude-opus-5-5",
            why: "ANTHROPIC_API_KEY is set",
        },
        _ => Choice {
            name: "test/demo",
            why: "no ANTHROPIC_API_KEY is set: a rehearsal model plays its part, in a real sandbox",
        },
    }
}

/// Lets the agent do its work while we watch.
pub(super) async fn tell(context: &Context, model: Choice) -> Result<Told, CliError> {
    let paint = context.out.paint;
    let agent = define(context, model.name).await?;
    say(
        context,
        &format!(
            "{}  {NAME} ({agent}), model {} ({})",
            paint.bold("Agent  "),
            model.name,
            model.why
        ),
    )?;
    let body = json!({ "agent": agent, "input": INPUT });
    let started = context
        .ask("starting the session", Ask::post("/v3/sessions").body(body))
        .await?;
    let session = started.value["session"]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    say(
        context,
        &format!(
            "{}  {session}, its events as they happen:\n",
            paint.bold("Session")
        ),
    )?;
    match watch(context, &session).await {
        // The result says what it came to.
        Ok(()) | Err(CliError::Turn(_)) => {}
        Err(error) => return Err(error),
    }
    let result = context
        .ask("reading the result", Ask::get(path(&session, "/result")))
        .await?;
    let text = finished(&result.value)?;
    Ok(Told {
        agent,
        session,
        result: text,
    })
}

/// The agent, made or brought to this model: an earlier demo may have had
/// another one.
async fn define(context: &Context, model: &str) -> Result<String, CliError> {
    let body = json!({ "name": NAME, "model": model, "prompt": PROMPT });
    let made = context
        .ask("defining the agent", Ask::post("/v3/agents").body(body))
        .await;
    let answer = match made {
        Err(CliError::Api(refused)) if refused.status == 409 => {
            let id = agent::find(&context.api()?, NAME).await?;
            let body = json!({ "model": model, "prompt": PROMPT });
            context
                .ask(
                    "changing the agent",
                    Ask::new(Method::PATCH, format!("/v3/agents/{id}")).body(body),
                )
                .await?
        }
        other => other?,
    };
    Ok(answer.value["id"].as_str().unwrap_or_default().to_owned())
}

async fn watch(context: &Context, session: &str) -> Result<(), CliError> {
    if context.out.json {
        // One document is promised: the events are in the log for who wants them.
        return wait_turn(context, session).await;
    }
    follow_turn(context, session, 0).await
}

fn say(context: &Context, text: &str) -> Result<(), CliError> {
    if context.out.json {
        Ok(())
    } else {
        context.out.line(text)
    }
}

/// The text of a result that is one.
fn finished(result: &Value) -> Result<String, CliError> {
    match (
        result["last_turn"]["yield_reason"].as_str(),
        result["result"]["body"]["text"].as_str(),
    ) {
        (Some("completed"), Some(text)) => Ok(text.to_owned()),
        (reason, _) => {
            let why = result["last_turn"]["error"]["message"]
                .as_str()
                .unwrap_or("the events above tell more");
            Err(CliError::Local(format!(
                "the agent's turn ended with {}: {why}",
                reason.unwrap_or("nothing")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_model_is_used_where_there_is_a_key() {
        for (key, want) in [
            (None, "test/demo"),
            (Some(""), "test/demo"),
            (Some("sk"), "anthropic/claude-opus-5-5"),
        ] {
            assert_eq!(model(key).name, want);
        }
    }

    #[test]
    fn only_a_completed_turn_is_a_result() {
        let good = json!({ "last_turn": { "yield_reason": "completed" }, "result": { "body": { "text": "2, 3" } } });
        assert_eq!(finished(&good).unwrap(), "2, 3");
        let bad = json!({ "last_turn": { "yield_reason": "error", "error": { "message": "no sandbox" } }, "result": null });
        assert!(
            finished(&bad)
                .unwrap_err()
                .to_string()
                .contains("no sandbox")
        );
        assert!(finished(&Value::Null).is_err());
    }
}
