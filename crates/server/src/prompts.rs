//! What a model is told besides the conversation: made once and shared, since
//! system prompt and tools are the same for every call of a session.

use std::sync::Arc;

use session::tool::{self, Tool};

/// The tools, and the words around an agent's own prompt.
pub struct Prompts {
    tools: Arc<[Tool]>,
}

impl Default for Prompts {
    fn default() -> Self {
        Self {
            tools: tool::native().into(),
        }
    }
}

impl Prompts {
    /// The tools of the native runtime.
    #[must_use]
    pub fn tools(&self) -> Arc<[Tool]> {
        self.tools.clone()
    }

    /// The system prompt for an agent whose own prompt is this.
    #[must_use]
    pub fn system(&self, agent: &str) -> Arc<str> {
        brain::native_prompt(agent).into()
    }
}
