//! An event on the wire. It is rendered once, as a frame of the stream; lists and
//! single reads show the part of the frame that is the event itself.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use session::{Actor, Draft, Event, Millis};
use store::Logged;
use utoipa::ToSchema;

use crate::clock;

/// A fact of a session: numbered, never changed.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventObject<'a> {
    /// Names the event for good.
    id: &'a str,
    /// From 1 within its session; no gaps.
    seq: u64,
    /// When it was appended; RFC 3339.
    ts: &'a str,
    /// The same as `ts`.
    created_at: &'a str,
    /// The session's id.
    session: &'a str,
    /// Who caused it.
    actor: ActorObject<'a>,
    /// What happened, such as `agent.message`.
    #[serde(rename = "type")]
    kind: &'a str,
    /// Who may want to see it.
    #[schema(value_type = String, example = "user")]
    level: &'static str,
    /// What is to be known of it; its fields follow from the type.
    #[schema(value_type = Object)]
    body: &'a Map<String, Value>,
    /// Links to things outside.
    #[schema(value_type = Object)]
    refs: &'a Map<String, Value>,
    /// Where it came from, if from outside: `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<&'static str>,
    /// The turn that produced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    turn_id: Option<&'a str>,
    /// Where the whole is, if the body shows only a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    content_ref: Option<String>,
    /// Whether the body shows only a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    body_truncated: Option<bool>,
    /// Bytes of the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    body_bytes: Option<u64>,
}

/// Who caused an event.
#[derive(Serialize, ToSchema)]
#[schema(as = Actor)]
pub struct ActorObject<'a> {
    /// An id in the actor's own terms.
    id: &'a str,
    /// `human`, `agent`, `system`, `trigger` or `schedule`.
    #[serde(rename = "type")]
    kind: &'a str,
    /// The same, for schedules.
    #[serde(rename = "kind", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    also: Option<&'a str>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    display: Option<&'a str>,
}

/// The event as a frame of the stream: number, data, blank line.
pub fn frame(logged: &Logged) -> Bytes {
    logged.wire.get_or_init(|| render(&logged.event)).clone()
}

/// The event alone, one line of JSON.
pub fn json(logged: &Logged) -> Bytes {
    let frame = frame(logged);
    let begin = head(logged.event.seq).len();
    frame.slice(begin..frame.len() - TAIL.len())
}

const TAIL: &str = "\n\n";

/// Moments in bodies, by type: the log counts milliseconds, the wire has RFC 3339.
const MOMENTS: [(&str, &[&str]); 4] = [
    ("session.waiting", &["/since", "/deadline"]),
    ("session.forked", &["/checkpoint/at"]),
    ("sandbox.restored", &["/made_at"]),
    ("tool.indeterminate", &["/started_at", "/checkpoint/at"]),
];

fn head(seq: u64) -> String {
    format!("id: {seq}\ndata: ")
}

fn render(event: &Event) -> Bytes {
    let mut text = head(event.seq).into_bytes();
    let (ts, body) = (clock::rfc3339(event.at), body(&event.draft));
    // JSON keeps every line break escaped: a frame's data is one line.
    if let Err(error) = serde_json::to_writer(&mut text, &object(event, &ts, &body)) {
        tracing::error!(%error, event = event.id, "an event cannot be rendered");
    }
    text.extend_from_slice(TAIL.as_bytes());
    text.into()
}

/// The body with its moments as the wire shows them.
fn body(draft: &Draft) -> Cow<'_, Map<String, Value>> {
    let Some((_, paths)) = MOMENTS.iter().find(|(kind, _)| *kind == draft.kind) else {
        return Cow::Borrowed(&draft.body);
    };
    let mut body = Value::Object(draft.body.clone());
    for path in *paths {
        if let Some(moment) = body.pointer_mut(path)
            && let Some(at) = moment.as_i64()
        {
            *moment = clock::rfc3339(Millis(at)).into();
        }
    }
    match body {
        Value::Object(body) => Cow::Owned(body),
        _ => Cow::Borrowed(&draft.body),
    }
}

fn object<'a>(event: &'a Event, ts: &'a str, body: &'a Map<String, Value>) -> EventObject<'a> {
    let draft = &event.draft;
    let whole = event.content.as_ref();
    EventObject {
        id: &event.id,
        seq: event.seq,
        ts,
        created_at: ts,
        session: &event.session,
        actor: actor(&draft.actor),
        kind: &draft.kind,
        level: draft.level.name(),
        body,
        refs: &draft.refs,
        source: (draft.kind == "http.request").then_some("http"),
        turn_id: draft.turn.as_deref(),
        content_ref: whole
            .map(|_| format!("/v3/sessions/{}/events/{}/content", event.session, event.id)),
        body_truncated: whole.map(|_| true),
        body_bytes: whole.map(|content| content.bytes),
    }
}

