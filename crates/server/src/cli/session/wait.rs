//! What a session waits on, in words.

use serde_json::Value;

use crate::cli::context::{field, moment};

/// Short, for a row: what for, and the place in line; `-` at rest.
pub(super) fn short(session: &Value) -> String {
    let wait = &session["waiting_on"];
    match (wait["what"].as_str(), wait["place"].as_u64()) {
        (None, _) => "-".to_owned(),
        (Some(what), None) => what.to_owned(),
        (Some(what), Some(place)) => format!("{what} (no. {place} in line)"),
    }
}

/// All there is to know: since when, until when, and what then.
pub(super) fn long(session: &Value) -> Option<String> {
    let wait = &session["waiting_on"];
    if !wait.is_object() {
        return None;
    }
    let until = match &wait["deadline"] {
        Value::Null => String::new(),
        _ => format!(", until {} at the latest", moment(wait, "deadline")),
    };
    let since = moment(wait, "since");
    let (what, next) = (short(session), field(wait, "next"));
    Some(format!("{what} since {since}{until}\nthen: {next}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wait_is_told_in_short_and_in_full() {
        let model = json!({ "waiting_on": { "what": "model", "since": "2026-01-02T03:04:05.000Z",
            "deadline": "2026-01-02T03:14:05.000Z", "next": "the model is asked again" } });
        assert_eq!(short(&model), "model");
        let want = "model since 2026-01-02 03:04:05, until 2026-01-02 03:14:05 at the latest\nthen: the model is asked again";
        assert_eq!(long(&model).as_deref(), Some(want));
        let line = json!({ "waiting_on": { "what": "quota", "since": "2026-01-02T03:04:05.000Z",
            "deadline": null, "next": "x", "place": 3 } });
        assert_eq!(short(&line), "quota (no. 3 in line)");
        let rest = json!({ "waiting_on": null });
        assert_eq!((short(&rest), long(&rest)), ("-".to_owned(), None));
    }
}
