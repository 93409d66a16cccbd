//! A session on the wire.

use serde::Serialize;
use serde_json::value::RawValue;
use session::{Egress, Frozen, Millis, Phase, State, id, waiting};
use store::SessionRow;
use utoipa::ToSchema;

use super::waiting::WaitingObject;
use crate::app::App;
use crate::clock;
use crate::http::problem::Problem;
use crate::http::v3::agents::EgressObject;
use crate::http::v3::limits::{LimitsIn, LimitsObject};
use crate::http::v3::usage::UsageObject;

/// One durable conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionObject {
    /// Its id.
    id: String,
    /// `queued`, `running`, `awaiting_input`, `idle`, `failed` or `archived`.
    status: String,
    /// Newest number of its log.
    head: u64,
    /// Newest input the runtime has taken.
    input_cursor: u64,
    /// Its agent.
    agent_id: String,
    /// `managed` or a credential's id.
    credential_id: String,
    /// What is pinned of the agent.
    agent_snapshot: SnapshotObject,
    /// The newest turn.
    last_turn: Option<LastTurnObject>,
    /// What its ended turns used.
    usage: UsageObject,
    /// What it waits on; null at rest, but for a question to the user.
    waiting_on: Option<WaitingObject>,
    /// Limits as they hold now: changed ones, else its own over the agent's.
    #[schema(value_type = LimitsIn)]
    limits: LimitsObject,
    /// The newest checkpoint of its sandbox's files.
    checkpoint: Option<FilesObject>,
    /// The session it was forked from.
    forked_from: Option<OriginObject>,
    /// The caller's own object, as sent.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    /// The caller's routing key.
    key: Option<String>,
    /// When it was made.
    created_at: String,
}

/// What a session pins of its agent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentSnapshot)]
pub struct SnapshotObject {
    /// `sha256:` and the hex digest of the prompt.
    prompt_hash: String,
    /// `provider/name`.
    model: String,
    /// What drives it.
    runtime: String,
    /// The agent's revision.
    revision: u32,
    /// The same.
    agent_revision_number: u32,
    /// What its sandboxes may reach, if its stores do not narrow it.
    #[schema(value_type = EgressObject)]
    egress: Egress,
    /// The secret stores, by name, whose secrets its sandboxes get as sealed tokens.
    secret_stores: Vec<String>,
}

/// A turn in short.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastTurn)]
pub struct LastTurnObject {
    /// Its id.
    id: String,
    /// `running`, `ok` or `error`.
    #[schema(value_type = String, example = "ok")]
    state: &'static str,
    /// Why it came to rest.
    #[schema(value_type = Option<String>)]
    yield_reason: Option<&'static str>,
    /// The event that carries its result.
    result_event_id: Option<String>,
}

/// The files of a sandbox at a moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionCheckpoint)]
pub struct FilesObject {
    /// The checkpoint's id.
    id: String,
    /// What the facts up to this number did to the files is in it.
    seq: u64,
    /// When it was made.
    created_at: String,
}

/// Where a fork comes from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Origin)]
pub struct OriginObject {
    /// The session.
    session_id: String,
    /// The last number of its log that both share.
    seq: u64,
}

/// A page of sessions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionPage {
    /// The sessions.
    pub data: Vec<SessionObject>,
    /// Goes on as `cursor`, if there are more.
    pub next_cursor: Option<String>,
}

impl SessionObject {
    /// The session of that row as it is at this moment.
    pub fn show(app: &App, row: SessionRow) -> Self {
        Self::new(row, clock::now(), app.config.budgets.session_hour_usd)
    }

    /// One that was just made: if it `runs` it waits for no place.
    ///
    /// # Errors
    /// As [`Self::placed`].
    pub async fn born(app: &App, row: SessionRow, runs: bool) -> Result<Self, Problem> {
        if !runs {
            return Self::placed(app, row).await;
        }
        Ok(Self {
            waiting_on: None,
            ..Self::show(app, row)
        })
    }

    /// The same with its place in line, if it waits there.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn placed(app: &App, row: SessionRow) -> Result<Self, Problem> {
        let queued = row.state.phase() == Phase::Queued;
        let place = match queued {
            true => app.store.place_in_line(&row.org, &row.id).await?,
            false => None,
        };
        let mut session = Self::show(app, row);
        if let Some(waiting) = &mut session.waiting_on {
            waiting.stands(place);
        }
        Ok(session)
    }

    fn new(row: SessionRow, now: Millis, hour: f64) -> Self {
        let (frozen, state) = (&row.frozen, &row.state);
        Self {
            agent_id: frozen.agent.clone(),
            credential_id: frozen.credential.clone(),
            agent_snapshot: snapshot(frozen),
            last_turn: last_turn(&row.id, state),
            usage: UsageObject::new(frozen, state, hour),
            waiting_on: waiting(frozen, state, now).map(WaitingObject::from),
            limits: state.limits(frozen).into(),
            checkpoint: state.checkpoint.as_ref().map(|files| FilesObject {
                id: files.id.clone(),
                seq: files.seq,
                created_at: clock::rfc3339(files.at),
            }),
            forked_from: state.origin.as_ref().map(|origin| OriginObject {
                session_id: origin.session.clone(),
                seq: origin.seq,
            }),
            metadata: row
                .metadata
                .and_then(|text| RawValue::from_string(text).ok()),
            key: row.key,
            created_at: clock::rfc3339(row.created),
            status: row.status,
            head: row.head,
            input_cursor: row.input_cursor,
            id: row.id,
        }
    }
}