fn actor(actor: &Actor) -> ActorObject<'_> {
    ActorObject {
        id: &actor.id,
        kind: &actor.kind,
        also: (actor.kind == "schedule").then_some("schedule"),
        display: actor.display.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;
    use session::event::Content;
    use session::fact::{Fact, Files, Message};
    use session::{Waiting, What};

    use super::*;

    fn logged(text: &str, content: Option<Content>) -> Logged {
        let fact = Fact::UserMessage(Message {
            text: text.to_owned(),
            ..Message::default()
        });
        let mut draft = fact.draft("ses_1", None);
        draft.private = Some("{\"secret\":1}".to_owned());
        let mut event = draft.at("ses_1", 7, Millis(0));
        event.content = content;
        Logged::new(event)
    }

    #[test]
    fn a_frame_is_a_number_one_line_of_json_and_a_blank_line() {
        let logged = logged("two\nlines\r\u{2028}", None);
        let frame = frame(&logged);
        let text = std::str::from_utf8(&frame).unwrap();
        assert!(
            text.starts_with("id: 7\ndata: {") && text.ends_with("}\n\n"),
            "{text}"
        );
        assert_eq!(text.matches('\n').count(), 3);
        assert!(!text.contains('\r') && !text.contains("event:"));
    }

    #[test]
    fn an_event_is_the_contract_s_and_shows_nothing_private() {
        let bytes = json(&logged("hi", None));
        let event: Value = serde_json::from_slice(&bytes).unwrap();
        let want = value!({ "id": "evt_1_7", "seq": 7, "ts": "1970-01-01T00:00:00.000Z",
            "created_at": "1970-01-01T00:00:00.000Z", "session": "ses_1", "actor": { "id": "user", "type": "human" },
            "type": "user.message", "level": "user", "body": { "text": "hi" }, "refs": {} });
        assert_eq!(event, want);
    }

    #[test]
    fn an_offloaded_body_says_where_the_whole_is() {
        let content = Content {
            blob: "b".to_owned(),
            bytes: 99_999,
        };
        let event: Value = serde_json::from_slice(&json(&logged("hi", Some(content)))).unwrap();
        assert_eq!(
            event["content_ref"],
            "/v3/sessions/ses_1/events/evt_1_7/content"
        );
        assert_eq!(
            (&event["body_truncated"], &event["body_bytes"]),
            (&value!(true), &value!(99_999))
        );
    }

    #[test]
    fn a_schedule_is_told_twice() {
        let who = Actor {
            id: "sch_1".into(),
            kind: "schedule".into(),
            display: Some("nightly".into()),
        };
        let want =
            value!({ "id": "sch_1", "type": "schedule", "kind": "schedule", "display": "nightly" });
        assert_eq!(serde_json::to_value(actor(&who)).unwrap(), want);
    }

    #[test]
    fn a_request_says_where_it_came_from() {
        let fact = Fact::Requested {
            payload: value!([1, null]),
        };
        let event = Logged::new(fact.draft("ses_1", None).at("ses_1", 1, Millis(0)));
        let event: Value = serde_json::from_slice(&json(&event)).unwrap();
        assert_eq!(event["source"], "http");
        assert_eq!(event["body"], value!({ "payload": [1, null] }));
    }

    #[test]
    fn all_readers_share_one_rendering() {
        let logged = logged("hi", None);
        assert_eq!(frame(&logged).as_ptr(), frame(&logged).as_ptr());
    }

    #[test]
    fn moments_of_a_body_are_shown_as_moments() {
        let waiting = Fact::Waiting(Waiting {
            what: What::Retry,
            since: Millis(0),
            deadline: None,
            next: "x".to_owned(),
            place: None,
        });
        let shown = body(&waiting.draft("ses_1", None)).into_owned();
        let want = value!({ "what": "retry", "since": "1970-01-01T00:00:00.000Z", "deadline": null, "next": "x" });
        assert_eq!(Value::Object(shown), want);
        let forked = Fact::Forked {
            from: "ses_0".to_owned(),
            at: 3,
            checkpoint: Some(Files {
                id: "ckp_1".to_owned(),
                seq: 2,
                at: Millis(1),
            }),
        };
        let shown = body(&forked.draft("ses_1", None)).into_owned();
        assert_eq!(shown["checkpoint"]["at"], "1970-01-01T00:00:00.001Z");
    }
}
