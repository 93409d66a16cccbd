//! What a destination is to be, as it is asked for.

use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;
use session::Level;
use session::id::Noun;
use store::{DestinationChange, NewDestination};
use utoipa::ToSchema;

use crate::app::App;
use crate::clock;
use crate::http::field::need;
use crate::http::json::Sent;
use crate::http::problem::Problem;

/// Most bytes of an address, of a secret, and of a type.
const URL: usize = 2048;
const SECRET: usize = 1024;
const TYPE: usize = 64;
/// Most types.
const TYPES: usize = 32;

/// A destination to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateDestination {
    /// Where webhooks go: `https://…`.
    #[schema(value_type = String, required = true)]
    url: Option<String>,
    /// What signs; write-only. Without it nothing is signed.
    #[schema(nullable = false)]
    secret: Option<String>,
    /// `user` (the default), `progress` or `internal`.
    #[schema(nullable = false)]
    level: Option<String>,
    /// Types such as `agent.message` or `turn.*`; all by default.
    types: Option<Vec<String>>,
    /// Whether `body.raw` is told, too; not by default.
    #[schema(nullable = false)]
    include_raw: Option<bool>,
    /// Whether it is told anything; by default it is.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// What of a destination is to be another.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateDestination {
    /// Where webhooks go.
    #[schema(nullable = false)]
    url: Option<String>,
    /// Replaces the secret, which signs on beside this one for 24 hours; null signs no more after that.
    secret: Option<String>,
    /// `user`, `progress` or `internal`.
    #[schema(nullable = false)]
    level: Option<String>,
    /// Types; null for all.
    types: Option<Vec<String>>,
    /// Whether `body.raw` is told, too.
    #[schema(nullable = false)]
    include_raw: Option<bool>,
    /// Whether it is told anything.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

impl CreateDestination {
    /// One of this address, and nothing special.
    #[must_use]
    pub fn of(url: String) -> Self {
        Self {
            url: Some(url),
            ..Self::default()
        }
    }
}

/// The destination that is asked for; `at` stands before the names of its fields.
///
/// # Errors
/// 422 that names the field that is wrong.
pub fn new(app: &App, wanted: CreateDestination, at: &str) -> Result<NewDestination, Problem> {
    let field = |name: &str| format!("{at}{name}");
    let asked = need(wanted.url, &field("url"))?;
    Ok(NewDestination {
        id: clock::fresh(Noun::Destination),
        url: url(app, asked, &field("url"))?,
        level: wanted
            .level
            .map_or(Ok(Level::User), |name| level(&name, &field("level")))?,
        types: wanted
            .types
            .map(|list| types(list, &field("types")))
            .transpose()?,
        include_raw: wanted.include_raw.unwrap_or(false),
        enabled: wanted.enabled.unwrap_or(true),
        secret: wanted
            .secret
            .map(|text| secret(text, &field("secret")))
            .transpose()?,
    })
}

/// The change that is asked for.
///
/// # Errors
/// 422 that names the field that is wrong.
pub fn changed(app: &App, sent: &Sent) -> Result<DestinationChange, Problem> {
    let wanted: UpdateDestination = sent.parse()?;
    let types = match wanted.types {
        Some(list) => Some(Some(types(list, "types")?)),
        None => sent.has("types").then_some(None),
    };
    let secret = match wanted.secret {
        Some(text) => Some(Some(secret(text, "secret")?)),
        None => sent.has("secret").then_some(None),
    };
    Ok(DestinationChange {
        url: wanted.url.map(|text| url(app, text, "url")).transpose()?,
        level: wanted.level.map(|name| level(&name, "level")).transpose()?,
        types,
        include_raw: wanted.include_raw,
        enabled: wanted.enabled,
        secret,
    })
}

/// An address that webhooks may go to, as far as can be told without looking: where
/// its name leads is judged at each attempt.
fn url(app: &App, text: String, field: &str) -> Result<String, Problem> {
    let private = app.config.sandboxes.allow_private;
    let url =
        read(&text, private).map_err(|why| Problem::invalid(field, format!("`{field}` {why}")))?;
    app.post.may_be(&url).map_err(|reason| {
        let message = format!("`{field}` leads to a {} address", reason.as_str());
        Problem::invalid(field, message)
    })?;
    Ok(text)
}