fn snapshot(frozen: &Frozen) -> SnapshotObject {
    SnapshotObject {
        prompt_hash: frozen.prompt_hash.clone(),
        model: frozen.model.to_string(),
        runtime: frozen.runtime.clone(),
        revision: frozen.revision,
        agent_revision_number: frozen.revision,
        egress: frozen.egress.clone(),
        secret_stores: frozen.secret_stores.clone(),
    }
}

fn last_turn(session: &str, state: &State) -> Option<LastTurnObject> {
    if let Some(open) = &state.turn {
        let id = id::turn(session, open.number);
        return Some(LastTurnObject {
            id,
            state: "running",
            yield_reason: None,
            result_event_id: None,
        });
    }
    let ended = state.last_turn.as_ref()?;
    Some(LastTurnObject {
        id: id::turn(session, ended.number),
        state: if ended.reason == session::fact::YieldReason::Error {
            "error"
        } else {
            "ok"
        },
        yield_reason: Some(ended.reason.name()),
        result_event_id: ended.result.map(|seq| id::event(session, seq)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use session::Limits;
    use session::fact::{Files, YieldReason};
    use session::state::{EndedTurn, OpenTurn, Origin};

    use super::*;
    use crate::http::v3::sessions::testing::frozen;

    fn row(state: State) -> SessionRow {
        SessionRow {
            id: "ses_1".into(),
            org: "org_1".into(),
            key: None,
            created: Millis(0),
            status: state.phase().name().to_owned(),
            head: state.head,
            input_cursor: 0,
            epoch: 1,
            frozen: frozen(),
            metadata: Some("{\"b\":1.50,\"a\":12345678901234567890123}".into()),
            state,
        }
    }

    fn shown(state: State) -> Value {
        json!(SessionObject::new(row(state), Millis(7), 0.012))
    }

    #[test]
    fn a_fresh_session_is_the_contract_s() {
        let mut state = State {
            head: 1,
            ..State::default()
        };
        state.waiting.push(1);
        let mut session = shown(state);
        session["usage"].take();
        session["metadata"].take();
        assert_eq!(session["waiting_on"]["what"], "quota");
        session["waiting_on"].take();
        let want = json!({ "id": "ses_1", "status": "queued", "head": 1, "input_cursor": 0, "agent_id": "agt_1",
            "credential_id": "managed", "last_turn": null, "usage": null, "limits": {}, "metadata": null, "key": null,
            "waiting_on": null, "checkpoint": null, "forked_from": null,
            "agent_snapshot": { "prompt_hash": "sha256:00", "model": "test/demo", "runtime": "native", "revision": 3,
                "agent_revision_number": 3, "egress": "open", "secret_stores": [] },
            "created_at": "1970-01-01T00:00:00.000Z" });
        assert_eq!(session, want);
    }

    #[test]
    fn limits_files_and_origin_are_those_of_now() {
        let state = State {
            limits: Some(Limits {
                tokens: Some(5),
                ..Limits::default()
            }),
            checkpoint: Some(Files {
                id: "ckp_1".to_owned(),
                seq: 4,
                at: Millis(0),
            }),
            origin: Some(Origin {
                session: "ses_0".to_owned(),
                seq: 3,
                turns: 1,
            }),
            ..State::default()
        };
        let session = shown(state);
        assert_eq!(session["limits"], json!({ "tokens": 5 }));
        assert_eq!(
            session["forked_from"],
            json!({ "session_id": "ses_0", "seq": 3 })
        );
        let want = json!({ "id": "ckp_1", "seq": 4, "created_at": "1970-01-01T00:00:00.000Z" });
        assert_eq!(session["checkpoint"], want);
        assert_eq!(session["waiting_on"], Value::Null, "at rest");
    }

    #[test]
    fn metadata_comes_back_as_it_was_written() {
        let object = SessionObject::new(row(State::default()), Millis(0), 0.0);
        let text = serde_json::to_string(&object).unwrap();
        assert!(
            text.contains("\"metadata\":{\"b\":1.50,\"a\":12345678901234567890123}"),
            "{text}"
        );
    }

    #[test]
    fn the_last_turn_is_the_open_one_or_the_one_that_ended() {
        let ended = |reason| State {
            last_turn: Some(EndedTurn {
                number: 2,
                reason,
                result: Some(9),
            }),
            ..State::default()
        };
        let error = shown(ended(YieldReason::Error));
        assert_eq!(error["last_turn"]["state"], "error");
        let done = shown(ended(YieldReason::Completed));
        let want = json!({ "id": "trn_1_2", "state": "ok", "yield_reason": "completed", "result_event_id": "evt_1_9" });
        assert_eq!(done["last_turn"], want);
        let mut open = ended(YieldReason::Completed);
        open.turn = Some(OpenTurn {
            number: 3,
            ..OpenTurn::default()
        });
        assert_eq!(shown(open)["last_turn"]["id"], "trn_1_3");
    }
}
