//! Which model: a provider and the provider's own name for it.

use serde::{Deserialize, Serialize};

/// Who answers a model call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The Anthropic Messages API.
    Anthropic,
    /// The OpenAI Responses API.
    OpenAi,
    /// The rehearsal model: plays a script, needs no credential.
    Test,
}

impl Provider {
    /// The name in model strings and credentials.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Test => "test",
        }
    }

    /// The provider of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Anthropic, Self::OpenAi, Self::Test]
            .into_iter()
            .find(|p| p.name() == name)
    }
}

/// A model, as `provider/name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Who answers.
    pub provider: Provider,
    /// The provider's own name for the model.
    pub name: String,
}

/// Runtimes we know the wire name of, and the provider a bare model name means
/// there (contract v3 §6).
const RUNTIMES: [(&str, Provider, bool); 5] = [
    ("native", Provider::Anthropic, true),
    ("claude", Provider::Anthropic, false),
    ("claude-agent-sdk", Provider::Anthropic, false),
    ("codex", Provider::OpenAi, false),
    ("pi", Provider::Anthropic, true),
];

/// Why a model string cannot be used with a runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelRefError {
    /// Nothing before or after the slash, or no text at all.
    #[error("a model is `provider/name`, for example `anthropic/claude-opus-5-5`")]
    Empty,
    /// The part before the slash is no provider we have.
    #[error("unknown provider `{0}`; known: anthropic, openai, test")]
    UnknownProvider(String),
    /// The runtime cannot drive models of that provider.
    #[error("runtime `{runtime}` runs {wants}/… models, not {got}/…")]
    Mismatch {
        /// The runtime asked for.
        runtime: String,
        /// The provider it runs.
        wants: &'static str,
        /// The provider of the model.
        got: &'static str,
    },
}

impl ModelRef {
    /// Reads a model string. A bare name takes the runtime's own provider.
    ///
    /// # Errors
    /// See [`ModelRefError`]. The rehearsal model goes with every runtime.
    pub fn parse(text: &str, runtime: &str) -> Result<Self, ModelRefError> {
        let row = RUNTIMES.iter().find(|(name, ..)| *name == runtime);
        let (home, any) = row.map_or((Provider::Anthropic, true), |(_, home, any)| (*home, *any));
        let (provider, name) = match text.split_once('/') {
            None => (home, text),
            Some((prefix, name)) => {
                let found = Provider::named(prefix);
                (
                    found.ok_or_else(|| ModelRefError::UnknownProvider(prefix.to_owned()))?,
                    name,
                )
            }
        };
        if name.trim().is_empty() {
            return Err(ModelRefError::Empty);
        }
        if provider != home && provider != Provider::Test && !any {
            return Err(ModelRefError::Mismatch {
                runtime: runtime.to_owned(),
                wants: home.name(),
                got: provider.name(),
            });
        }
        Ok(Self {
            provider,
            name: name.to_owned(),
        })
    }
}

impl std::fmt::Display for ModelRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.provider.name(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_string_and_a_runtime_give_a_provider() {
        for (text, runtime, want) in [
            ("claude-opus-4-8", "native", "anthropic/claude-opus-4-8"),
            (
                "claude-opus-4-8",
                "claude-agent-sdk",
                "anthropic/claude-opus-4-8",
            ),
            ("gpt-5.5", "codex", "openai/gpt-5.5"),
            ("openai/gpt-5.5", "native", "openai/gpt-5.5"),
            ("test/demo", "codex", "test/demo"),
            ("test/script", "native", "test/script"),
        ] {
            let got = ModelRef::parse(text, runtime).map(|m| m.to_string());
            assert_eq!(got.as_deref(), Ok(want), "{text} on {runtime}");
        }
    }

    #[test]
    fn a_wrong_model_string_says_what_is_wrong() {
        for (text, runtime, words) in [
            ("", "native", "provider/name"),
            ("anthropic/", "native", "provider/name"),
            ("acme/one", "native", "unknown provider `acme`"),
            ("openai/gpt-5.5", "claude", "anthropic/"),
            ("anthropic/claude-opus-5-5", "codex", "openai/"),
        ] {
            let error = ModelRef::parse(text, runtime).err().map(|e| e.to_string());
            assert!(
                error.as_deref().is_some_and(|e| e.contains(words)),
                "{text}: {error:?}"
            );
        }
    }
}
