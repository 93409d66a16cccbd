//! What a model is told besides the conversation: made once and shared, since
//! system prompt and tools are the same for every call of a session.

use std::sync::Arc;

use session::Frozen;
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

    /// The system prompt of a session: the platform's words, its skills, and its
    /// agent's own prompt.
    #[must_use]
    pub fn system(&self, frozen: &Frozen) -> Arc<str> {
        let skills = frozen.skills.as_ref().map(|skills| &skills.list[..]);
        brain::native_prompt(&frozen.prompt, skills.unwrap_or_default()).into()
    }
}