fn read(text: &str, private: bool) -> Result<Url, &'static str> {
    if text.len() > URL {
        return Err("must have at most 2048 characters");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("must not hold spaces or control characters");
    }
    let url =
        Url::parse(text).map_err(|_| "must be an address such as https://example.com/hook")?;
    match url.scheme() {
        "https" => {}
        "http" if private => {}
        _ => return Err("must begin with https://"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not hold a user or a password; give a `secret` to verify signatures with",
        );
    }
    if url.port() == Some(0) {
        return Err("must have a port above 0");
    }
    Ok(url)
}

fn level(name: &str, field: &str) -> Result<Level, Problem> {
    Level::named(name).ok_or_else(|| {
        let names = Level::ALL.map(Level::name).join(", ");
        Problem::invalid(field, format!("`{field}` must be one of {names}"))
    })
}

fn types(list: Vec<String>, field: &str) -> Result<Vec<String>, Problem> {
    if list.is_empty() || list.len() > TYPES {
        let message = format!("`{field}` must hold 1 to {TYPES} types, or be null for all");
        return Err(Problem::invalid(field, message));
    }
    let good = |text: &String| {
        let stem = text.strip_suffix(".*").unwrap_or(text);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        !stem.is_empty() && text.len() <= TYPE && stem.chars().all(plain)
    };
    match list.iter().position(|text| !good(text)) {
        None => Ok(list),
        Some(at) => {
            let entry = format!("{field}[{at}]");
            let message = format!("`{entry}` must be a type such as agent.message or turn.*");
            Err(Problem::invalid(&entry, message))
        }
    }
}

fn secret(text: String, field: &str) -> Result<SecretString, Problem> {
    let bad = if text.is_empty() {
        "must not be empty"
    } else if text.len() > SECRET {
        "must have at most 1024 characters"
    } else if text.chars().any(char::is_control) {
        "must not hold control characters"
    } else {
        return Ok(SecretString::from(text));
    };
    Err(Problem::invalid(field, format!("`{field}` {bad}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_unless_private_ones_are_let_through() {
        for (text, closed, open) in [
            ("https://example.com/hook?x=1", true, true),
            ("http://example.com/", false, true),
            ("http://127.0.0.1:9/", false, true),
            ("ftp://example.com/", false, false),
            ("file:///etc/passwd", false, false),
            ("example.com", false, false),
            ("https://", false, false),
            ("https://user:pw@example.com/", false, false),
            ("https://example.com:0/", false, false),
            ("https://exa mple.com/", false, false),
            ("", false, false),
        ] {
            assert_eq!(read(text, false).is_ok(), closed, "{text}");
            assert_eq!(read(text, true).is_ok(), open, "{text}");
        }
        assert!(read(&format!("https://x.test/{}", "x".repeat(URL)), true).is_err());
    }

    #[test]
    fn types_are_names_or_beginnings_of_names() {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        assert!(types(list(&["agent.message", "turn.*"]), "types").is_ok());
        for bad in ["", "*", ".*", "a b", "*.message", "tool.*.x"] {
            let problem = types(list(&["turn.*", bad]), "types").unwrap_err();
            assert_eq!(problem.param.as_deref(), Some("types[1]"), "{bad}");
        }
        assert!(types(Vec::new(), "types").is_err());
        assert!(types(vec!["x".to_owned(); TYPES + 1], "types").is_err());
    }

    #[test]
    fn a_refused_secret_is_not_repeated() {
        let long = "canary".repeat(SECRET);
        for text in ["", "canary\n", &long] {
            let problem = secret(text.to_owned(), "secret").unwrap_err();
            assert!(!problem.message.contains("canary"), "{}", problem.message);
        }
        assert!(secret("any text at all".to_owned(), "secret").is_ok());
    }
}
