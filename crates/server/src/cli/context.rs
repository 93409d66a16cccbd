//! What every command is given: how to speak, and which server to ask with
//! which key.

use serde_json::Value;

use super::api::{Answer, Api, Ask, plain};
use super::error::CliError;
use super::home::Home;
use super::out::Out;
use super::progress::during;
use super::{paint, table};

/// How to speak and whom to ask.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub out: Out,
    /// The server's address, if it was given.
    pub url: Option<String>,
    /// The key, if one was given.
    pub key: Option<String>,
}

/// A server, and perhaps a key for it.
#[derive(Debug)]
pub(super) struct Place {
    pub url: String,
    pub key: Option<String>,
}

/// Where a server listens that was told nothing.
const HERE: &str = "http://127.0.0.1:8080";

impl Context {
    /// The server, with a key.
    pub(super) fn api(&self) -> Result<Api, CliError> {
        let place = self.place(&Home::load()?);
        if place.key.is_none() {
            return Err(CliError::Local(
                "no API key: run `oc login`, set OPENCOMPUTER_API_KEY or give --api-key. `oc key create` makes a key on the server's machine".to_owned(),
            ));
        }
        Api::new(&place.url, place.key.as_deref())
    }

    /// What was given, else what is remembered. A remembered key goes to the
    /// address it is remembered for, and nowhere else.
    pub(super) fn place(&self, home: &Home) -> Place {
        let kept = home.url().unwrap_or(HERE);
        let url = given(self.url.as_ref()).unwrap_or(kept);
        let theirs = || home.get("api_key").filter(|_| plain(url) == plain(kept));
        Place {
            url: url.to_owned(),
            key: given(self.key.as_ref()).or_else(theirs).map(str::to_owned),
        }
    }

    /// Asks the server; tells what it is doing when that takes long.
    pub(super) async fn ask(&self, what: &str, ask: Ask<'_>) -> Result<Answer, CliError> {
        during(self.out, what, self.api()?.send(ask)).await
    }

    /// Shows an answer: word for word for programs, else as `words` says.
    pub(super) fn show(
        &self,
        answer: &Answer,
        words: impl FnOnce(&Value) -> String,
    ) -> Result<(), CliError> {
        if self.out.json {
            self.out.line(answer.text.trim_end())
        } else {
            self.out.line(&words(&answer.value))
        }
    }

    /// Shows a list that has no pages.
    pub(super) fn list(
        &self,
        answer: &Answer,
        heading: &[&str],
        row: impl Fn(&Value) -> Vec<String>,
        none: &str,
    ) -> Result<(), CliError> {
        self.show(answer, |list| {
            let rows = list
                .as_array()
                .map(|items| items.iter().map(row).collect())
                .unwrap_or_default();
            table::columns(self.out.paint, heading, rows, none)
        })
    }

    /// Shows a page of a list, and how to get the next one.
    pub(super) fn page(
        &self,
        answer: &Answer,
        heading: &[&str],
        row: impl Fn(&Value) -> Vec<String>,
        none: &str,
    ) -> Result<(), CliError> {
        self.show(answer, |page| {
            let rows = page["data"]
                .as_array()
                .map(|items| items.iter().map(row).collect())
                .unwrap_or_default();
            table::columns(self.out.paint, heading, rows, none)
        })?;
        if let Some(cursor) = answer.value["next_cursor"].as_str() {
            self.out.note(&format!(
                "There are more: --cursor {}",
                paint::clean(cursor)
            ));
        }
        Ok(())
    }
}

/// An empty value is an absent one.
fn given(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|text| !text.is_empty())
}

/// A field as text for people: `-` where there is none.
pub(super) fn field(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => "-".to_owned(),
        Value::Object(map) if map.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A moment as text for people, to the second.
pub(super) fn moment(value: &Value, name: &str) -> String {
    let text = field(value, name);
    match text.split_once('T') {
        Some((day, time)) => format!("{day} {}", time.get(..8).unwrap_or(time)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_and_moments_are_shown_for_people() {
        let value = json!({ "a": "x", "n": 3, "z": null, "e": {}, "at": "2026-01-02T03:04:05.678Z", "odd": "soon" });
        for (name, want) in [
            ("a", "x"),
            ("n", "3"),
            ("z", "-"),
            ("e", "-"),
            ("none", "-"),
        ] {
            assert_eq!(field(&value, name), want);
        }
        assert_eq!(moment(&value, "at"), "2026-01-02 03:04:05");
        assert_eq!(moment(&value, "odd"), "soon");
    }
}
