//! Which model key a session gets, pinned at its creation (contract v3 §7): the
//! agent's own, or the org's default, or the server's.

use session::Provider;
use store::AgentRow;

use super::super::agents::MANAGED;
use crate::app::App;
use crate::http::problem::{Code, Problem};

/// `managed` or the id of the credential.
///
/// # Errors
/// 422 with what to do, if there is no key to be found.
pub async fn resolve(app: &App, agent: &AgentRow, provider: Provider) -> Result<String, Problem> {
    // The rehearsal model needs no key and is given none.
    if provider == Provider::Test {
        return Ok(MANAGED.to_owned());
    }
    match agent.credential.as_deref() {
        Some(MANAGED) => return managed(app, provider).ok_or_else(|| not_enabled(provider)),
        Some(id) => {
            let own = app
                .store
                .credential(&agent.org, id)
                .await
                .map_err(|error| match error {
                    store::Error::NotFound => gone(agent, id),
                    error => error.into(),
                })?;
            if own.provider == provider.name() {
                return Ok(own.id);
            }
        }
        None => {}
    }
    let default = app
        .store
        .default_credential(&agent.org, provider.name())
        .await?;
    match default {
        Some(default) => Ok(default.id),
        None => managed(app, provider).ok_or_else(|| nothing(provider)),
    }
}

fn managed(app: &App, provider: Provider) -> Option<String> {
    app.config
        .models
        .managed_key(provider)
        .map(|_| MANAGED.to_owned())
}

fn not_enabled(provider: Provider) -> Problem {
    let (name, variable) = words(provider);
    let message = format!(
        "the agent uses the server's own {name} key, and the server has none: start it with {variable}, \
         or give the agent a `credential`"
    );
    Problem::new(Code::ManagedUnavailable, message)
}

fn nothing(provider: Provider) -> Problem {
    let (name, variable) = words(provider);
    let message = format!(
        "there is no {name} key: give the agent a `key`, make a default one with \
         POST /v3/credentials {{\"provider\":\"{name}\",\"key\":\"…\",\"is_default\":true}}, or start the server with {variable}"
    );
    Problem::new(Code::NoCredential, message)
}

fn gone(agent: &AgentRow, id: &str) -> Problem {
    let message = format!(
        "the agent's credential {id} was deleted: PATCH /v3/agents/{} with another `credential`, or null for the org's default",
        agent.id
    );
    Problem::new(Code::NoCredential, message)
}

fn words(provider: Provider) -> (&'static str, &'static str) {
    match provider {
        Provider::Anthropic | Provider::Test => ("anthropic", "ANTHROPIC_API_KEY"),
        Provider::OpenAi => ("openai", "OPENAI_API_KEY"),
    }
}
