//! What follows from the facts and is written beside them in the same
//! transaction, so that no reader has to fold.

use session::{Frozen, Millis, State};

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
    /// The projection of a state reached at `at`.
    #[must_use]
    pub fn of(_session: &str, _frozen: &Frozen, state: &State, at: Millis) -> Self {
        let phase = state.phase();
        Self {
            status: phase.name().to_owned(),
            input_cursor: state.input_cursor,
            due: (!phase.at_rest()).then_some(at),
            state: serde_json::to_string(state).unwrap_or_default(),
            tally: None,
        }
    }
}

/// Reads a stored state back.
pub(crate) fn state(text: &str) -> Result<State, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt {
        what: "state",
        why: error.to_string(),
    })
}
