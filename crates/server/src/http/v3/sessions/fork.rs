//! Forking a session: a new one with the same log up to a fact, and the files as
//! they were then. Nothing is copied: the log is read where it stands, and the
//! files are those of the nearest checkpoint at or before that fact.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use session::fact::Files;
use session::id::Noun;
use session::{Command, Decided, Egress, Frozen, Limits, Millis, State, decide};
use store::{NewSession, Once, Origin, Projection, SessionRow};
use utoipa::ToSchema;

use super::create;
use super::object::SessionObject;
use crate::app::App;
use crate::begin::{Born, born};
use crate::clock;
use crate::gate::is_gone;
use crate::http::field::{Object, short};
use crate::http::json::Sent;
use crate::http::problem::{Code, Problem, named};
use crate::http::v3::limits::LimitsChange;
use crate::http::v3::number::Count;
use crate::http::v3::said::{Input, KEY, Said};
use crate::http::v3::{messages, price, tokens};

/// A fork to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ForkSession {
    /// The last fact that both share; the newest if absent.
    #[schema(value_type = u64, minimum = 1, required = false)]
    at_seq: Option<Count>,
    /// The fork's first message; without one it rests until it is told something.
    #[schema(value_type = Input, required = false)]
    input: Option<serde_json::Value>,
    /// Get or create: the same key finds the same session.
    #[schema(nullable = false)]
    key: Option<String>,
    /// The caller's own object, at most 16 KiB; that of the origin is not taken over.
    #[schema(value_type = Object, required = false)]
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// Other limits than the origin had then; what is not named stays.
    #[schema(value_type = LimitsChange, required = false)]
    limits: Option<Object<LimitsChange>>,
    /// Whether the fork's sandboxes get the secrets of the origin's, too (false).
    #[schema(nullable = false)]
    inherit_secrets: Option<bool>,
}

/// A fork, a token for its user, and which files it has.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForkedSession {
    /// The fork.
    session: SessionObject,
    /// Opens it to read and steer, for an hour.
    client_token: String,
    /// The checkpoint its files come from; null if there was none by then.
    files: Option<ForkedFiles>,
}

/// The files that a fork begins with.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForkedFiles {
    /// The checkpoint's id.
    checkpoint_id: String,
    /// What the facts up to this number did to the files is in it.
    seq: u64,
}

/// Forks a session, or finds the fork that the same request made before.
pub async fn fork(
    app: &App,
    (org, from): (String, String),
    headers: &HeaderMap,
    sent: &Sent,
) -> Result<(StatusCode, Json<ForkedSession>), Problem> {
    let wanted: ForkSession = sent.parse()?;
    let metadata = create::metadata(sent, wanted.metadata.is_some())?;
    let said = wanted.input.map(create::input).transpose()?;
    let said = said.map(Said::input).transpose()?;
    let key = wanted.key.map(|key| short(key, "key", KEY)).transpose()?;
    let header = messages::header_key(headers)?;
    let once = create::once(key.clone(), header, &from, sent);
    let row = app.store.session(&org, &from).await;
    let row = row.map_err(named("session", &from))?;
    let at = seq(wanted.at_seq, row.head)?;
    let before = state(app, &row, at).await?;
    let limits = match wanted.limits {
        Some(Object(change)) => Some(change.onto(before.limits(&row.frozen))),
        None => None,
    };
    if let Some(limits) = &limits {
        price::needed(row.frozen.prices, &row.frozen.model, limits)?;
    }
    let inherit = wanted.inherit_secrets.unwrap_or_default();
    let frozen = frozen(app, &org, row.frozen.clone(), inherit).await?;
    let wish = Wish {
        org,
        key,
        once,
        metadata,
        frozen,
        limits,
        said,
    };
    let mut tries = TRIES;
    loop {
        let files = files(app, &row, at).await?;
        match made(app, &row, (at, &before), files, &wish).await {
            // Its checkpoint may have been given up in between: there is another, or none.
            Err(problem) if problem.code == Code::Busy && tries > 0 => tries -= 1,
            other => return other,
        }
    }
}

/// How often to look for files anew that were given up before the fork was made.
const TRIES: u32 = 8;

/// What a fork is to be, besides its files.
struct Wish {
    org: String,
    key: Option<String>,
    once: Option<Once>,
    metadata: Option<String>,
    frozen: Frozen,
    limits: Option<Limits>,
    said: Option<Said>,
}

/// Makes the fork at that fact, with the state then and with those files.
async fn made(
    app: &App,
    from: &SessionRow,
    (at, before): (u64, &State),
    files: Option<Files>,
    wish: &Wish,
) -> Result<(StatusCode, Json<ForkedSession>), Problem> {
    let pinned = files.as_ref().map(|files| files.id.clone());
    let commands = commands(&from.id, files.clone(), wish.limits, wish.said.clone());
    let now = clock::now();
    let id = clock::fresh(Noun::Session);
    let Decided { drafts, state } = all(&id, &from.frozen, before, commands, now)?;
    let new = NewSession {
        project: Projection::of(&wish.frozen, before, &state, now),
        id,
        org: wish.org.clone(),
        key: wish.key.clone(),
        once: wish.once.clone(),
        frozen: wish.frozen.clone(),
        metadata: wish.metadata.clone(),
        at: now,
        drafts,
        birth: None,
        begins: None,
        origin: Some(Origin {
            session: from.id.clone(),
            seq: at,
            files: pinned,
        }),
        destinations: Vec::new(),
        fire: None,
    };
    let runs = !state.phase().at_rest();
    let Born { new, row, runs } = born(app, new, runs).await?;
    Ok((
        create::made(new),
        Json(ForkedSession {
            client_token: tokens::usual(app, &row.id),
            session: SessionObject::born(app, row, runs).await?,
            files: files.map(|files| ForkedFiles {
                checkpoint_id: files.id,
                seq: files.seq,
            }),
        }),
    ))
}

