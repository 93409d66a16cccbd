//! Checkpoints of a session: its sandbox's files at moments, newest first; those of
//! what it was forked from stand behind its own.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::Checkpoint;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::problem::{ErrorEnvelope, Problem, named};
use crate::http::query::At;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list))
}

/// The files of a sandbox at a moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Checkpoint)]
pub struct CheckpointObject {
    /// Its id.
    id: String,
    /// The session whose sandbox it was.
    session_id: String,
    /// What the facts up to this number did to the files is in it.
    seq: u64,
    /// When it was made.
    created_at: String,
    /// Files in it.
    files: u64,
    /// Their bytes.
    bytes: u64,
    /// Bytes that were new, and so were stored for it.
    added_bytes: u64,
    /// When its files were last found to be damaged; absent as long as they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    damaged_at: Option<String>,
}

/// The checkpoints that are kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointList {
    /// Newest first.
    data: Vec<CheckpointObject>,
}

impl From<Checkpoint> for CheckpointObject {
    fn from(made: Checkpoint) -> Self {
        Self {
            id: made.id,
            session_id: made.session,
            seq: made.seq,
            created_at: clock::rfc3339(made.at),
            files: made.files,
            bytes: made.bytes,
            added_bytes: made.added,
            damaged_at: made.damaged.map(clock::rfc3339),
        }
    }
}

/// List a session's checkpoints, newest first
#[utoipa::path(get, path = "/v3/sessions/{id}/checkpoints", operation_id = "list_checkpoints", tag = "Sessions",
    params(("id" = String, Path, description = "Session")),
    responses((status = 200, description = "The checkpoints that are kept", body = CheckpointList),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn list(
    State(app): State<App>,
    Org(org): Org,
    At([id]): At<1>,
) -> Result<Json<CheckpointList>, Problem> {
    // Whose session it is, is known to its row alone.
    let row = app.store.session(&org, &id).await;
    let row = row.map_err(named("session", &id))?;
    let made = app.store.checkpoints(&row.id).await?;
    Ok(Json(CheckpointList {
        data: made.into_iter().map(CheckpointObject::from).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session::Millis;

    use super::*;

    #[test]
    fn where_the_pieces_are_is_nobody_s_business() {
        let made = Checkpoint {
            id: "ckp_1".into(),
            session: "ses_1".into(),
            seq: 7,
            at: Millis(0),
            manifest: "secret".into(),
            packs: vec!["secret".into()],
            files: 3,
            bytes: 20,
            added: 5,
            damaged: None,
        };
        let want = json!({ "id": "ckp_1", "session_id": "ses_1", "seq": 7, "created_at": "1970-01-01T00:00:00.000Z",
            "files": 3, "bytes": 20, "added_bytes": 5 });
        assert_eq!(json!(CheckpointObject::from(made.clone())), want);
        let damaged = Checkpoint {
            damaged: Some(Millis(1)),
            ..made
        };
        let shown = json!(CheckpointObject::from(damaged));
        assert_eq!(shown["damaged_at"], "1970-01-01T00:00:00.001Z");
    }
}
