//! What a receiver of webhooks was told, against the log: every event, at least
//! once, first in their order, and never anything the log does not say.

use serde_json::Value;

use super::Judged;
use crate::drill::receiver::Letter;

pub(super) fn judge(judged: &mut Judged, letters: &[Letter], log: &[Value]) {
    let mut first: Vec<u64> = Vec::new();
    for letter in letters {
        let event = log.iter().find(|event| event["seq"] == letter.seq);
        let id = event.and_then(|event| event["id"].as_str());
        if event != Some(&letter.event) || id != Some(&letter.id) {
            judged.untold(format!(
                "a webhook said of event {} what is not in the log",
                letter.seq
            ));
        } else if !first.contains(&letter.seq) {
            first.push(letter.seq);
        }
    }
    for pair in first.windows(2) {
        if let [before, after] = pair
            && before > after
        {
            judged.untold(format!("event {after} was told after event {before}"));
        }
    }
    let missing = log.iter().filter_map(|event| event["seq"].as_u64());
    for seq in missing.filter(|seq| !first.contains(seq)) {
        judged.untold(format!("event {seq} was never told by webhook"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn log() -> Vec<Value> {
        let event =
            |seq: u64| json!({ "seq": seq, "id": format!("evt_{seq}"), "body": { "n": seq } });
        (1..=3).map(event).collect()
    }

    fn letter(seq: u64) -> Letter {
        Letter {
            id: format!("evt_{seq}"),
            session: "ses_1".to_owned(),
            seq,
            event: log()[usize::try_from(seq).unwrap() - 1].clone(),
        }
    }

    fn untold(letters: &[Letter]) -> u64 {
        let mut judged = Judged::default();
        judge(&mut judged, letters, &log());
        judged.counts.untold
    }

    #[test]
    fn all_in_order_with_honest_repeats_is_as_it_should_be() {
        assert_eq!(untold(&[1, 2, 3].map(letter)), 0);
        assert_eq!(untold(&[1, 2, 1, 2, 3, 1].map(letter)), 0);
    }

    #[test]
    fn what_is_missing_or_out_of_order_or_not_in_the_log_is_found() {
        assert_eq!(untold(&[1, 3].map(letter)), 1);
        assert_eq!(untold(&[2, 1, 3].map(letter)), 1);
        let other = |change: fn(&mut Letter)| {
            let mut all = [1, 2, 2, 3].map(letter);
            change(&mut all[2]);
            untold(&all)
        };
        assert_eq!(other(|letter| letter.id = "evt_9".to_owned()), 1);
        assert_eq!(other(|letter| letter.event["body"]["n"] = json!(9)), 1);
        assert_eq!(other(|letter| letter.seq = 7), 1);
    }
}
