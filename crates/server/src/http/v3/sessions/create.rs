//! Making a session. Everything durable about it is one transaction: row, first
//! message, client token, the answer to a repeated key, and, where this node has
//! room, the lease, so that the run begins without another commit.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use session::config::Bounds;
use session::id::Noun;
use session::{Command, Decided, Frozen, Limits, Millis, ModelRef, State, decide};
use sha2::{Digest, Sha256};
use store::{AgentRow, Begins, Created, NewSession, Once, Projection, SessionRow};
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use utoipa::ToSchema;

use super::object::SessionObject;
use crate::app::App;
use crate::clock;
use crate::gate::own_store;
use crate::http::field::{Object, need, short};
use crate::http::json::Sent;
use crate::http::problem::{Code, Problem, named};
use crate::http::secrets;
use crate::http::v3::limits::LimitsIn;
use crate::http::v3::said::{Input, KEY, Said};
use crate::http::v3::{agents, credentials, messages, price, tokens};
use crate::outside;

/// Fields of the contract that this build does not have yet.
const UNBUILT: [&str; 4] = ["webhook", "destinations", "sources", "revision"];
/// Most bytes of the caller's own object, as sent.
const METADATA: usize = 16 * 1024;

/// A session to be started.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateSession {
    /// The agent, by id or by name.
    #[schema(value_type = String, required = true)]
    agent: Option<String>,
    /// The first message.
    #[schema(value_type = Input, required = true)]
    input: Option<serde_json::Value>,
    /// Another model than the agent's.
    #[schema(nullable = false)]
    model: Option<String>,
    /// Limits over the agent's, field by field.
    #[schema(value_type = LimitsIn, required = false)]
    limits: Option<Object<LimitsIn>>,
    /// Get or create: the same key finds the same session.
    #[schema(nullable = false)]
    key: Option<String>,
    /// The caller's own object, at most 16 KiB; never shown to the model.
    #[schema(value_type = Object, required = false)]
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A session, and a token for its user.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedSession {
    /// The session.
    session: SessionObject,
    /// Opens it to read and steer, for an hour.
    client_token: String,
}

/// The caller's object, in the very text that was sent.
#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

/// Makes a session, or finds the one that the same request made before. `tasks`
/// owns the work that must not end with the request.
pub async fn create(
    app: &App,
    tasks: &TaskTracker,
    org: String,
    headers: &HeaderMap,
    sent: &Sent,
) -> Result<(StatusCode, Json<CreatedSession>), Problem> {
    sent.refuse(&UNBUILT)?;
    let wanted: CreateSession = sent.parse()?;
    let metadata = metadata(sent, wanted.metadata.is_some())?;
    let said = Said::input(input(need(wanted.input, "input")?)?)?;
    let key = wanted.key.map(|key| short(key, "key", KEY)).transpose()?;
    let once = once(key.clone(), messages::header_key(headers)?, "", sent);
    let agent = agent(app, &org, need(wanted.agent, "agent")?).await?;
    let frozen = freeze(app, agent, wanted.model, wanted.limits).await?;

    let now = clock::now();
    let id = clock::fresh(Noun::Session);
    let decided = decide(&id, &frozen, &State::default(), said.command(), now);
    let Decided { drafts, state } =
        decided.map_err(|refusal| Problem::new(Code::Conflict, refusal.to_string()))?;
    let project = Projection::of(&frozen, &State::default(), &state, now);
    let begins = begins(&id, &frozen, &state, now);
    let new = NewSession {
        id,
        org,
        key,
        once,
        frozen,
        metadata,
        at: now,
        drafts,
        project,
        birth: None,
        begins,
        token: Some(tokens::usual(now)),
        origin: None,
    };
    let Born { status, row, token } = born(app, tasks, new, true).await?;
    // A new one is shown as it was asked for: that it runs by now its events tell.
    let row = match status {
        StatusCode::CREATED => outside::in_state(row, state),
        _ => row,
    };
    Ok((
        status,
        Json(CreatedSession {
            session: SessionObject::show(app, row),
            client_token: token,
        }),
    ))
}

/// What stands in the log too if the session is run at once: its turn has begun.
/// That spares a commit before the first model call. A turn that ends as it
/// begins is left to the driver.
fn begins(id: &str, frozen: &Frozen, asked: &State, now: Millis) -> Option<Begins> {
    let Decided { drafts, state } = decide(id, frozen, asked, Command::Begin, now).ok()?;
    let project = Projection::of(frozen, asked, &state, now);
    (!state.phase().at_rest()).then_some(Begins { drafts, project })
}

