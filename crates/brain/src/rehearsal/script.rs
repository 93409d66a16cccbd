//! The script in a message: where it stands, how it is read, what is next.

use serde::Deserialize;
use serde_json::Value;

use super::{Part, Scene, Seen, template};
use crate::{ErrorKind, ModelError};

/// One reply of a script, as `rehearsal.md` describes it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Line {
    /// The text of the reply.
    pub say: Option<String>,
    /// Tool calls, in order.
    pub call: Vec<Wish>,
    /// Milliseconds between two chunks of the text.
    pub chunk_ms: Option<u64>,
    /// Chunks the text is streamed in.
    pub chunks: Option<usize>,
    /// Milliseconds before the first byte.
    pub delay_ms: Option<u64>,
    /// Usage as reported.
    pub tokens: Spent,
    /// Fail instead of answering.
    pub fail: Option<Fail>,
    /// With an HTTP error: seconds to wait before asking again.
    pub retry_after: Option<f64>,
    /// How often to fail before the reply is played; `-1` is always.
    pub times: Option<i64>,
    /// Why the model stopped.
    pub stop: Option<Stop>,
}

/// A tool call of a script.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    #[serde(default = "no_args")]
    pub args: Value,
}

fn no_args() -> Value {
    Value::Object(serde_json::Map::new())
}

/// Usage of a scripted reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Spent {
    #[serde(rename = "in")]
    pub input: u64,
    #[serde(rename = "out")]
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
}

impl Default for Spent {
    fn default() -> Self {
        Self {
            input: 10,
            output: 10,
            cache_read: 0,
            cache_write: 0,
        }
    }
}

impl Spent {
    /// What was read: everything but the output.
    pub fn context(self) -> u64 {
        let cached = self.cache_read.saturating_add(self.cache_write);
        self.input.saturating_add(cached)
    }
}

/// A failure of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "`fail` is an HTTP status or one of \"spend\", \"drop\", \"hang\", \"garbage\", \"context\""
)]
pub(crate) enum Fail {
    /// An HTTP error.
    Status(u16),
    /// Another way to fail.
    Named(Named),
}

/// Ways to fail that are no HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Named {
    /// A 429 that must not be retried.
    Spend,
    /// The stream is cut after the first chunk.
    Drop,
    /// Nothing more is sent.
    Hang,
    /// What is sent cannot be read.
    Garbage,
    /// The conversation does not fit the window.
    Context,
}

/// Why a scripted reply stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    EndTurn,
    MaxTokens,
    Refusal,
}

/// What `test/script` plays next.
///
/// # Errors
/// The newest script is no JSON array of replies.
pub(super) fn part(scene: &Scene<'_>) -> Result<Part, ModelError> {
    let newest = scene.0.iter().enumerate().rev();
    let found = newest
        .filter_map(|(at, seen)| match seen {
            Seen::User { seq, text } => Some((at, *seq, text)),
            _ => None,
        })
        .find_map(|(at, seq, text)| Some((at, seq, after_mark(text)?)));
    let Some((at, seq, json)) = found else {
        let said = scene.last_user().unwrap_or_default();
        return Ok(Part {
            line: text(format!("You said: {said}")),
            seq: 0,
            index: 0,
        });
    };
    let index = scene.replies_since(at);
    let mut line = read(json, index)?.unwrap_or_else(|| text("done".to_owned()));
    line.say = line.say.map(|say| template::fill(&say, scene));
    Ok(Part { line, seq, index })
}

/// A line that only says something.
pub(super) fn text(say: String) -> Line {
    Line {
        say: Some(say),
        ..Line::default()
    }
}

/// Everything after the first line that is exactly `@steps`.
fn after_mark(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(at) = rest.find("@steps") {
        let before = &rest[..at];
        let begins_line = before.ends_with('\n') || (before.is_empty() && at_start(text, rest));
        let after = &rest[at + "@steps".len()..];
        let body = after
            .strip_prefix('\n')
            .or_else(|| after.strip_prefix("\r\n"))
            .or_else(|| after.is_empty().then_some(after));
        if let (true, Some(body)) = (begins_line, body) {
            return Some(body);
        }
        rest = after;
    }
    None
}

fn at_start(text: &str, rest: &str) -> bool {
    text.len() == rest.len()
}

/// The reply at that position, `None` after the last.
fn read(json: &str, index: u64) -> Result<Option<Line>, ModelError> {
    let lines: Vec<Line> = serde_json::from_str(json).map_err(|error| {
        let words = format!("The script after @steps is no JSON array of replies: {error}.");
        ModelError::new(ErrorKind::BadRequest, words)
    })?;
    for (at, line) in lines.iter().enumerate() {
        if let Some(Fail::Status(status)) = line.fail
            && !(400..=599).contains(&status)
        {
            let words =
                format!("Reply {at} of the script: `fail` {status} is no HTTP error status.");
            return Err(ModelError::new(ErrorKind::BadRequest, words));
        }
    }
    let at = usize::try_from(index).unwrap_or(usize::MAX);
    Ok(lines.into_iter().nth(at))
}

#[cfg(test)]
mod tests;
