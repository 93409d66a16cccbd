//! What a receiver is sent: an envelope around the event as every reader of the log
//! sees it, never the part that only the brain may read.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use session::id;
use store::{Logged, Taken};

use crate::http::event_json;

/// An event on its way to a receiver.
pub(super) struct Letter {
    /// The event's id: the same at every attempt.
    pub(super) event: String,
    /// The delivery's id.
    pub(super) delivery: String,
    /// The session's id.
    pub(super) session: String,
    /// What is sent, byte for byte.
    pub(super) body: Bytes,
}

/// The envelope. It alone is in camel case.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    session_id: &'a str,
    event_id: &'a str,
    metadata: Option<&'a RawValue>,
    event: &'a RawValue,
}

impl Letter {
    /// The event as this destination is to see it.
    ///
    /// # Errors
    /// If what the store holds is no JSON.
    pub(super) fn new(taken: &Taken, logged: &Logged) -> Result<Self, serde_json::Error> {
        let stripped = stripped(taken.include_raw, logged);
        let text = event_json(stripped.as_ref().unwrap_or(logged));
        let envelope = Envelope {
            kind: &logged.event.draft.kind,
            session_id: &taken.session,
            event_id: &logged.event.id,
            metadata: taken
                .metadata
                .as_deref()
                .map(serde_json::from_str)
                .transpose()?,
            event: serde_json::from_slice(&text)?,
        };
        Ok(Self {
            event: logged.event.id.clone(),
            delivery: id::delivery(&taken.destination, logged.event.seq),
            session: taken.session.clone(),
            body: serde_json::to_vec(&envelope)?.into(),
        })
    }
}

/// The event without what its sender had attached, unless that is asked for or there
/// is nothing.
fn stripped(include_raw: bool, logged: &Logged) -> Option<Logged> {
    let mut event = logged.event.clone();
    let raw = if include_raw {
        None
    } else {
        event.draft.body.remove("raw")
    };
    raw.map(|_| Logged::new(event))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use session::Millis;
    use session::fact::{Fact, Message};
    use store::Pending;

    use super::*;

    fn taken(include_raw: bool, metadata: Option<&str>) -> Taken {
        Taken {
            destination: "dst_ab".to_owned(),
            org: "org_1".to_owned(),
            session: "ses_1".to_owned(),
            url: String::new(),
            include_raw,
            secrets: Ok(Vec::new()),
            metadata: metadata.map(str::to_owned),
            due: vec![Pending {
                seq: 7,
                round: 0,
                tries: 0,
            }],
        }
    }

    fn logged() -> Logged {
        let fact = Fact::UserMessage(Message {
            text: "hi".to_owned(),
            raw: Some(json!({ "secret": 1 })),
            ..Message::default()
        });
        let mut draft = fact.draft("ses_1", None);
        draft.private = Some("{\"thinking\":1}".to_owned());
        Logged::new(draft.at("ses_1", 7, Millis(0)))
    }

    #[test]
    fn the_envelope_is_the_contract_s_and_metadata_is_verbatim() {
        let metadata = "{\"b\": 1.50,\"a\":\"x\"}";
        let letter = Letter::new(&taken(false, Some(metadata)), &logged()).unwrap();
        let text = std::str::from_utf8(&letter.body).unwrap();
        assert!(text.contains(&format!("\"metadata\":{metadata}")), "{text}");
        assert!(
            !text.contains("thinking") && !text.contains("secret"),
            "{text}"
        );
        let body: Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            (&body["type"], &body["sessionId"], &body["eventId"]),
            (&json!("user.message"), &json!("ses_1"), &json!("evt_1_7"))
        );
        assert_eq!(body["event"]["seq"], 7);
        assert_eq!((&*letter.event, &*letter.delivery), ("evt_1_7", "dlv_ab_7"));
        let none = Letter::new(&taken(false, None), &logged()).unwrap();
        let body: Value = serde_json::from_slice(&none.body).unwrap();
        assert_eq!(body["metadata"], Value::Null);
    }

    #[test]
    fn what_its_sender_attached_is_told_only_where_it_is_asked_for() {
        let with = Letter::new(&taken(true, None), &logged()).unwrap();
        let body: Value = serde_json::from_slice(&with.body).unwrap();
        assert_eq!(body["event"]["body"]["raw"], json!({ "secret": 1 }));
    }
}
