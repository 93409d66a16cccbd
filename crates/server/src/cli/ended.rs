//! How a turn that was waited for ended, where it did not end well, and the number
//! that a command which waited for it ends with.

use serde_json::Value;

/// A turn that did not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    /// Why it came to rest, as the wire says it.
    pub reason: String,
    /// What went wrong, where that is known.
    pub why: Option<String>,
    /// Whether the user saw it end.
    pub told: bool,
}

impl Ended {
    /// How a turn ended that is shown as `turn` (a turn, or the body of the event
    /// that ended it); nothing for one that completed, or runs.
    pub(super) fn of(turn: &Value, told: bool) -> Option<Self> {
        let reason = turn["yield_reason"].as_str()?;
        if matches!(reason, "completed" | "quiescent") {
            return None;
        }
        Some(Self {
            reason: reason.to_owned(),
            why: turn["error"]["message"].as_str().map(str::to_owned),
            told,
        })
    }

    /// The number the program ends with.
    pub(super) fn code(&self) -> u8 {
        match self.reason.as_str() {
            "budget_exceeded" | "deadline_exceeded" | "max_turns" => 7,
            "canceled" => 8,
            "needs_input" => 9,
            _ => 6,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = match self.reason.as_str() {
            "error" => "the turn failed",
            "budget_exceeded" => "the turn ended: its budget is spent (`oc session limits`)",
            "deadline_exceeded" => "the turn ended: it took longer than it may",
            "max_turns" => "the turn ended: its turns or steps are used up (`oc session limits`)",
            "canceled" => "the turn was stopped",
            "needs_input" => "the turn ended with a question (`oc session steer` answers)",
            other => return write!(f, "the turn ended: {}", other.replace('_', " ")),
        };
        match &self.why {
            Some(why) => write!(f, "{words}: {why}"),
            None => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session::fact::YieldReason;

    use super::*;

    #[test]
    fn every_end_has_its_number() {
        let table: Vec<(&str, u8)> = YieldReason::ALL
            .iter()
            .map(|reason| {
                let ended = Ended::of(&json!({ "yield_reason": reason.name() }), false);
                (reason.name(), ended.map_or(0, |ended| ended.code()))
            })
            .collect();
        let want = [
            ("completed", 0),
            ("needs_input", 9),
            ("error", 6),
            ("budget_exceeded", 7),
            ("deadline_exceeded", 7),
            ("max_turns", 7),
            ("canceled", 8),
        ];
        assert_eq!(table, want);
        let newer = Ended::of(&json!({ "yield_reason": "brand_new" }), false).unwrap();
        assert_eq!(
            (newer.code(), newer.to_string().as_str()),
            (6, "the turn ended: brand new")
        );
        assert_eq!(Ended::of(&json!({ "state": "running" }), false), None);
    }

    #[test]
    fn what_went_wrong_is_said() {
        let turn = json!({ "yield_reason": "error", "error": { "message": "no key" } });
        let ended = Ended::of(&turn, false).unwrap();
        assert_eq!(ended.to_string(), "the turn failed: no key");
    }
}
