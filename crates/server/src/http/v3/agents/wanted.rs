//! From a request to an agent, or to a change of one: what its fields must be.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use session::id::Noun;
use session::{Limits, ModelRef, Provider};
use sha2::{Digest, Sha256};
use store::{AgentChange, AgentRow, NewAgent, NewCredential, Policy};
use utoipa::ToSchema;

use super::egress::EgressObject;
use super::policy::{CapsIn, policy};
use super::runtime;
use crate::app::App;
use crate::clock;
use crate::http::field::{Object, need, short};
use crate::http::json::Sent;
use crate::http::problem::Problem;
use crate::http::v3::limits::LimitsIn;
use crate::http::v3::price;

/// Most characters of a name.
const NAME: usize = 128;
/// What stands for the server's own key.
pub const MANAGED: &str = "managed";

/// An agent to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateAgent {
    /// Unique within the org; the same request again finds the agent of that name.
    #[schema(value_type = String, required = true)]
    name: Option<String>,
    /// The system prompt.
    #[schema(value_type = String, required = true)]
    prompt: Option<String>,
    /// `provider/name`, or a bare name of the runtime's own provider.
    #[schema(value_type = String, required = true, example = "anthropic/claude-opus-4-8")]
    model: Option<String>,
    /// `native` (the default).
    #[schema(nullable = false)]
    runtime: Option<String>,
    /// A model key; becomes a credential, attached. Write-only.
    #[schema(nullable = false, write_only)]
    key: Option<String>,
    /// `managed` or a credential's id; without it, the org's default.
    #[schema(nullable = false)]
    credential: Option<String>,
    /// Defaults for its sessions.
    #[schema(value_type = LimitsIn, required = false)]
    limits: Option<Object<LimitsIn>>,
    /// What becomes of a tool call whose outcome is unknown after a crash: `report`
    /// (the default: the model is told) or `retry` (it is run again), for every
    /// tool or as an object of tools.
    #[expect(dead_code, reason = "read by the policy, and described here")]
    #[schema(value_type = OnInterrupt, required = false)]
    on_interrupt: Option<serde_json::Value>,
    /// What all its sessions together may use.
    #[expect(dead_code, reason = "read by the policy, and described here")]
    #[schema(value_type = CapsIn, required = false)]
    caps: Option<serde_json::Value>,
    /// What the sandboxes of its sessions may reach: `open` (the default: the public
    /// internet), `none`, or `{"allowlist": […]}`.
    #[expect(dead_code, reason = "read by the policy, and described here")]
    #[schema(value_type = EgressObject, required = false)]
    egress: Option<serde_json::Value>,
    /// The store, by its name, whose secrets they are given besides the agent's own.
    #[expect(dead_code, reason = "read by the policy, and described here")]
    #[schema(nullable = false)]
    secret_store: Option<String>,
}

/// A change of an agent; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateAgent {
    /// Another system prompt: makes a revision and activates it.
    #[schema(nullable = false)]
    prompt: Option<String>,
    /// Another model: makes a revision and activates it.
    #[schema(nullable = false)]
    model: Option<String>,
    /// A new value for the attached credential. Write-only.
    #[schema(nullable = false, write_only)]
    key: Option<String>,
    /// `managed`, a credential's id, or null for the org's default.
    credential: Option<String>,
    /// Other limits, in place of all there are.
    #[schema(value_type = LimitsIn, required = false)]
    limits: Option<Object<LimitsIn>>,
    /// What becomes of a tool call whose outcome is unknown; null for `report`.
    #[expect(dead_code, reason = "read by the policy, and described here")]
    #[schema(value_type = Option<OnInterrupt>)]
    on_interrupt: Option<serde_json::Value>,
    /// Other caps, in place of all there are; null for none.
    #[expect(dead_code, reason = "read by the policy, and described here")]
    #[schema(value_type = Option<CapsIn>)]
    caps: Option<serde_json::Value>,
    /// What the sandboxes of its coming sessions may reach; null for `open`.
    #[expect(dead_code, reason = "read by the policy, and described here")]
    #[schema(value_type = Option<EgressObject>)]
    egress: Option<serde_json::Value>,
    /// Another store, by its name; null for none.
    #[expect(dead_code, reason = "read by the policy, and described here")]
    secret_store: Option<String>,
}

/// A word for every tool, or for each of some.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub enum OnInterrupt {
    /// `report` or `retry`, for every tool.
    Every(String),
    /// The same by tool; `*` is every tool that is not named.
    ByTool(std::collections::BTreeMap<String, String>),
}

/// The agent that a request wants.
///
/// # Errors
/// 422 naming the field.
pub async fn new_agent(app: &App, org: String, sent: &Sent) -> Result<NewAgent, Problem> {
    let wanted: CreateAgent = sent.parse()?;
    let policy = policy(sent, Policy::default())?;
    let name = short(need(wanted.name, "name")?, "name", NAME)?;
    let runtime = runtime::known(&app.runtimes(), wanted.runtime.as_deref())?;
    let model = model(need(wanted.model, "model")?, &runtime)?;
    let prompt = prompt(need(wanted.prompt, "prompt")?)?;
    let limits = wanted.limits.map(|limits| limits.0.into());
    let limits: Limits = limits.unwrap_or_default();
    let prices = price::of(app, &model);
    price::needed(prices, &model, &limits)?;
    price::capped(prices, &model, &policy.caps)?;
    store_exists(app, &org, sent, &policy).await?;
    let credential = credential(app, &org, wanted.credential, wanted.key.as_deref()).await?;
    Ok(NewAgent {
        id: clock::fresh(Noun::Agent),
        revision: clock::fresh(Noun::Revision),
        name,
        runtime,
        prompt_hash: hash(&prompt),
        prompt,
        key: wanted
            .key
            .map(|key| brought(key, model.provider))
            .transpose()?,
        model: model.to_string(),
        limits,
        policy,
        credential,
        org,
        at: clock::now(),
    })
}

