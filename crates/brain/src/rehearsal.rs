//! The rehearsal model: plays a script, deterministically and for free.
//!
//! Which line of the script is next follows from the conversation alone, so a
//! rehearsal survives crashes, restarts and moves. The only thing kept beside
//! it is how often a line has failed on purpose, counted per process.

mod demo;
mod fails;
mod play;
mod scene;
mod script;
mod template;

pub(crate) use fails::Fails;
pub use play::Rehearsal;
pub(crate) use play::{chunks, stop, tokens};
pub(crate) use scene::{Scene, Seen};
pub(crate) use script::{Fail, Line, Named, Wish};

use crate::model::{Ask, Purpose};
use crate::{ErrorKind, ModelError};

/// The line to play now, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The line, its templates filled in.
    pub line: Line,
    /// Number of the message that began this script.
    pub seq: u64,
    /// Position of the line in the script.
    pub index: u64,
}

impl Part {
    /// The id of the line's call at that position: never the same for two calls
    /// of a session, always the same for one.
    pub fn call_id(&self, at: usize) -> String {
        format!("toolu_{}_{}_{at}", self.seq, self.index)
    }

    /// The part with at most so many output tokens. What would be longer is
    /// cut: its text in proportion, and inside its last call.
    pub fn within(mut self, most: u64) -> Self {
        let line = &mut self.line;
        let whole = line.tokens.output;
        if whole <= most {
            return self;
        }
        line.tokens.output = most;
        line.stop = Some(script::Stop::MaxTokens);
        if let Some(say) = line.say.as_mut().filter(|_| line.call.is_empty()) {
            let length = say.chars().count() as u128;
            let kept = length * u128::from(most) / u128::from(whole);
            *say = say.chars().take(kept as usize).collect();
        }
        self
    }
}

/// The input tokens that the answer to this ask will report.
///
/// # Errors
/// As [`part`].
pub(crate) fn count(ask: &Ask) -> Result<u64, ModelError> {
    let spent = match ask.purpose {
        Purpose::Turn => {
            part(&ask.model.name, &Scene::of_items(&ask.items))?
                .line
                .tokens
        }
        Purpose::Compact => script::Spent::default(),
    };
    Ok(spent.context())
}

/// A summary that says what there was, for a conversation of any length.
pub(crate) fn summary(scene: &Scene<'_>) -> Part {
    let count = |wanted: fn(&Seen<'_>) -> bool| scene.0.iter().filter(|seen| wanted(seen)).count();
    let messages = count(|seen| matches!(seen, Seen::User { .. }));
    let answers = count(|seen| matches!(seen, Seen::Said { .. }));
    let results = count(|seen| matches!(seen, Seen::Result { .. }));
    let result = scene.last_result().unwrap_or("none");
    let short: String = result.chars().take(500).collect();
    let text = format!(
        "A rehearsal of {messages} messages, {answers} answers and {results} tool results. \
         The newest tool result: {short}"
    );
    Part {
        line: script::text(text),
        seq: 0,
        index: 0,
    }
}

/// The part the model of that name (`demo`, `script`) plays next.
///
/// # Errors
/// An unknown model; a script that cannot be read.
pub(crate) fn part(model: &str, scene: &Scene<'_>) -> Result<Part, ModelError> {
    match model {
        "demo" => Ok(demo::part(scene)),
        "script" => script::part(scene),
        other => {
            let words =
                format!("There is no model test/{other}; there are test/demo and test/script.");
            Err(ModelError::new(ErrorKind::NotFound, words))
        }
    }
}
