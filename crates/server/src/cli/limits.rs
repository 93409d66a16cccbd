//! The limits of an agent or a session as options.

use clap::Args;
use serde_json::{Map, Value};

/// Limits; an absent one is not set.
#[derive(Debug, Clone, Args)]
pub(super) struct LimitOptions {
    /// Most tokens of a session, all kinds counted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    tokens: Option<u64>,
    /// Most seconds of one turn
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    turn_seconds: Option<u64>,
    /// Most turns of a session
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    turns: Option<u64>,
    /// Most US dollars that model calls of a session may cost
    #[arg(long, value_name = "USD")]
    usd: Option<f64>,
    /// Most model calls of one turn
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Times in a row that a turn at its deadline goes on by itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=100))]
    auto_continue: Option<u64>,
}

impl LimitOptions {
    /// The limits for a request, if any is set.
    pub(super) fn value(&self) -> Option<Value> {
        let all = [
            ("tokens", self.tokens),
            ("turn_seconds", self.turn_seconds),
            ("turns", self.turns),
            ("steps", self.steps),
            ("auto_continue", self.auto_continue),
        ];
        let mut set: Map<String, Value> = all
            .into_iter()
            .filter_map(|(name, limit)| Some((name.to_owned(), limit?.into())))
            .collect();
        set.extend(self.usd.map(|usd| ("usd".to_owned(), usd.into())));
        (!set.is_empty()).then_some(Value::Object(set))
    }
}

/// A request's body from fields that may be absent.
pub(super) fn body<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let set: Map<String, Value> = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    Value::Object(set)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_set_is_sent() {
        let none = LimitOptions {
            tokens: None,
            turn_seconds: None,
            turns: None,
            usd: None,
            steps: None,
            auto_continue: None,
        };
        assert_eq!(none.value(), None);
        let some = LimitOptions {
            tokens: Some(5),
            usd: Some(0.25),
            ..none
        };
        assert_eq!(some.value(), Some(json!({ "tokens": 5, "usd": 0.25 })));
        assert_eq!(
            body([("a", Some(json!(1))), ("b", None)]),
            json!({ "a": 1 })
        );
    }
}
