//! What a session waits on, on the wire: nothing hangs in silence.

use serde::Serialize;
use session::{Waiting, What};
use utoipa::ToSchema;

use crate::clock;

/// What a session waits on: since when, until when, and what happens then.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Waiting)]
pub struct WaitingObject {
    /// `model`, `tool`, `human`, `quota`, `sandbox`, `retry` or `schedule`.
    #[schema(value_type = String, example = "model")]
    what: What,
    /// Since when.
    since: String,
    /// Until when at the latest; null if only a message or a free place ends it.
    deadline: Option<String>,
    /// What happens at the deadline, or what ends the wait.
    next: String,
    /// The place in line: 1 is next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    place: Option<u64>,
}

impl WaitingObject {
    /// Tells the place in line, where it is known.
    pub fn stands(&mut self, place: Option<u64>) {
        self.place = place.or(self.place);
    }
}

impl From<Waiting> for WaitingObject {
    fn from(waiting: Waiting) -> Self {
        Self {
            what: waiting.what,
            since: clock::rfc3339(waiting.since),
            deadline: waiting.deadline.map(clock::rfc3339),
            next: waiting.next,
            place: waiting.place,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session::Millis;

    use super::*;

    #[test]
    fn a_wait_tells_when_it_ends_and_who_is_before() {
        let waiting = |what, deadline, place| Waiting {
            what,
            since: Millis(0),
            deadline,
            next: "x".to_owned(),
            place,
        };
        let model = WaitingObject::from(waiting(What::Model, Some(Millis(1000)), None));
        let want = json!({ "what": "model", "since": "1970-01-01T00:00:00.000Z",
            "deadline": "1970-01-01T00:00:01.000Z", "next": "x" });
        assert_eq!(json!(model), want);
        let line = json!(WaitingObject::from(waiting(What::Quota, None, Some(3))));
        assert_eq!(
            (&line["place"], &line["deadline"]),
            (&json!(3), &json!(null))
        );
    }
}
