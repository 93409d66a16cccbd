//! What many sessions together may use, as options.

use clap::Args;
use serde_json::{Map, Value};

/// Caps; an absent one is not sent.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct CapOptions {
    /// Most tokens that all its sessions use in a day (UTC)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens_per_day: Option<u64>,
    /// Most tokens that all its sessions use in a month
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens_per_month: Option<u64>,
    /// Most US dollars that all its sessions spend in a day
    #[arg(long, value_name = "USD")]
    pub usd_per_day: Option<f64>,
    /// Most US dollars that all its sessions spend in a month
    #[arg(long, value_name = "USD")]
    pub usd_per_month: Option<f64>,
}

impl CapOptions {
    /// The caps for a request, if any is set.
    pub(super) fn value(&self) -> Option<Value> {
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
    use serde_json::json;

    use super::*;

    #[test]
    fn only_caps_that_are_set_are_sent() {
        assert_eq!(CapOptions::default().value(), None);
        let some = CapOptions {
            usd_per_day: Some(2.5),
            ..CapOptions::default()
        };
        assert_eq!(some.value(), Some(json!({ "usd_per_day": 2.5 })));
    }
}
