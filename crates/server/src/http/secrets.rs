//! Secrets as every face takes them: what a name, a value and a list of hosts
//! must be, and how an agent's own are kept. How each face spells them is told by
//! the face.

use egress::HostPattern;
use secrecy::{ExposeSecret, SecretString};
use session::id::Noun;
use store::{AgentRow, NewSecret, NewSecretStore, SecretRow};

use super::problem::{Problem, named};
use crate::app::App;
use crate::clock;
use crate::gate::own_store;

/// Most characters of a name.
const NAME: usize = 128;
/// Most bytes of a value.
const VALUE: usize = 64 * 1024;
/// Most hosts of a list.
const HOSTS: usize = 256;
/// What the platform's own variables begin with.
const OURS: &str = "OC_";

/// The name of a secret: that of a variable, and none of ours.
///
/// # Errors
/// 422 naming the field.
fn name(text: String, field: &str) -> Result<String, Problem> {
    let mut bytes = text.bytes();
    let begins = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !bytes.next().is_some_and(begins) || !bytes.all(goes_on) || text.len() > NAME {
        let message = format!(
            "`{field}` must be the name of a variable, such as GITHUB_TOKEN: letters, digits and _, \
             no digit first, at most {NAME}"
        );
        return Err(Problem::invalid(field, message));
    }
    if text.starts_with(OURS) {
        let message =
            format!("`{field}` must not begin with {OURS}: such names are the platform's");
        return Err(Problem::invalid(field, message));
    }
    Ok(text)
}

/// The value of a secret: it goes into a header, so it is one line.
///
/// # Errors
/// 422 naming the field; never with a part of the value.
fn value(text: Option<String>) -> Result<SecretString, Problem> {
    let text = SecretString::from(text.unwrap_or_default());
    let plain = text.expose_secret();
    let wrong = |what: &str| Err(Problem::invalid("value", format!("`value` {what}")));
    if plain.is_empty() {
        return wrong("is required, and must not be empty");
    }
    if plain.len() > VALUE {
        return wrong(&format!("must be at most {VALUE} bytes"));
    }
    if plain.chars().any(|c| c.is_control() && c != '\t') {
        return wrong(
            "must be one line without control characters, because it is sent in headers; \
             encode a longer text, as Base64 for instance",
        );
    }
    Ok(text)
}