/// A session that was made, or found, and the token for it.
pub struct Born {
    /// 201 or 200.
    pub status: StatusCode,
    /// The session.
    pub row: SessionRow,
    /// Opens it.
    pub token: String,
}

/// Writes a session and, if it `runs` at once, hands it to the driver.
pub async fn born(
    app: &App,
    tasks: &TaskTracker,
    new: NewSession,
    runs: bool,
) -> Result<Born, Problem> {
    // In a task of its own: a client that hangs up ends its handler, and between
    // the lease and the driver there must be no end.
    let born = tasks.spawn(bear(app.clone(), new, runs).in_current_span());
    born.await.unwrap_or_else(|error| {
        tracing::error!(%error, "making a session ended badly");
        Err(Problem::new(
            Code::Internal,
            "the session could not be made",
        ))
    })
}

/// Writes the session, and hands it to this node's driver if there is room.
async fn bear(app: App, mut new: NewSession, runs: bool) -> Result<Born, Problem> {
    let place = match runs {
        true => app.births.reserve(&app, &new.org),
        false => None,
    };
    let (place, birth) = place.unzip();
    new.birth = birth;
    let token = new.token.as_ref().map(|token| token.token.clone());
    let answer = |status, row: SessionRow| {
        Ok(Born {
            status,
            row,
            token: token.unwrap_or_default(),
        })
    };
    match app
        .store
        .create_session(new)
        .await
        .map_err(named("session", "to fork"))?
    {
        Created::New {
            row,
            events,
            leased,
        } => {
            app.metrics.appended(events.len());
            if let Some(place) = place
                && leased
            {
                place.take((*row).clone(), events);
            }
            answer(StatusCode::CREATED, *row)
        }
        Created::Replay(row) => answer(StatusCode::OK, *row),
        Created::Conflict(row) => Err(Problem::new(
            Code::Conflict,
            format!(
                "create key already used with a different request: it made {}",
                row.id
            ),
        )),
    }
}

/// A string or an envelope; which of the two is told before its fields are read,
/// so that a wrong field can be named.
pub fn input(value: serde_json::Value) -> Result<Input, Problem> {
    use serde_json::Value;
    match value {
        Value::String(text) => Ok(Input::Text(text)),
        Value::Object(_) => serde_path_to_error::deserialize(value)
            .map(Input::Envelope)
            .map_err(|error| {
                let path = format!("input.{}", error.path());
                let message = format!("`{path}`: {}", error.into_inner());
                Problem::invalid(&path, message)
            }),
        _ => Err(Problem::invalid(
            "input",
            "`input` must be a text or an envelope with a `text`",
        )),
    }
}

pub fn metadata(sent: &Sent, there: bool) -> Result<Option<String>, Problem> {
    if !there {
        return Ok(None);
    }
    let Metadata { metadata } = sent.verbatim()?;
    let text = metadata.map_or("", RawValue::get);
    if text.len() > METADATA {
        let message = format!(
            "`metadata` has {} bytes; at most {METADATA} are kept",
            text.len()
        );
        return Err(Problem::invalid("metadata", message));
    }
    Ok(Some(text.to_owned()))
}

/// What makes the request happen once: its own key, or else the header's. `of` is
/// what the path names.
pub fn once(key: Option<String>, header: Option<String>, of: &str, sent: &Sent) -> Option<Once> {
    let (scope, key) = match (key, header) {
        (Some(key), _) => ("session.key", key),
        (None, Some(key)) => ("session.idempotency_key", key),
        (None, None) => return None,
    };
    let request = Sha256::digest(format!("{of}{}", sent.canonical("key")));
    let request = request.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Once {
        scope,
        key,
        request,
    })
}

async fn agent(app: &App, org: &str, named: String) -> Result<AgentRow, Problem> {
    let named = short(named, "agent", 256)?;
    let found = secrets::agent(app, org, &named).await;
    found.map_err(|problem| match problem.code {
        Code::NotFound => problem.at("agent"),
        _ => problem,
    })
}