/// The fact to fork at.
fn seq(wanted: Option<Count>, head: u64) -> Result<u64, Problem> {
    match wanted.map(|count| count.0) {
        None => Ok(head),
        Some(seq) if seq <= head => Ok(seq),
        Some(seq) => Err(Problem::invalid(
            "at_seq",
            format!("`at_seq` is {seq}, and the log ends at {head}"),
        )),
    }
}

/// The state of the origin after that fact.
async fn state(app: &App, row: &SessionRow, at: u64) -> Result<State, Problem> {
    if at == row.head {
        return Ok(row.state.clone());
    }
    let state = app.store.state_at(&row.org, &row.id, at).await;
    state.map_err(named("session", &row.id))
}

/// The files as they were at that fact: the nearest checkpoint at or before it that is
/// not known to be damaged.
async fn files(app: &App, row: &SessionRow, at: u64) -> Result<Option<Files>, Problem> {
    let made = app.store.checkpoints(&row.id).await?;
    let nearest = made
        .into_iter()
        .find(|made| made.seq <= at && made.damaged.is_none());
    Ok(nearest.map(|made| Files {
        id: made.id,
        seq: made.seq,
        at: made.at,
    }))
}

/// What a fork keeps of its origin: it may be made to try something, so it has no
/// secrets unless it is asked for. What began the origin stays its cause, too, so
/// that a fork does not walk out of a schedule's or a hook's caps. What its origin's stores closed stays closed.
async fn frozen(
    app: &App,
    org: &str,
    origin: Frozen,
    inherit_secrets: bool,
) -> Result<Frozen, Problem> {
    if inherit_secrets || origin.secret_stores.is_empty() {
        return Ok(origin);
    }
    let granted = app.store.grants(org, &origin.secret_stores).await?;
    Ok(Frozen {
        egress: match origin.egress {
            Egress::Open if is_gone(&granted.missing) => Egress::None,
            egress => reach(egress, granted.allowlist),
        },
        secret_stores: Vec::new(),
        ..origin
    })
}

/// What may be reached with stores that have this list, once they are gone.
fn reach(egress: Egress, stores: Vec<String>) -> Egress {
    match egress {
        Egress::None => Egress::None,
        Egress::Open if stores.is_empty() => Egress::Open,
        Egress::Open => Egress::Allowlist(stores),
        Egress::Allowlist(mut own) => {
            let new = stores.into_iter().filter(|host| !own.contains(host));
            let new: Vec<String> = new.collect();
            own.extend(new);
            Egress::Allowlist(own)
        }
    }
}

/// What a fork begins with, in order.
fn commands(
    from: &str,
    checkpoint: Option<Files>,
    limits: Option<Limits>,
    said: Option<Said>,
) -> Vec<Command> {
    let fork = Command::Fork {
        from: from.to_owned(),
        checkpoint,
    };
    let limits = limits.map(Command::SetLimits);
    let said = said.map(|said| said.command());
    [Some(fork), limits, said].into_iter().flatten().collect()
}

/// Decides one command after the other.
fn all(
    id: &str,
    frozen: &Frozen,
    before: &State,
    commands: Vec<Command>,
    now: Millis,
) -> Result<Decided, Problem> {
    let mut all = Decided {
        drafts: Vec::new(),
        state: before.clone(),
    };
    for command in commands {
        let decided = decide(id, frozen, &all.state, command, now)
            .map_err(|refusal| Problem::new(Code::Conflict, refusal.to_string()))?;
        all.drafts.extend(decided.drafts);
        all.state = decided.state;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stores_of_the_origin_closed_stays_closed() {
        let list = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect();
        let only = |hosts: &[&str]| Egress::Allowlist(list(hosts));
        for (origin, stores, want) in [
            (Egress::Open, vec![], Egress::Open),
            (Egress::Open, list(&["a.test"]), only(&["a.test"])),
            (Egress::None, list(&["a.test"]), Egress::None),
            (only(&["a.test"]), vec![], only(&["a.test"])),
            (
                only(&["a.test"]),
                list(&["b.test", "a.test"]),
                only(&["a.test", "b.test"]),
            ),
        ] {
            assert_eq!(reach(origin, stores), want);
        }
    }

    #[test]
    fn a_fork_is_within_the_log() {
        assert_eq!(seq(None, 7).unwrap(), 7);
        assert_eq!(seq(Some(Count(7)), 7).unwrap(), 7);
        let beyond = seq(Some(Count(8)), 7).unwrap_err();
        assert_eq!(beyond.param.as_deref(), Some("at_seq"));
        assert!(beyond.message.contains("ends at 7"), "{}", beyond.message);
    }
}
