//! A destination on the wire.

use serde::Serialize;
use store::{DestinationRow, Failing};
use utoipa::ToSchema;

use crate::clock;

/// Who is told of a session's events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Destination)]
pub struct DestinationObject {
    /// Its id.
    id: String,
    /// The session's id.
    session: String,
    /// `webhook`.
    #[schema(value_type = String, example = "webhook")]
    kind: &'static str,
    /// Where webhooks go.
    url: String,
    /// `user`, `progress` or `internal`: what it is told of.
    #[schema(value_type = String, example = "user")]
    level: &'static str,
    /// The types it is told of; null for all.
    types: Option<Vec<String>>,
    /// Whether `body.raw` of an event is told, too.
    include_raw: bool,
    /// Whether it is told anything now.
    enabled: bool,
    /// Whether what it is sent is signed.
    has_secret: bool,
    /// Only events beyond this number are told.
    created_after_seq: u64,
    /// That its last attempts failed; null while it does well.
    failing: Option<FailingObject>,
    /// When it was made.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

/// How a destination fails.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Failing)]
pub struct FailingObject {
    /// Since when.
    since: String,
    /// Failed attempts in a row.
    attempts: u64,
    /// How the last one failed.
    error: String,
}

/// The destinations of a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct DestinationList {
    /// Newest first.
    pub data: Vec<DestinationObject>,
}

impl From<DestinationRow> for DestinationObject {
    fn from(row: DestinationRow) -> Self {
        Self {
            id: row.id,
            session: row.session,
            kind: "webhook",
            url: row.url,
            level: row.level.name(),
            types: row.types,
            include_raw: row.include_raw,
            enabled: row.enabled,
            has_secret: row.has_secret,
            created_after_seq: row.after_seq,
            failing: row.failing.map(FailingObject::from),
            created_at: clock::rfc3339(row.created),
            updated_at: clock::rfc3339(row.updated),
        }
    }
}

impl From<Failing> for FailingObject {
    fn from(failing: Failing) -> Self {
        Self {
            since: clock::rfc3339(failing.since),
            attempts: failing.attempts,
            error: failing.error,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session::{Level, Millis};

    use super::*;

    #[test]
    fn a_destination_is_the_contract_s() {
        let row = DestinationRow {
            id: "dst_1".into(),
            session: "ses_1".into(),
            url: "https://x.test/".into(),
            level: Level::User,
            types: None,
            include_raw: false,
            enabled: true,
            has_secret: true,
            after_seq: 3,
            created: Millis(0),
            updated: Millis(1),
            failing: Some(Failing {
                since: Millis(0),
                attempts: 2,
                error: "status 500".into(),
            }),
        };
        let want = json!({ "id": "dst_1", "session": "ses_1", "kind": "webhook", "url": "https://x.test/",
            "level": "user", "types": null, "include_raw": false, "enabled": true, "has_secret": true,
            "created_after_seq": 3, "created_at": "1970-01-01T00:00:00.000Z", "updated_at": "1970-01-01T00:00:00.001Z",
            "failing": { "since": "1970-01-01T00:00:00.000Z", "attempts": 2, "error": "status 500" } });
        assert_eq!(json!(DestinationObject::from(row)), want);
    }
}
