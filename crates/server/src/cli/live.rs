//! Shows a session as it goes: events as lines, and between them what the model
//! is saying right now, piece by piece.

use serde_json::Value;

use super::error::CliError;
use super::out::Out;
use super::render::Render;
use crate::clock;

/// A screen that shows one session.
#[derive(Debug)]
pub(super) struct Live {
    out: Out,
    render: Render,
    heard: Heard,
    silent: bool,
}

impl Live {
    /// `steps`: with a line for each model call.
    pub(super) fn new(out: Out, steps: bool) -> Self {
        let render = Render::new(out.paint).with_steps(steps);
        Self {
            out,
            render,
            heard: Heard::default(),
            silent: false,
        }
    }

    /// One that shows nothing.
    pub(super) fn silent(out: Out) -> Self {
        Self {
            silent: true,
            ..Self::new(out, false)
        }
    }

    /// Whether it shows anything.
    pub(super) fn shows(&self) -> bool {
        !self.silent
    }

    /// Shows a piece of an answer.
    pub(super) fn delta(&mut self, delta: &Value) -> Result<(), CliError> {
        let piece = delta["text"].as_str().unwrap_or_default();
        let thinking = match delta["kind"].as_str() {
            Some("text") => false,
            Some("thinking") => true,
            Some("reset") => return self.reset(),
            _ => return Ok(()),
        };
        if self.heard.thinking != thinking {
            self.break_line()?;
        }
        if self.heard.piece(piece, thinking) {
            let now = clock::rfc3339(clock::now());
            self.out.piece(&self.render.opening(&now, thinking))?;
        }
        self.out.piece(&self.render.piece(piece, thinking))
    }

    /// Shows an event, unless its words were just shown piece by piece.
    pub(super) fn event(&mut self, event: &Value) -> Result<(), CliError> {
        self.break_line()?;
        if self.heard.already(event) {
            return Ok(());
        }
        match self.render.event(event) {
            Some(lines) => self.out.line(&lines),
            None => Ok(()),
        }
    }

    /// Ends the line that is being written, if there is one.
    pub(super) fn break_line(&mut self) -> Result<(), CliError> {
        if self.heard.end() {
            self.out.piece("\n")
        } else {
            Ok(())
        }
    }

    fn reset(&mut self) -> Result<(), CliError> {
        if !self.heard.end() {
            return Ok(());
        }
        self.heard = Heard::default();
        self.out.piece("\n")?;
        self.out.line(
            &self
                .out
                .paint
                .dim("          (the model begins this answer anew)"),
        )
    }
}

/// What was shown piece by piece.
#[derive(Debug, Default)]
struct Heard {
    /// Whether a line is being written.
    open: bool,
    /// Whether it is what the model thinks.
    thinking: bool,
    /// The text of the newest answer.
    text: String,
}

impl Heard {
    /// Takes a piece; true if it begins a line.
    fn piece(&mut self, piece: &str, thinking: bool) -> bool {
        let begins = !std::mem::replace(&mut self.open, true);
        if begins {
            self.text.clear();
        }
        self.thinking = thinking;
        self.text.push_str(piece);
        begins
    }

    /// Ends the line; true if there was one.
    fn end(&mut self) -> bool {
        std::mem::take(&mut self.open)
    }

    /// Whether an event says nothing but what was heard. Asked once for each
    /// answer: the same words said again are shown again.
    fn already(&mut self, event: &Value) -> bool {
        if event["type"] != "agent.message" || self.thinking {
            return false;
        }
        let heard = std::mem::take(&mut self.text);
        !heard.is_empty() && event["body"]["text"].as_str().map(str::trim) == Some(heard.trim())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(text: &str) -> Value {
        json!({ "type": "agent.message", "body": { "text": text } })
    }

    #[test]
    fn an_answer_that_was_heard_whole_is_not_shown_again() {
        let mut heard = Heard::default();
        assert!(heard.piece("one ", false) && !heard.piece("two\n", false));
        assert!(heard.end() && !heard.end());
        assert!(!heard.already(&json!({ "type": "model.completed" })));
        assert!(heard.already(&message("one two")));
        assert!(
            !heard.already(&message("one two")),
            "said again, shown again"
        );
    }

    #[test]
    fn an_answer_that_was_heard_in_part_is_shown_whole() {
        let mut heard = Heard::default();
        heard.piece("two", false);
        heard.end();
        assert!(!heard.already(&message("one two")));
        assert!(!Heard::default().already(&message("")));
    }

    #[test]
    fn a_thought_is_no_answer() {
        let mut heard = Heard::default();
        heard.piece("hm", true);
        heard.end();
        assert!(!heard.already(&message("hm")));
        assert!(heard.piece("an", false) && !heard.piece("swer", false));
        heard.end();
        assert!(heard.already(&message("answer")));
    }
}
