//! Plays a part as a model: waits, streams, fails and answers as the line says.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use session::{Call, Reply, Stop, Tokens};

use super::script::{Spent, Stop as Scripted};
use super::{Fail, Fails, Line, Named, Part, Scene, count, part, summary};
use crate::model::{Ask, Delta, Deltas, Model, Purpose, tell};
use crate::remote::full;
use crate::retry::persist;
use crate::{ErrorKind, ModelError, Patience};

/// The models `test/demo` and `test/script`.
#[derive(Debug, Default)]
pub struct Rehearsal {
    patience: Patience,
    fails: Fails,
}

impl Rehearsal {
    /// A rehearsal whose scripted failures are waited for and retried as those
    /// of any provider.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            fails: Fails::default(),
        }
    }

    async fn attempt(
        &self,
        session: &str,
        part: &Part,
        deltas: &Deltas,
    ) -> Result<Reply, ModelError> {
        let (line, meter) = (&part.line, deltas.meter());
        meter.asked(false);
        if let Some(ms) = line.delay_ms {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        if let Some(fail) = line.fail
            && self.fails.fails_now(session, part)
        {
            let error = self.fail(line, fail, deltas).await;
            if !error.begun() {
                meter.refused();
            }
            return Err(error);
        }
        for (at, chunk) in chunks(line).into_iter().enumerate() {
            if let Some(ms) = line.chunk_ms.filter(|_| at > 0) {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            tell(deltas, Delta::Text(chunk.to_owned()));
        }
        let reply = reply(part);
        meter.told(reply.usage);
        Ok(reply)
    }

    async fn fail(&self, line: &Line, fail: Fail, deltas: &Deltas) -> ModelError {
        let first = chunks(line).first().copied();
        let begin = || {
            if let Some(chunk) = first {
                tell(deltas, Delta::Text(chunk.to_owned()));
            }
        };
        match fail {
            Fail::Status(status) => {
                let mut error = ModelError::of_status(status, "as the script says");
                error.retry_after = retry_after(line);
                error
            }
            Fail::Named(Named::Spend) => {
                ModelError::of_status(429, "spend limit reached, as the script says")
                    .as_kind(ErrorKind::Spend)
            }
            Fail::Named(Named::Drop) => {
                begin();
                ModelError::broken("The stream was cut, as the script says.")
            }
            Fail::Named(Named::Hang) => {
                begin();
                let wait = match first {
                    Some(_) => self.patience.gap,
                    None => self.patience.first_byte,
                };
                tokio::time::sleep(wait).await;
                ModelError::new(
                    ErrorKind::Timeout,
                    "The model fell silent, as the script says.",
                )
            }
            Fail::Named(Named::Garbage) => {
                ModelError::broken("The answer could not be read, as the script says.")
            }
            Fail::Named(Named::Context) => ModelError::new(
                ErrorKind::ContextFull,
                "The conversation does not fit, as the script says.",
            ),
        }
    }
}

impl Model for Rehearsal {
    fn think(&self, ask: Ask, deltas: Deltas) -> BoxFuture<'_, Result<Reply, ModelError>> {
        async move {
            let most = u64::from(ask.max_tokens);
            if ask.purpose == Purpose::Compact {
                let scene = Scene::of_items(&ask.items);
                return Ok(reply(&summary(&scene).within(most)));
            }
            let part = part(&ask.model.name, &Scene::of_items(&ask.items))?.within(most);
            let attempt = || self.attempt(&ask.session, &part, &deltas).boxed();
            match persist(&self.patience, &ask, Some(&deltas), attempt).await {
                Err(error) if error.kind == ErrorKind::ContextFull => Ok(full(None)),
                answer => answer,
            }
        }
        .boxed()
    }

    fn count<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<u64, ModelError>> {
        std::future::ready(count(ask)).boxed()
    }
}

/// The wait a failing line asks for.
pub(crate) fn retry_after(line: &Line) -> Option<Duration> {
    let seconds = line.retry_after?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The text of a line in the chunks it asks for; none if it has no text.
pub(crate) fn chunks(line: &Line) -> Vec<&str> {
    let text = line.say.as_deref().unwrap_or_default();
    let length = text.chars().count();
    let count = match (line.chunks, line.chunk_ms) {
        (Some(count), _) => count.clamp(1, length.max(1)),
        (None, Some(_)) => text.split_whitespace().count().max(1),
        (None, None) => 1,
    };
    let size = length.div_ceil(count).max(1);
    let (mut chunks, mut rest) = (Vec::with_capacity(count), text);
    while !rest.is_empty() {
        let at = rest
            .char_indices()
            .nth(size)
            .map_or(rest.len(), |(at, _)| at);
        let (chunk, more) = rest.split_at(at);
        chunks.push(chunk);
        rest = more;
    }
    chunks
}

/// Why the played line stops, in the words of a session.
pub(crate) fn stop(line: &Line) -> Stop {
    match line.stop {
        Some(Scripted::MaxTokens) => Stop::MaxTokens,
        Some(Scripted::Refusal) => Stop::Refusal,
        Some(Scripted::EndTurn) | None if line.call.is_empty() => Stop::EndTurn,
        Some(Scripted::EndTurn) | None => Stop::ToolUse,
    }
}

/// Usage as the line reports it.
pub(crate) fn tokens(spent: Spent) -> Tokens {
    Tokens {
        input: spent.input,
        output: spent.output,
        cache_read: spent.cache_read,
        cache_write: spent.cache_write,
        ..Tokens::default()
    }
}

fn reply(part: &Part) -> Reply {
    let line = &part.line;
    let text = line.say.clone().unwrap_or_default();
    let stop = stop(line);
    let mut content = Vec::with_capacity(1 + line.call.len());
    if !text.is_empty() {
        content.push(json!({ "type": "text", "text": text }));
    }
    let mut calls = Vec::with_capacity(line.call.len());
    for (at, wish) in line.call.iter().enumerate() {
        let cut = stop == Stop::MaxTokens && at + 1 == line.call.len();
        let (id, input) = (part.call_id(at), wish.args.clone());
        content.push(json!({ "type": "tool_use", "id": id, "name": wish.tool, "input": input }));
        calls.push(Call {
            id,
            tool: wish.tool.clone(),
            input,
            unusable: cut.then(|| crate::CUT_CALL.to_owned()),
        });
    }
    Reply {
        raw: Value::Array(content).to_string().into(),
        text,
        calls,
        stop,
        usage: Some(tokens(line.tokens)),
        request_id: None,
    }
}

#[cfg(test)]
mod tests;
