//! The models there are: which implementation answers for a name, and what is
//! known about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use session::{ModelRef, Prices, Provider};

use crate::api::Api;
use crate::remote::Remote;
use crate::wire::client::connections;
use crate::{Model, Patience, Rehearsal, prices, rehearse_router, table};

/// How to reach the providers.
#[derive(Debug, Clone, PartialEq)]
pub struct BrainConfig {
    /// Where the Anthropic Messages API is; the path `/v1/messages` is added.
    pub anthropic_base_url: String,
    /// Where the OpenAI API is; the path `/responses` is added.
    pub openai_base_url: String,
    /// Whether keys may go over plain HTTP to other hosts than this one.
    pub allow_http: bool,
    /// How long and how often providers are waited for.
    pub patience: Patience,
    /// The operator's prices, by `provider/name` or a beginning of it and `*`.
    /// They stand over the built-in list.
    pub prices: BTreeMap<String, Prices>,
}

impl Default for BrainConfig {
    fn default() -> Self {
        Self {
            anthropic_base_url: "https://api.anthropic.com".to_owned(),
            openai_base_url: "https://api.openai.com/v1".to_owned(),
            allow_http: false,
            patience: Patience::default(),
            prices: BTreeMap::new(),
        }
    }
}

/// Why the models cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A base URL is no URL.
    #[error("`{0}` is no http or https URL")]
    BadUrl(String),
    /// A base URL would send keys in the clear.
    #[error("`{0}` is not https: a model key would travel in the clear")]
    Insecure(String),
    /// Connections cannot be made at all.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// All models of a server.
#[derive(Debug, Clone)]
pub struct Models {
    anthropic: Arc<Remote>,
    openai: Arc<Remote>,
    test: Arc<dyn Model>,
    /// Rehearsals behind either API, for engines that speak only one.
    test_messages: Arc<Remote>,
    test_responses: Arc<Remote>,
    prices: Arc<BTreeMap<String, Prices>>,
}

impl Models {
    /// Sets up the providers; connects to none of them.
    ///
    /// # Errors
    /// A base URL that cannot be used.
    pub fn new(config: BrainConfig) -> Result<Self, ConfigError> {
        let client = connections()?;
        let (http, patience) = (config.allow_http, config.patience);
        let remote = |api, base: &str| Remote::new(api, &client, base, http, patience);
        let rehearsals = rehearse_router();
        let here = |api| Remote::here(api, &rehearsals, patience).map(Arc::new);
        Ok(Self {
            anthropic: Arc::new(remote(Api::Messages, &config.anthropic_base_url)?),
            openai: Arc::new(remote(Api::Responses, &config.openai_base_url)?),
            test: Arc::new(Rehearsal::new(config.patience)),
            test_messages: here(Api::Messages)?,
            test_responses: here(Api::Responses)?,
            prices: Arc::new(config.prices),
        })
    }

    /// Who answers for that model.
    #[must_use]
    pub fn for_model(&self, model: &ModelRef) -> Arc<dyn Model> {
        match model.provider {
            Provider::Anthropic => self.anthropic.clone(),
            Provider::OpenAi => self.openai.clone(),
            Provider::Test => self.test.clone(),
        }
    }

    /// Who answers for that model to an engine that speaks this API.
    pub(crate) fn behind(&self, api: Api, provider: Provider) -> Option<&Remote> {
        match (api, provider) {
            (Api::Messages, Provider::Anthropic) => Some(&self.anthropic),
            (Api::Responses, Provider::OpenAi) => Some(&self.openai),
            (Api::Messages, Provider::Test) => Some(&self.test_messages),
            (Api::Responses, Provider::Test) => Some(&self.test_responses),
            _ => None,
        }
    }

    /// What the model costs; `None` if nobody said so. Rehearsals cost nothing,
    /// unless the operator gives them a price.
    #[must_use]
    pub fn prices(&self, model: &ModelRef) -> Option<Prices> {
        prices::look_up(&self.prices, model)
    }

    /// The model's context window in tokens, as far as it is worth using: where
    /// longer prompts cost more, it ends before them.
    #[must_use]
    pub fn window(&self, model: &ModelRef) -> u64 {
        table::look_up(model).window
    }

    /// Fewest output tokens one can ask the model for: with less than this left
    /// of a budget there is no call to make.
    #[must_use]
    pub fn min_output(&self, model: &ModelRef) -> u32 {
        match model.provider {
            Provider::OpenAi => 16,
            Provider::Anthropic | Provider::Test => 1,
        }
    }

    /// Most output tokens the model gives in one answer.
    #[must_use]
    pub fn max_output(&self, model: &ModelRef) -> u32 {
        table::look_up(model).max_output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_that_cannot_be_used_is_told_at_once() {
        let config = |anthropic: &str, openai: &str| BrainConfig {
            anthropic_base_url: anthropic.to_owned(),
            openai_base_url: openai.to_owned(),
            ..BrainConfig::default()
        };
        let good = "https://example.com";
        for (config, want) in [
            (BrainConfig::default(), None),
            (config(good, "x"), Some(ConfigError::BadUrl("x".into()))),
            (
                config("http://example.com", good),
                Some(ConfigError::Insecure("http://example.com".into())),
            ),
        ] {
            assert_eq!(Models::new(config).err(), want);
        }
    }

    #[test]
    fn what_is_known_of_a_model_is_told() {
        let models = Models::new(BrainConfig::default()).unwrap();
        let model = ModelRef::parse("claude-opus-5-5", "native").unwrap();
        let known = (models.window(&model), models.max_output(&model));
        assert_eq!(known, (1_000_000, 128_000));
    }
}
