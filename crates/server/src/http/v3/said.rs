//! A message as it is sent (contract v3 §11): a text, or an envelope with more
//! than a text. The first input of a session and every later message are this.

use serde::Deserialize;
use serde_json::{Map, Value};
use session::Command;
use session::fact::Message;
use utoipa::ToSchema;

use crate::http::field::{need, short};
use crate::http::problem::Problem;

/// Most characters of a key.
pub const KEY: usize = 512;

/// The first input of a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Input {
    /// A text.
    Text(String),
    /// More than a text.
    Envelope(Envelope),
}

/// A message with what belongs to it.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct Envelope {
    /// What is said.
    #[schema(value_type = String, required = true)]
    text: Option<String>,
    /// Anything the sender wants kept with it; the model does not see it.
    #[schema(value_type = Object, required = false)]
    raw: Option<Value>,
    /// Makes the message be said once, however often it is sent.
    #[schema(nullable = false)]
    id: Option<String>,
    /// The same as `id`.
    #[schema(nullable = false)]
    idempotency_key: Option<String>,
    /// Where it came from, such as `github`.
    #[schema(nullable = false)]
    source: Option<String>,
    /// The conversation it belongs to there: `source`, `ref`.
    #[schema(value_type = Object, required = false)]
    conversation: Option<Map<String, Value>>,
    /// Links, kept with the event.
    #[schema(value_type = Object, required = false)]
    refs: Option<Map<String, Value>>,
}

/// A message, ready to be a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// What makes it be said once.
    pub key: Option<String>,
    message: Message,
    refs: Map<String, Value>,
}

impl Said {
    /// A bare text. `at` is where the text stood in the request.
    ///
    /// # Errors
    /// 422 if there is nothing in it.
    pub fn text(text: String, at: &str) -> Result<Self, Problem> {
        if text.trim().is_empty() {
            return Err(Problem::invalid(at, format!("`{at}` must not be empty")));
        }
        let message = Message {
            text,
            ..Message::default()
        };
        Ok(Self {
            key: None,
            message,
            refs: Map::new(),
        })
    }

    /// An envelope that stood at `at`.
    ///
    /// # Errors
    /// 422 naming the field.
    pub fn envelope(envelope: Envelope, at: &str) -> Result<Self, Problem> {
        let path = format!("{at}.text");
        let mut said = Self::text(need(envelope.text, &path)?, &path)?;
        said.message.raw = envelope.raw;
        let key = envelope.idempotency_key.or(envelope.id);
        said.key = key
            .map(|key| short(key, &format!("{at}.id"), KEY))
            .transpose()?;
        said.refs = envelope.refs.unwrap_or_default();
        if let Some(source) = envelope.source {
            said.refs.insert("source".to_owned(), source.into());
        }
        if let Some(conversation) = envelope.conversation {
            said.refs
                .insert("conversation".to_owned(), conversation.into());
        }
        Ok(said)
    }

    /// The first input of a session.
    ///
    /// # Errors
    /// 422 naming the field.
    pub fn input(input: Input) -> Result<Self, Problem> {
        match input {
            Input::Text(text) => Self::text(text, "input"),
            Input::Envelope(envelope) => Self::envelope(envelope, "input"),
        }
    }

    /// The same message, cutting the step it finds running.
    #[must_use]
    pub fn interrupting(mut self, interrupt: bool) -> Self {
        self.message.interrupt = interrupt;
        self
    }

    /// The command to say it.
    #[must_use]
    pub fn command(&self) -> Command {
        Command::Send {
            message: self.message.clone(),
            actor: None,
            refs: self.refs.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope(value: Value) -> Result<Said, Problem> {
        Said::envelope(serde_json::from_value(value).unwrap(), "envelope")
    }

    #[test]
    fn an_envelope_lands_where_the_contract_says() {
        let said = envelope(
            json!({ "text": "hi", "raw": [1], "id": "m1", "source": "github",
            "conversation": { "source": "github", "ref": "7" }, "refs": { "pr": 7 } }),
        )
        .unwrap();
        assert_eq!(said.key.as_deref(), Some("m1"));
        let Command::Send {
            message,
            refs,
            actor,
        } = said.command()
        else {
            panic!("no message")
        };
        assert_eq!(
            (message.text.as_str(), message.raw),
            ("hi", Some(json!([1])))
        );
        let want = json!({ "pr": 7, "source": "github", "conversation": { "source": "github", "ref": "7" } });
        assert_eq!((Value::Object(refs), actor), (want, None));
    }

    #[test]
    fn a_message_without_a_text_is_refused_where_the_text_should_stand() {
        for value in [
            json!({}),
            json!({ "text": "" }),
            json!({ "text": " \n" }),
            json!({ "text": null }),
        ] {
            assert_eq!(
                envelope(value).unwrap_err().param.as_deref(),
                Some("envelope.text")
            );
        }
        assert_eq!(
            Said::text(String::new(), "input")
                .unwrap_err()
                .param
                .as_deref(),
            Some("input")
        );
    }

    #[test]
    fn the_explicit_key_wins_and_a_bad_one_is_refused() {
        let both = envelope(json!({ "text": "x", "id": "a", "idempotency_key": "b" })).unwrap();
        assert_eq!(both.key.as_deref(), Some("b"));
        assert!(envelope(json!({ "text": "x", "id": "" })).is_err());
    }
}
