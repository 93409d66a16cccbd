//! Shows a session as it goes: events as lines, and between them what the model
//! is saying right now, letter by letter.

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
    /// What is being said and has no line end yet.
    open: Option<Open>,
}

#[derive(Debug, Default)]
struct Open {
    thinking: bool,
    text: String,
}

impl Live {
    /// `steps`: with a line for each model call.
    pub(super) fn new(out: Out, steps: bool) -> Self {
        Self {
            out,
            render: Render::new(out.paint).with_steps(steps),
            open: None,
        }
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
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.thinking != thinking)
        {
            self.close()?;
        }
        if self.open.is_none() {
            let now = clock::rfc3339(clock::now());
            self.out.piece(&self.render.opening(&now, thinking))?;
        }
        let open = self.open.get_or_insert_with(|| Open {
            thinking,
            text: String::new(),
        });
        open.text.push_str(piece);
        self.out.piece(&self.render.piece(piece, thinking))
    }

    /// Shows an event, unless its words were just shown piece by piece.
    pub(super) fn event(&mut self, event: &Value) -> Result<(), CliError> {
        let said = self.close()?;
        let repeats = event["type"] == "agent.message"
            && said.is_some_and(|open| {
                !open.thinking
                    && event["body"]["text"].as_str().map(str::trim) == Some(open.text.trim())
            });
        match self.render.event(event) {
            Some(lines) if !repeats => self.out.line(&lines),
            _ => Ok(()),
        }
    }

    /// Ends the line that is being written, if there is one.
    pub(super) fn break_line(&mut self) -> Result<(), CliError> {
        self.close().map(drop)
    }

    fn reset(&mut self) -> Result<(), CliError> {
        match self.close()? {
            Some(_) => self.out.line(
                &self
                    .out
                    .paint
                    .dim("          (the model begins this answer anew)"),
            ),
            None => Ok(()),
        }
    }

    fn close(&mut self) -> Result<Option<Open>, CliError> {
        let open = self.open.take();
        if open.is_some() {
            self.out.piece("\n")?;
        }
        Ok(open)
    }
}
