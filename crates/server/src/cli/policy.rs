//! What an agent allows besides its limits, as options.

use clap::Args;
use serde_json::{Map, Value, json};

/// Policies; an absent one is not sent.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct PolicyOptions {
    /// A tool call whose outcome is unknown after a crash: report, retry, or
    /// TOOL=retry for one tool; may be repeated
    #[arg(long, value_name = "[TOOL=]WORD")]
    on_interrupt: Vec<String>,
    /// Most tokens that all its sessions use in a day (UTC)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    tokens_per_day: Option<u64>,
    /// Most tokens that all its sessions use in a month
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    tokens_per_month: Option<u64>,
    /// Most US dollars that all its sessions spend in a day
    #[arg(long, value_name = "USD")]
    usd_per_day: Option<f64>,
    /// Most US dollars that all its sessions spend in a month
    #[arg(long, value_name = "USD")]
    usd_per_month: Option<f64>,
    /// What its sandboxes may reach: open (the public internet), none, or hosts as
    /// api.example.com or *.example.com
    #[arg(long, value_name = "WORD|HOST,…", value_delimiter = ',')]
    egress: Vec<String>,
    /// Name of the secret store that its sandboxes get besides the agent's own
    /// secrets; '' for none
    #[arg(long, value_name = "NAME")]
    secret_store: Option<String>,
}

impl PolicyOptions {
    /// One word for every tool, or a word for each of some.
    pub(super) fn on_interrupt(&self) -> Option<Value> {
        match self.on_interrupt.as_slice() {
            [] => None,
            [word] if !word.contains('=') => Some(word.as_str().into()),
            words => {
                let tools = words.iter().map(|word| {
                    let (tool, word) = word.split_once('=').unwrap_or(("*", word));
                    (tool.to_owned(), word.into())
                });
                Some(Value::Object(tools.collect()))
            }
        }
    }

    /// A word, or the hosts of an allowlist.
    pub(super) fn egress(&self) -> Option<Value> {
        match self.egress.as_slice() {
            [] => None,
            [word] if matches!(word.as_str(), "open" | "none") => Some(word.as_str().into()),
            hosts => Some(json!({ "allowlist": hosts })),
        }
    }

    /// The store's name; null for none.
    pub(super) fn secret_store(&self) -> Option<Value> {
        let name = self.secret_store.as_deref()?;
        Some(if name.is_empty() {
            Value::Null
        } else {
            name.into()
        })
    }

    /// The caps for a request, if any is set.
    pub(super) fn caps(&self) -> Option<Value> {
        let all = [
            ("tokens_per_day", self.tokens_per_day.map(Value::from)),
            ("tokens_per_month", self.tokens_per_month.map(Value::from)),
            ("usd_per_day", self.usd_per_day.map(Value::from)),
            ("usd_per_month", self.usd_per_month.map(Value::from)),
        ];
        let set: Map<String, Value> = all
            .into_iter()
            .filter_map(|(name, cap)| Some((name.to_owned(), cap?)))
            .collect();
        (!set.is_empty()).then_some(Value::Object(set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_for_every_tool_and_a_pair_for_one() {
        let sent = |words: &[&str]| {
            let on_interrupt = words.iter().map(|word| (*word).to_owned()).collect();
            let policy = PolicyOptions {
                on_interrupt,
                ..PolicyOptions::default()
            };
            policy.on_interrupt()
        };
        assert_eq!(sent(&[]), None);
        assert_eq!(sent(&["retry"]), Some(json!("retry")));
        let want = json!({ "bash": "report", "*": "retry" });
        assert_eq!(sent(&["bash=report", "retry"]), Some(want));
    }

    #[test]
    fn egress_is_a_word_or_an_allowlist() {
        let sent = |words: &[&str]| {
            let egress = words.iter().map(|word| (*word).to_owned()).collect();
            let policy = PolicyOptions {
                egress,
                ..PolicyOptions::default()
            };
            policy.egress()
        };
        assert_eq!(sent(&[]), None);
        assert_eq!(sent(&["none"]), Some(json!("none")));
        let hosts = ["api.test", "*.github.com"];
        assert_eq!(sent(&hosts), Some(json!({ "allowlist": hosts })));
    }

    #[test]
    fn only_caps_that_are_set_are_sent() {
        assert_eq!(PolicyOptions::default().caps(), None);
        let some = PolicyOptions {
            usd_per_day: Some(2.5),
            ..PolicyOptions::default()
        };
        assert_eq!(some.caps(), Some(json!({ "usd_per_day": 2.5 })));
    }
}
