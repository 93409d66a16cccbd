//! What follows from the facts and is written beside them in the same
//! transaction, so that no reader has to fold.

use session::{Frozen, Millis, SessionUsage, State};

use crate::{Error, Tally};

/// The parts of a session's row that an append replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The name of its phase.
    pub status: String,
    /// Newest input the runtime has taken.
    pub input_cursor: u64,
    /// Since when somebody should drive it; `None` at rest.
    pub due: Option<Millis>,
    /// The state as JSON.
    pub state: String,
    /// The usage of a turn that ends in this append.
    pub tally: Option<Tally>,
}

impl Projection {
    /// The projection of a state reached at `at`, from the one before.
    #[must_use]
    pub fn of(frozen: &Frozen, before: &State, state: &State, at: Millis) -> Self {
        let phase = state.phase();
        Self {
            status: phase.name().to_owned(),
            input_cursor: state.input_cursor,
            due: (!phase.at_rest()).then_some(at),
            state: serde_json::to_string(state).unwrap_or_default(),
            tally: tally(frozen, before, state, at),
        }
    }
}

/// The usage of the turn that ended between these states, if one did.
fn tally(frozen: &Frozen, before: &State, state: &State, at: Millis) -> Option<Tally> {
    let ended = state.last_turn.as_ref()?;
    let known = before.last_turn.as_ref();
    if known.is_some_and(|known| known.number == ended.number) {
        return None;
    }
    // A fork begins its account anew, in the same breath as it closes a turn.
    let was = if before.origin == state.origin {
        before.usage
    } else {
        SessionUsage::default()
    };
    let (now, open) = (state.usage, before.turn.as_ref());
    let tokens = now.tokens.less(was.tokens);
    Some(Tally {
        turn: ended.number,
        agent: frozen.agent.clone(),
        started: open.map_or(at, |turn| turn.started),
        ended: at,
        active_ms: now.active_ms.saturating_sub(was.active_ms),
        tokens,
        reported: now.unreported_turns == was.unreported_turns
            && now.partial_turns == was.partial_turns,
        usd: frozen.cost(tokens),
    })
}

/// Reads a stored state back.
pub(crate) fn state(text: &str) -> Result<State, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt {
        what: "state",
        why: error.to_string(),
    })
}
