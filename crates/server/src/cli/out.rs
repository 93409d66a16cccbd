//! Where a command's words go: standard output for what was asked, standard
//! error for progress and trouble. Colours only on a terminal.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::error::CliError;
use super::paint::{Paint, clean};

/// How to speak.
#[derive(Debug, Clone, Copy)]
pub(super) struct Out {
    /// One JSON document for programs instead of words for people.
    pub json: bool,
    /// Colours on standard output.
    pub paint: Paint,
    /// Colours on standard error.
    pub err: Paint,
    /// Whether a person watches standard output.
    pub terminal: bool,
    /// Whether a person watches standard error.
    pub err_terminal: bool,
}

impl Out {
    /// As the options, the environment (`NO_COLOR`, `TERM`) and the terminal say.
    #[expect(
        clippy::disallowed_methods,
        reason = "NO_COLOR and TERM are conventions of terminals, no options of ours"
    )]
    pub(super) fn new(json: bool, no_color: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = !no_color && !json && !dumb && !set("NO_COLOR");
        let (terminal, err_terminal) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            json,
            paint: Paint(colours && terminal),
            err: Paint(colours && err_terminal),
            terminal,
            err_terminal,
        }
    }

    /// A line on standard output.
    pub(super) fn line(self, text: &str) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// A piece of a line on standard output.
    pub(super) fn piece(self, text: &str) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// A JSON document on standard output, on one line.
    pub(super) fn value(self, value: &Value) -> Result<(), CliError> {
        self.line(&value.to_string())
    }

    /// A remark on standard error; none for programs. That nobody reads it is
    /// no reason to stop.
    pub(super) fn note(self, text: &str) {
        if !self.json {
            let _ = writeln!(io::stderr(), "{}", self.err.dim(text));
        }
    }

    /// The error, on standard error.
    pub(super) fn error(self, error: &CliError) {
        let _ = match (error, self.json) {
            (CliError::Pipe | CliError::Silent, _) => Ok(()),
            // The user knows; only the line they were on is ended.
            (CliError::Interrupted, false) => writeln!(io::stderr()),
            (CliError::Turn(ended), false) if ended.told => Ok(()),
            (error, true) => writeln!(io::stderr(), "{}", error.json()),
            (error, false) => {
                let words = clean(&error.to_string());
                writeln!(io::stderr(), "{} {words}", self.err.red("error:"))
            }
        };
    }
}
