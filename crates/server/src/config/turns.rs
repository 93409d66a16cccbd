//! The turns: how long and how many, and when one is no longer getting anywhere.

use std::collections::BTreeMap;

use super::options::options;
use super::{ConfigError, at_least, wrong};

options! {
    /// What bounds a turn.
    Turns {
        /// Longest turn, in seconds
        "OC_TURN_SECONDS" turn_seconds: u64 = 1800;
        /// Most model calls in one turn
        "OC_TURN_STEPS" turn_steps: u32 = 200;
        /// Longest tool call, in seconds
        "OC_TOOL_SECONDS" tool_seconds: u64 = 1800;
        /// Equal calls with equal results in a row until the model is told so; 0 for never
        "OC_LOOP_AFTER" loop_after: u32 = 5;
        /// Seconds a wait lasts until the session says so
        "OC_WAITING_SECONDS" waiting_seconds: u64 = 5;
        /// Turns of one org that run at once; the others wait in line
        "OC_ORG_TURNS" org_turns: usize = 5;
    }
    tables {
        /// Turns that run at once, of single orgs
        org_turns_of: BTreeMap<String, usize>;
    }
}

impl Turns {
    /// How many turns of that org may run at once.
    #[must_use]
    pub fn at_once(&self, org: &str) -> usize {
        self.org_turns_of
            .get(org)
            .copied()
            .unwrap_or(self.org_turns)
    }

    /// Tidies what was given.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        for (name, value) in [
            ("turn_seconds", self.turn_seconds),
            ("turn_steps", self.turn_steps.into()),
            ("tool_seconds", self.tool_seconds),
            ("waiting_seconds", self.waiting_seconds),
            ("org_turns", self.org_turns as u64),
        ] {
            at_least(name, 1, value)?;
        }
        // One call is no repetition.
        if self.loop_after == 1 {
            return Err(wrong("loop_after", 1, "give 2 or more, or 0 for never"));
        }
        match self.org_turns_of.iter().find(|(_, turns)| **turns == 0) {
            None => Ok(self),
            Some((org, _)) => {
                let given = format!("0 for {org}");
                Err(wrong("org_turns_of", given, "give 1 or more"))
            }
        }
    }
}
