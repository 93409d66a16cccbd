//! Events as lines for people: when, who, what. Commands look like commands,
//! output is dimmed and shortened, what the agent says stands out. A type that
//! is not known here is shown by its text or summary.

mod parts;
mod result;
mod session;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde_json::Value;

use super::paint::{Paint, clean};
use parts::{INDENT, clock, indented, shortened};

/// Lines of a message from outside.
const SAID: usize = 20;
/// Lines of output.
const OUTPUT: usize = 8;

/// Renders the events of one session, in order.
#[derive(Debug)]
pub(super) struct Render {
    paint: Paint,
    /// Whether model calls are shown too.
    steps: bool,
    /// When each open turn began.
    began: HashMap<String, String>,
    /// What went wrong last, as it was told.
    failed: Option<String>,
}

impl Render {
    pub(super) fn new(paint: Paint) -> Self {
        Self {
            paint,
            steps: false,
            began: HashMap::new(),
            failed: None,
        }
    }

    /// The same, with a line for each model call.
    pub(super) fn with_steps(mut self, steps: bool) -> Self {
        self.steps = steps;
        self
    }

    /// The lines of an event, without a line end; `None` for one that others
    /// show already.
    pub(super) fn event(&mut self, event: &Value) -> Option<String> {
        let text = self.content(event)?;
        let time = self
            .paint
            .dim(&clock(event["ts"].as_str().unwrap_or_default()));
        Some(format!("{time}  {}", indented(&text)))
    }

    fn content(&mut self, event: &Value) -> Option<String> {
        let (paint, body) = (self.paint, &event["body"]);
        let kind = event["type"].as_str().unwrap_or("?");
        Some(match kind {
            "user.message" => said(
                &paint.bold(&paint.cyan("you ▸")),
                &shortened(&text(body), SAID),
            ),
            "http.request" => requested(paint, event),
            "agent.message" if event["level"] == "progress" => {
                said(&paint.dim("agent ▸"), &told(paint, event))
            }
            "agent.message" => said(&self.speaker(), &told(paint, event)),
            "agent.thinking" => paint.dim(&said("thinks ·", &text(body))),
            "turn.started" => self.turn_started(event),
            "turn.completed" | "turn.failed" => self.turn_completed(event),
            "tool.call" => return call(paint, body),
            "exec.completed" | "tool.result" => return result::done(paint, body),
            "tool.indeterminate" => {
                paint.yellow(&said("outcome unknown ·", &command_or_summary(body)))
            }
            "model.completed" if !self.steps => return None,
            "model.completed" => paint.dim(&result::model(body)),
            "context.compacted" => paint.dim(&said("compacted ·", &text(body))),
            "session.cancel_requested" => paint.yellow("cancel requested"),
            "session.archived" => paint.dim("session archived"),
            _ if kind.starts_with("error.") => {
                self.failed = Some(text(body));
                failed(paint, kind, body)
            }
            _ => match session::note(paint, kind, body) {
                Some(note) => note,
                None => said(
                    &paint.dim(&format!("{kind} ·")),
                    &shortened(&text(body), OUTPUT),
                ),
            },
        })
    }

    /// How the agent is announced.
    pub(super) fn speaker(&self) -> String {
        self.paint.bold(&self.paint.green("agent ▸"))
    }

    /// What stands before the first piece of an answer that is being given.
    pub(super) fn opening(&self, now: &str, thinking: bool) -> String {
        let who = if thinking {
            self.paint.dim("thinks ·")
        } else {
            self.speaker()
        };
        format!("{}  {who} ", self.paint.dim(&clock(now)))
    }

    /// A piece of an answer, for the middle of a line.
    pub(super) fn piece(&self, piece: &str, thinking: bool) -> String {
        let text = clean(piece).replace('\n', &format!("\n{INDENT}"));
        if thinking {
            self.paint.dim(&text)
        } else {
            text
        }
    }

    fn turn_started(&mut self, event: &Value) -> String {
        let id = event["body"]["turn_id"]
            .as_str()
            .or(event["turn_id"].as_str())
            .unwrap_or_default();
        let at = event["ts"].as_str().unwrap_or_default();
        self.began.insert(id.to_owned(), at.to_owned());
        self.paint.dim("turn started")
    }

    fn turn_completed(&mut self, event: &Value) -> String {
        let id = event["body"]["turn_id"]
            .as_str()
            .or(event["turn_id"].as_str())
            .unwrap_or_default();
        let began = self.began.remove(id);
        let took = began.and_then(|began| parts::between(&began, event["ts"].as_str()?));
        let told = self.failed.take();
        result::turn(self.paint, &event["body"], took, told.as_deref())
    }
}

fn said(who: &str, text: &str) -> String {
    format!("{who} {text}")
}

/// What the agent said; a part of it says that it is one.
fn told(paint: Paint, event: &Value) -> String {
    let words = text(&event["body"]);
    if event["body_truncated"] != true {
        return words;
    }
    let bytes = parts::number(event["body_bytes"].as_u64().unwrap_or(0));
    let note = paint.yellow(&format!("(the beginning of {bytes} bytes)"));
    format!("{words}\n{note}")
}

/// What a program sent, and by which hook.
fn requested(paint: Paint, event: &Value) -> String {
    let hook = event["actor"]["display"].as_str().map(clean);
    let who = hook.map_or("request ▸".to_owned(), |name| format!("hook {name} ▸"));
    let payload = serde_json::to_string_pretty(&event["body"]["payload"]).unwrap_or_default();
    let payload = shortened(&clean(&payload), SAID);
    said(&paint.bold(&paint.cyan(&who)), &payload)
}

/// A body's own words.
fn text(body: &Value) -> String {
    let words = ["text", "summary", "message"]
        .iter()
        .find_map(|field| body[field].as_str());
    clean(words.unwrap_or_default()).trim_end().to_owned()
}

fn command_or_summary(body: &Value) -> String {
    let command = body["command"]
        .as_str()
        .filter(|command| !command.is_empty());
    command.map_or_else(|| text(body), |command| parts::first_line(&clean(command)))
}

fn call(paint: Paint, body: &Value) -> Option<String> {
    let tool = clean(body["tool"].as_str().unwrap_or("?"));
    let about = clean(body["args_summary"].as_str().unwrap_or_default());
    match tool.as_str() {
        // What they say is an event of its own.
        "say" | "ask" => None,
        "bash" => Some(format!("{} {}", paint.cyan("$"), paint.bold(&about))),
        _ => Some(
            format!("{} {about}", paint.cyan(&tool))
                .trim_end()
                .to_owned(),
        ),
    }
}

fn failed(paint: Paint, kind: &str, body: &Value) -> String {
    let code = body["code"]
        .as_str()
        .map(|code| format!(" ({})", clean(code)))
        .unwrap_or_default();
    let again = if body["retriable"] == true {
        " Sending the message again may help."
    } else {
        ""
    };
    format!(
        "{} {}{again}",
        paint.red(&format!("{kind}{code}:")),
        text(body)
    )
}