/// The change that a request wants.
///
/// # Errors
/// 422 naming the field.
pub async fn change(app: &App, before: &AgentRow, sent: &Sent) -> Result<AgentChange, Problem> {
    if let Some(fixed) = ["name", "runtime"]
        .into_iter()
        .find(|field| sent.has(field))
    {
        return Err(Problem::invalid(
            fixed,
            format!("`{fixed}` cannot be changed; create another agent"),
        ));
    }
    let wanted: UpdateAgent = sent.parse()?;
    if wanted.key.is_some() && sent.has("credential") {
        // Null, too: it takes away the credential that the key is for.
        return Err(both());
    }
    let model = wanted
        .model
        .map(|text| model(text, &before.runtime))
        .transpose()?;
    let runs = match &model {
        Some(model) => model.clone(),
        None => self::model(before.active.model.clone(), &before.runtime)?,
    };
    let provider = runs.provider;
    let limits = wanted.limits.map(|limits| limits.0.into());
    let policy = policy(sent, before.policy.clone())?;
    let prices = price::of(app, &runs);
    price::needed(prices, &runs, &limits.unwrap_or(before.limits))?;
    price::capped(prices, &runs, &policy.caps)?;
    store_exists(app, &before.org, sent, &policy).await?;
    let found = credential(app, &before.org, wanted.credential, wanted.key.as_deref()).await?;
    Ok(AgentChange {
        revision: clock::fresh(Noun::Revision),
        prompt: wanted
            .prompt
            .map(prompt)
            .transpose()?
            .map(|text| (text.clone(), hash(&text))),
        model: model.map(|model| model.to_string()),
        skills: None,
        credential: sent.has("credential").then_some(found),
        limits,
        policy: Some(policy),
        key: wanted.key.map(|key| brought(key, provider)).transpose()?,
        at: clock::now(),
    })
}

/// The model of that text on that runtime.
pub fn model(text: String, runtime: &str) -> Result<ModelRef, Problem> {
    let text = short(text, "model", NAME)?;
    ModelRef::parse(&text, runtime).map_err(|error| Problem::invalid("model", error.to_string()))
}

fn prompt(text: String) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::invalid("prompt", "`prompt` must not be empty"));
    }
    Ok(text)
}

/// Refuses a store that a request names and the org has not.
async fn store_exists(app: &App, org: &str, sent: &Sent, policy: &Policy) -> Result<(), Problem> {
    let Some(name) = policy
        .secret_store
        .as_deref()
        .filter(|_| sent.has("secret_store"))
    else {
        return Ok(());
    };
    match app.store.secret_store_by_name(org, name).await {
        Ok(_) => Ok(()),
        Err(store::Error::NotFound) => Err(Problem::invalid(
            "secret_store",
            format!("there is no secret store named `{name}`; create it first"),
        )),
        Err(error) => Err(error.into()),
    }
}

/// The credential that a request names, checked to be there.
async fn credential(
    app: &App,
    org: &str,
    wanted: Option<String>,
    key: Option<&str>,
) -> Result<Option<String>, Problem> {
    let Some(id) = wanted else { return Ok(None) };
    if key.is_some() {
        return Err(both());
    }
    if id != MANAGED {
        let id = short(id.clone(), "credential", NAME)?;
        app.store
            .credential(org, &id)
            .await
            .map_err(|error| match error {
                store::Error::NotFound => {
                    Problem::invalid("credential", format!("there is no credential {id}"))
                }
                error => error.into(),
            })?;
    }
    Ok(Some(id))
}

fn both() -> Problem {
    Problem::invalid("key", "give `key` or `credential`, not both")
}

/// A key that came with a request, as a credential of its own.
fn brought(key: String, provider: Provider) -> Result<NewCredential, Problem> {
    Ok(NewCredential {
        id: clock::fresh(Noun::Credential),
        provider: provider.name().to_owned(),
        name: None,
        secret: secret(key)?,
        default: false,
        at: clock::now(),
    })
}

/// A model key: one line of visible text, since it becomes a header.
pub fn secret(key: String) -> Result<SecretString, Problem> {
    let key = key.trim();
    if key.is_empty() || key.len() > 4096 || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::invalid(
            "key",
            "`key` must be a model key: visible ASCII characters without spaces",
        ));
    }
    Ok(SecretString::from(key))
}

/// `sha256:` and the hex digest.
pub fn hash(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold("sha256:".to_owned(), |mut hex, byte| {
            use std::fmt::Write;
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_normalised_or_refused_by_name() {
        assert_eq!(
            model("claude-opus-4-8".into(), "native")
                .unwrap()
                .to_string(),
            "anthropic/claude-opus-4-8"
        );
        for bad in ["", "acme/x", "anthropic/", "a\nb"] {
            assert_eq!(
                model(bad.into(), "native").unwrap_err().param.as_deref(),
                Some("model"),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_key_is_one_line_of_visible_text() {
        for (key, good) in [
            (" sk-1\n", true),
            ("", false),
            ("a b", false),
            ("sk-\u{e9}", false),
            ("a\r\nx: y", false),
        ] {
            assert_eq!(secret(key.to_owned()).is_ok(), good, "{key:?}");
        }
    }

    #[test]
    fn a_hash_names_its_algorithm() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash(""), empty);
    }
}
