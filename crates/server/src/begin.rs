//! Beginning a session: one path for all who begin one. A request, a schedule, a
//! hook and an agent's own URL say what is wished; here the agent's configuration
//! is frozen, the first fact decided, and all that is durable about the session
//! written in one transaction: row, first fact, the answer to a repeated
//! key, and, where this node has room, the lease, so that the run begins
//! without another commit.
//!
//! It may not know who wishes, nor how an answer is worded.

mod freeze;

use std::sync::Arc;

use session::id::Noun;
use session::{Cause, Command, Decided, Frozen, Limits, Millis, State, decide};
use store::{
    AgentRow, Begins, Created, Fire, Logged, NewDestination, NewSession, Once, Projection,
    SessionRow,
};

use crate::app::App;
use crate::clock;
use crate::http::problem::{Code, Problem};

/// A session that somebody wishes for.
#[derive(Debug)]
pub struct Wish {
    /// Who will own it.
    pub org: String,
    /// Its agent, as it is at this moment.
    pub agent: AgentRow,
    /// Its first fact: what it is told.
    pub first: Command,
    /// Another model than the agent's, as it was sent.
    pub model: Option<String>,
    /// Limits over the agent's, field by field.
    pub limits: Limits,
    /// The caller's routing key.
    pub key: Option<String>,
    /// What makes a repeated wish find the first session instead.
    pub once: Option<Once>,
    /// The caller's own JSON object, as its text.
    pub metadata: Option<String>,
    /// What began it, if no key did by itself.
    pub cause: Option<Cause>,
    /// Who is told of all its facts by webhook.
    pub destinations: Vec<NewDestination>,
    /// The firing of a schedule that begins it.
    pub fire: Option<Fire>,
}

impl Wish {
    /// A session of that agent which is told this first, and nothing special.
    #[must_use]
    pub fn new(org: String, agent: AgentRow, first: Command) -> Self {
        Self {
            org,
            agent,
            first,
            model: None,
            limits: Limits::default(),
            key: None,
            once: None,
            metadata: None,
            cause: None,
            destinations: Vec::new(),
            fire: None,
        }
    }
}

/// A session that was made, or found.
#[derive(Debug)]
pub struct Born {
    /// Whether it was made now; else an earlier wish made it.
    pub new: bool,
    /// The session. A new one is as it was asked for: that it runs by now its
    /// events tell.
    pub row: SessionRow,
    /// Whether it has its place among the running ones, from its birth on.
    pub runs: bool,
}

/// Begins a session, or finds the one that the same wish began before.
///
/// # Errors
/// What in the wish does not hold, by its field; 409 if its key was used for
/// another wish; whatever the store cannot do. Nothing was made then.
pub async fn begin(app: &App, wish: Wish) -> Result<Born, Problem> {
    let frozen = freeze::freeze(app, wish.agent, wish.model, wish.limits, wish.cause).await?;
    let now = clock::now();
    let id = clock::fresh(Noun::Session);
    let decided = decide(&id, &frozen, &State::default(), wish.first, now);
    let Decided { drafts, state } =
        decided.map_err(|refusal| Problem::new(Code::Conflict, refusal.to_string()))?;
    let new = NewSession {
        begins: begins(&id, &frozen, &state, now),
        project: Projection::of(&frozen, &State::default(), &state, now),
        id,
        org: wish.org,
        key: wish.key,
        once: wish.once,
        frozen,
        metadata: wish.metadata,
        at: now,
        drafts,
        birth: None,
        origin: None,
        destinations: wish.destinations,
        fire: wish.fire,
    };
    let mut born = born(app, new, true).await?;
    if born.new {
        born.row = crate::outside::in_state(born.row, state);
    }
    Ok(born)
}

/// What stands in the log too if the session is run at once: its turn has begun.
/// That spares a commit before the first model call. A turn that ends as it
/// begins is left to the driver.
fn begins(id: &str, frozen: &Frozen, asked: &State, now: Millis) -> Option<Begins> {
    let Decided { drafts, state } = decide(id, frozen, asked, Command::Begin, now).ok()?;
    let project = Projection::of(frozen, asked, &state, now);
    (!state.phase().at_rest()).then_some(Begins { drafts, project })
}

/// Writes a session and, if it `runs` at once, hands it to this node's driver,
/// where that has room.
///
/// # Errors
/// As [`begin`].
pub async fn born(app: &App, mut new: NewSession, runs: bool) -> Result<Born, Problem> {
    let place = match runs {
        true => app.births.reserve(app, &new.org),
        false => None,
    };
    let (place, birth) = place.unzip();
    new.birth = birth;
    let answer = |new, row: SessionRow, runs| Ok(Born { new, row, runs });
    // Said by the store and not behind it: a client that hangs up ends its
    // handler, and between the lease and the driver there must be no end.
    let take = |row: &SessionRow, events: &[Arc<Logged>]| {
        if let Some(place) = place {
            place.take(row.clone(), events.to_vec());
        }
    };
    let created = Box::pin(app.store.create_session_and(new, take)).await;
    match created.map_err(unmade)? {
        Created::New {
            row,
            events,
            leased,
        } => {
            app.metrics.appended(events.len());
            answer(true, *row, leased)
        }
        Created::Replay(row) => answer(false, *row, false),
        Created::Conflict(row) => Err(Problem::new(
            Code::Conflict,
            format!(
                "create key already used with a different request: it made {}",
                row.id
            ),
        )),
    }
}

/// Why a session could not be made.
fn unmade(error: store::Error) -> Problem {
    match error {
        store::Error::Taken => {
            Problem::new(Code::Conflict, "that slot of the schedule had its session")
        }
        store::Error::NotFound => Problem::new(Code::NotFound, "what begins it is gone"),
        error => error.into(),
    }
}
