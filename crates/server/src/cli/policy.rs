//! What an agent allows besides its limits, as options.

use clap::Args;
use serde_json::{Value, json};

use super::caps::CapOptions;

/// Policies; an absent one is not sent.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct PolicyOptions {
    /// A tool call whose outcome is unknown after a crash: report, retry, or
    /// TOOL=retry for one tool; may be repeated
    #[arg(long, value_name = "[TOOL=]WORD")]
    on_interrupt: Vec<String>,
    #[command(flatten)]
    caps: CapOptions,
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
        self.caps.value()
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
}
