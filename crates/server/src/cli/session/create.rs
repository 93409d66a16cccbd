//! `oc session create`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{card, logs};
use crate::cli::api::Ask;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::limits::{LimitOptions, body};
use crate::cli::{agent, text};

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The agent's id or name
    #[arg(long, value_name = "ID|NAME")]
    agent: String,
    /// The first message: text, @file, or - for standard input
    #[arg(long)]
    input: String,
    /// A key of your own: the same key again gives the same session
    #[arg(long)]
    key: Option<String>,
    /// Another model than the agent's, for this session
    #[arg(long)]
    model: Option<String>,
    /// Data of your own to find on the session, as a JSON object
    #[arg(long, value_parser = object)]
    metadata: Option<Map<String, Value>>,
    /// A repository to check out, as owner/repo[@ref]; may be repeated
    #[arg(long)]
    source: Vec<String>,
    /// Makes the request safe to repeat; a fresh one if absent
    #[arg(long)]
    idempotency_key: Option<String>,
    /// Watch the session until its turn comes to rest
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    limits: LimitOptions,
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    let right = r#"a JSON object such as {"ticket": 7}"#;
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(format!("it must be {right}")),
        Err(error) => Err(format!("it must be {right}: {error}")),
    }
}

pub(super) async fn run(context: &Context, create: Create) -> Result<(), CliError> {
    let input = text::given(&create.input).await?;
    let agent = agent::find(&context.api()?, &create.agent).await?;
    let sources: Vec<Value> = create
        .source
        .iter()
        .map(|source| parse_source(source))
        .collect();
    let body = body([
        ("agent", Some(json!(agent))),
        ("input", Some(json!(input))),
        ("key", create.key.as_ref().map(|key| json!(key))),
        ("model", create.model.map(Value::from)),
        ("metadata", create.metadata.map(Value::Object)),
        (
            "sources",
            (!sources.is_empty()).then_some(Value::Array(sources)),
        ),
        ("limits", create.limits.value()),
    ]);
    let mut ask = Ask::post("/v3/sessions").body(body);
    // With a routing key the request is safe to repeat without one more.
    let fresh = || format!("oc-cli-{:032x}", rand::random::<u128>());
    if let Some(key) = create
        .idempotency_key
        .or_else(|| create.key.is_none().then(fresh))
    {
        ask = ask.idempotent(key);
    }
    let answer = context.ask("starting the session", ask).await?;
    let id = answer.value["session"]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if create.follow {
        context.out.note(&format!("Session {id}"));
        return logs::follow_turn(context, &id, 0).await;
    }
    context.show(&answer, |answer| card(context, &answer["session"]))?;
    context
        .out
        .note(&format!("Watch it: oc session logs {id} --follow"));
    Ok(())
}

fn parse_source(source: &str) -> Value {
    let (repo, at) = source.rsplit_once('@').unwrap_or((source, "HEAD"));
    json!({ "repo": repo, "ref": at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_a_repository_and_perhaps_a_ref() {
        assert_eq!(parse_source("o/r"), json!({ "repo": "o/r", "ref": "HEAD" }));
        assert_eq!(
            parse_source("o/r@main"),
            json!({ "repo": "o/r", "ref": "main" })
        );
    }

    #[test]
    fn metadata_is_an_object() {
        assert!(object("{\"a\":1}").is_ok());
        for bad in ["", "[]", "\"x\"", "{"] {
            let error = object(bad).unwrap_err();
            assert!(
                error.starts_with("it must be a JSON object"),
                "{bad}: {error}"
            );
        }
    }
}