/// A list of hosts, each in its one spelling.
///
/// # Errors
/// 422 naming the entry and what would be right.
pub fn hosts(list: Vec<String>, field: &str) -> Result<Vec<String>, Problem> {
    if list.len() > HOSTS {
        return Err(Problem::invalid(
            field,
            format!("`{field}` must have at most {HOSTS} hosts"),
        ));
    }
    let mut hosts: Vec<String> = Vec::with_capacity(list.len());
    for (at, text) in list.iter().enumerate() {
        let entry = format!("{field}[{at}]");
        let host: HostPattern = text.parse().map_err(|error| {
            let message = format!("`{entry}`: {error}; without scheme, port or path");
            Problem::invalid(&entry, message)
        })?;
        let host = host.to_string();
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Ok(hosts)
}

/// The agent of that id or name.
///
/// # Errors
/// 404 if the org has none.
pub async fn agent(app: &App, org: &str, asked: &str) -> Result<AgentRow, Problem> {
    match app.store.agent(org, asked).await {
        Err(store::Error::NotFound) => app.store.agent_by_name(org, asked).await,
        found => found,
    }
    .map_err(named("agent", asked))
}

/// How a face calls what a secret is set with, for its errors.
pub struct Fields {
    /// The secret's name.
    pub name: &'static str,
    /// The hosts that may be given the value.
    pub hosts: &'static str,
}

impl Fields {
    /// A secret to be set, now, as it was asked for.
    ///
    /// # Errors
    /// 422 that names the field that is wrong.
    pub fn read(
        &self,
        name: String,
        value: Option<String>,
        allowed: Option<Vec<String>>,
    ) -> Result<NewSecret, Problem> {
        let hosts = allowed.map(|list| hosts(list, self.hosts)).transpose()?;
        Ok(NewSecret {
            id: clock::fresh(Noun::Secret),
            name: self::name(name, self.name)?,
            value: self::value(value)?,
            hosts,
            at: clock::now(),
        })
    }
}

/// Sets a secret of an agent's own; the first one makes the store.
///
/// # Errors
/// 404 if the org has no such agent.
pub async fn set_own(
    app: &App,
    org: String,
    asked: &str,
    new: NewSecret,
) -> Result<SecretRow, Problem> {
    let agent = agent(app, &org, asked).await?;
    let store = NewSecretStore {
        id: clock::fresh(Noun::SecretStore),
        org,
        name: own_store(&agent.id),
        allowlist: Vec::new(),
        at: new.at,
    };
    Ok(app.store.put_secret_in(store, new).await?)
}

/// An agent's own secrets, by name.
///
/// # Errors
/// 404 if the org has no such agent.
pub async fn own(app: &App, org: &str, asked: &str) -> Result<Vec<SecretRow>, Problem> {
    let agent = agent(app, org, asked).await?;
    let name = own_store(&agent.id);
    match app.store.secret_store_by_name(org, &name).await {
        Ok(store) => Ok(app.store.secrets(org, &store.id).await?),
        Err(store::Error::NotFound) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Deletes a secret of an agent's own.
///
/// # Errors
/// 404 if the org has no such agent, or it no such secret.
pub async fn delete_own(app: &App, org: &str, asked: &str, name: &str) -> Result<(), Problem> {
    let agent = agent(app, org, asked).await?;
    let own = own_store(&agent.id);
    let store = app.store.secret_store_by_name(org, &own).await;
    let store = store.map_err(named("secret", name))?;
    let deleted = app.store.delete_secret(org, &store.id, name, clock::now());
    deleted.await.map_err(named("secret", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_variable_s_and_not_ours() {
        let long = "x".repeat(NAME + 1);
        for (text, good) in [
            ("GITHUB_TOKEN", true),
            ("_x", true),
            ("a1", true),
            ("", false),
            ("1A", false),
            ("A-B", false),
            ("A B", false),
            ("Ä", false),
            ("A\n", false),
            ("OC_TOKEN", false),
            ("OCTOPUS", true),
            (&long, false),
        ] {
            assert_eq!(name(text.to_owned(), "name").is_ok(), good, "{text:?}");
        }
    }

    #[test]
    fn a_value_is_one_line_and_a_refusal_does_not_repeat_it() {
        let long = "x".repeat(VALUE + 1);
        for (text, good) in [
            ("ghp_1", true),
            ("a b\tc é", true),
            (&long[1..], true),
            (&long, false),
            ("", false),
            ("canary\r\nx: y", false),
            ("canary\n", false),
            ("canary\0", false),
            ("canary\u{85}", false),
        ] {
            match value(Some(text.to_owned())) {
                Ok(kept) => assert!(good && kept.expose_secret() == text, "{text:?}"),
                Err(problem) => {
                    assert!(!good, "{text:?}");
                    assert!(!problem.message.contains("canary"), "{}", problem.message);
                    assert_eq!(problem.param.as_deref(), Some("value"));
                }
            }
        }
        assert!(value(None).is_err());
    }

    #[test]
    fn a_host_has_one_spelling_and_a_wrong_one_is_named() {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let same = ["API.Example.com.", "api.example.com", "*.Example.com"];
        assert_eq!(
            hosts(list(&same), "allowed_hosts").unwrap(),
            ["api.example.com", "*.example.com"]
        );
        for wrong in [
            "https://example.com",
            "example.com:443",
            "example.com/x",
            "*",
            "",
            "a.*.com",
        ] {
            let problem = hosts(list(&["ok.test", wrong]), "allowed_hosts").unwrap_err();
            assert_eq!(problem.param.as_deref(), Some("allowed_hosts[1]"));
            assert!(
                problem.message.contains("*.example.com"),
                "{}",
                problem.message
            );
        }
        assert!(hosts(vec!["a.test".to_owned(); HOSTS + 1], "x").is_err());
    }
}
