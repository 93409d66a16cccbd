//! A budget is a budget: what the log says was used, calls that were cut by a
//! crash included, is no more than the cap.

use serde_json::Value;

use super::{Judged, is};

pub(super) fn judge(judged: &mut Judged, cap: u64, log: &[Value]) {
    let used: u64 = log.iter().map(used).sum();
    if used > cap {
        judged.counts.overshoot += used - cap;
        judged.say(format!("{used} tokens were used of a budget of {cap}"));
    }
    let ends = log.iter().filter(|event| is(event, "turn.completed"));
    let reasons: Vec<&str> = ends
        .filter_map(|event| event["body"]["yield_reason"].as_str())
        .collect();
    if reasons.iter().any(|reason| {
        !matches!(
            *reason,
            "budget_exceeded" | "completed" | "deadline_exceeded"
        )
    }) {
        judged.stuck(format!("a turn with a budget ended as {reasons:?}"));
    }
}

/// Tokens one event stands for.
fn used(event: &Value) -> u64 {
    let body = &event["body"];
    match event["type"].as_str() {
        Some("model.completed" | "context.compacted") => total(&body["usage"]),
        Some("session.recovered" | "model.cut") => total(&body["charged"]),
        _ => 0,
    }
}

fn total(usage: &Value) -> u64 {
    [
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    ]
    .iter()
    .filter_map(|part| usage[part].as_u64())
    .sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::drill::judge::tests::log;

    fn judged(cap: u64, events: &[(&str, Value)]) -> Judged {
        let mut judged = Judged::default();
        judge(&mut judged, cap, &log(events));
        judged
    }

    fn answer(input: u64, output: u64) -> (&'static str, Value) {
        let usage = json!({ "input_tokens": input, "output_tokens": output });
        ("model.completed", json!({ "usage": usage }))
    }

    #[test]
    fn every_token_over_the_cap_counts() {
        let two = [answer(30, 10), answer(30, 12)];
        assert_eq!(judged(82, &two).counts.overshoot, 0);
        assert_eq!(judged(80, &two).counts.overshoot, 2);
    }

    #[test]
    fn a_call_that_was_cut_is_charged_too() {
        for kind in ["session.recovered", "model.cut"] {
            let charged = json!({ "charged": { "input_tokens": 20, "output_tokens": 30 } });
            let events = [answer(30, 10), (kind, charged)];
            assert_eq!(judged(80, &events).counts.overshoot, 10, "{kind}");
        }
    }

    #[test]
    fn a_budget_that_is_spent_is_a_good_end_and_an_error_is_none() {
        for (reason, stuck) in [("budget_exceeded", 0), ("completed", 0), ("error", 1)] {
            let end = ("turn.completed", json!({ "yield_reason": reason }));
            assert_eq!(judged(10, &[end]).counts.stuck, stuck, "{reason}");
        }
    }
}