/// What the session keeps of its agent for ever.
async fn freeze(
    app: &App,
    agent: AgentRow,
    model: Option<String>,
    limits: Option<Object<LimitsIn>>,
) -> Result<Frozen, Problem> {
    let model = agents::model(
        model.unwrap_or_else(|| agent.active.model.clone()),
        &agent.runtime,
    )?;
    // It may have been removed since the agent was made.
    agents::runtime::known(&app.runtimes(), Some(&agent.runtime))
        .map_err(|problem| problem.at("agent"))?;
    let credential = credentials::resolve(app, &agent, model.provider).await?;
    let limits = limits
        .map(|limits| Limits::from(limits.0))
        .unwrap_or_default()
        .over(agent.limits);
    let prices = price::of(app, &model);
    price::needed(prices, &model, &limits)?;
    price::capped(prices, &model, &agent.policy.caps)?;
    price::allowed(app, prices, &model)?;
    let own = own_store(&agent.id);
    Ok(Frozen {
        bounds: bounds(app, &model),
        agent: agent.id,
        revision: agent.active.number,
        prompt: agent.active.prompt,
        prompt_hash: agent.active.prompt_hash,
        model,
        runtime: agent.runtime,
        credential,
        limits,
        on_interrupt: agent.policy.on_interrupt,
        prices,
        caps: agent.policy.caps,
        egress: agent.policy.egress,
        secret_stores: std::iter::once(own)
            .chain(agent.policy.secret_store)
            .collect(),
        skills: agent.active.skills.map(told),
    })
}

/// What a session's model is told of the skills of its agent.
fn told(bundle: store::Bundle) -> session::Skills {
    let skill = |row: store::SkillRow| session::Skill {
        name: row.name,
        description: row.description,
    };
    session::Skills {
        digest: bundle.digest,
        list: bundle.skills.into_iter().map(skill).collect(),
    }
}

/// The platform's own limits: the operator's where set, else the model's.
fn bounds(app: &App, model: &ModelRef) -> Bounds {
    let config = &app.config;
    Bounds {
        turn_seconds: config.turns.turn_seconds,
        steps: config.turns.turn_steps,
        max_tokens: config
            .models
            .max_output_tokens
            .unwrap_or_else(|| app.models.max_output(model)),
        window: config
            .models
            .context_window
            .unwrap_or_else(|| app.models.window(model)),
        loop_after: config.turns.loop_after,
        model_seconds: config.models.model_seconds,
        tool_seconds: config.turns.tool_seconds,
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequest;
    use serde_json::json;

    use super::*;

    async fn sent(text: &str) -> Sent {
        let request = axum::extract::Request::new(axum::body::Body::from(text.to_owned()));
        Sent::from_request(request, &()).await.unwrap()
    }

    #[test]
    fn an_input_is_a_text_or_an_envelope_and_its_wrong_field_is_named() {
        assert!(matches!(input(json!("hi")), Ok(Input::Text(_))));
        assert!(matches!(
            input(json!({ "text": "hi" })),
            Ok(Input::Envelope(_))
        ));
        for (value, param) in [
            (json!(5), "input"),
            (json!([]), "input"),
            (json!({ "text": 5 }), "input.text"),
            (json!({ "text": "x", "refs": "y" }), "input.refs"),
        ] {
            assert_eq!(input(value).unwrap_err().param.as_deref(), Some(param));
        }
    }

    #[tokio::test]
    async fn metadata_is_kept_as_text_up_to_its_limit() {
        let kept = metadata(&sent("{\"metadata\": {\"b\":1.0, \"a\":2}}").await, true).unwrap();
        assert_eq!(kept.as_deref(), Some("{\"b\":1.0, \"a\":2}"));
        assert_eq!(metadata(&sent("{}").await, false).unwrap(), None);
        for (length, fits) in [(METADATA, true), (METADATA + 1, false)] {
            let text = format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
            let body = sent(&format!("{{\"metadata\":{text}}}")).await;
            assert_eq!(metadata(&body, true).is_ok(), fits, "{length}");
        }
    }

    #[tokio::test]
    async fn the_body_s_key_wins_and_neither_key_changes_the_digest() {
        let one = sent("{\"agent\":\"a\",\"key\":\"k\"}").await;
        let two = sent("{ \"agent\" : \"a\" }").await;
        let by_key = once(Some("k".into()), Some("h".into()), "", &one).unwrap();
        let by_header = once(None, Some("h".into()), "", &two).unwrap();
        assert_eq!((by_key.scope, by_key.key.as_str()), ("session.key", "k"));
        assert_eq!(
            (by_header.scope, by_header.key.as_str()),
            ("session.idempotency_key", "h")
        );
        assert_eq!(by_key.request, by_header.request);
        assert_eq!(once(None, None, "", &two), None);
    }
}
