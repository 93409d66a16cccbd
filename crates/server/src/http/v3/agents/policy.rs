//! What an agent allows besides its limits, as it is sent and shown: which tools
//! may be run again after a crash, what all its sessions together may use, and
//! what their sandboxes may reach with which secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session::{Caps, OnInterrupt, Usd, tool};
use store::{AgentRow, Policy};
use utoipa::ToSchema;

use super::egress;
use crate::app::App;
use crate::http::field::{Object, short};
use crate::http::json::Sent;
use crate::http::problem::Problem;
use crate::http::v3::number::{Count, Dollars};
use crate::http::v3::price;

/// Stands for every tool that is not named.
const EVERY: &str = "*";
/// Most characters of a store's name.
const NAME: usize = 128;

/// What all sessions of an agent together may use; days and months are UTC.
/// A name that is not known is refused: a mistyped cap would be none.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Caps)]
pub struct CapsIn {
    /// Tokens in a day.
    #[schema(value_type = u64, minimum = 1, required = false)]
    tokens_per_day: Option<Count>,
    /// Tokens in a month.
    #[schema(value_type = u64, minimum = 1, required = false)]
    tokens_per_month: Option<Count>,
    /// US dollars in a day.
    #[schema(value_type = f64, exclusive_minimum = 0, required = false)]
    usd_per_day: Option<Dollars>,
    /// US dollars in a month.
    #[schema(value_type = f64, exclusive_minimum = 0, required = false)]
    usd_per_month: Option<Dollars>,
}

impl From<CapsIn> for Caps {
    fn from(sent: CapsIn) -> Self {
        Self {
            tokens_per_day: sent.tokens_per_day.map(|count| count.0),
            tokens_per_month: sent.tokens_per_month.map(|count| count.0),
            usd_per_day: sent.usd_per_day.map(|dollars| dollars.0),
            usd_per_month: sent.usd_per_month.map(|dollars| dollars.0),
        }
    }
}

/// Caps of what begins an agent's sessions, if they can hold: those on money take
/// a model whose price is known.
///
/// # Errors
/// 422 naming the cap.
pub fn caps(app: &App, agent: &AgentRow, sent: Option<Object<CapsIn>>) -> Result<Caps, Problem> {
    let caps: Caps = sent.map(|caps| caps.0.into()).unwrap_or_default();
    let model = super::model(agent.active.model.clone(), &agent.runtime)?;
    price::capped(price::of(app, &model), &model, &caps)?;
    Ok(caps)
}

/// Caps as they are shown: those that are set, money in dollars.
#[derive(Debug, Serialize)]
pub struct CapsObject {
    #[serde(flatten)]
    whole: Caps,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_per_day: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_per_month: Option<f64>,
}

impl From<Caps> for CapsObject {
    fn from(caps: Caps) -> Self {
        Self {
            usd_per_day: caps.usd_per_day.map(Usd::as_dollars),
            usd_per_month: caps.usd_per_month.map(Usd::as_dollars),
            whole: Caps {
                usd_per_day: None,
                usd_per_month: None,
                ..caps
            },
        }
    }
}

/// The parts of a request that make a policy.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    on_interrupt: Option<Value>,
    caps: Option<Object<CapsIn>>,
    egress: Option<Value>,
    secret_store: Option<String>,
}

/// The policy that a request leaves: what it does not name stays, null takes away.
///
/// # Errors
/// 422 naming the field.
pub fn policy(sent: &Sent, before: Policy) -> Result<Policy, Problem> {
    let wanted: Wanted = sent.parse()?;
    let mut policy = before;
    if sent.has("on_interrupt") {
        policy.on_interrupt = wanted.on_interrupt.map_or(Ok(BTreeMap::new()), by_tool)?;
    }
    if sent.has("caps") {
        policy.caps = wanted.caps.map_or_else(Caps::default, |caps| caps.0.into());
    }
    if sent.has("egress") {
        policy.egress = egress::read(wanted.egress.unwrap_or_default())?;
    }
    if sent.has("secret_store") {
        let name = wanted.secret_store;
        policy.secret_store = name
            .map(|name| short(name, "secret_store", NAME))
            .transpose()?;
    }
    Ok(policy)
}

/// One word for every tool, or a word for each of some.
fn by_tool(sent: Value) -> Result<BTreeMap<String, OnInterrupt>, Problem> {
    match sent {
        Value::Object(tools) => tools
            .into_iter()
            .map(|(tool, word)| {
                let field = format!("on_interrupt.{tool}");
                if tool != EVERY && tool::kind(&tool).is_none() {
                    let names = tool::NAMES.join(", ");
                    let message = format!(
                        "`{field}`: there is no such tool; there are {names}, and * for all others"
                    );
                    return Err(Problem::invalid(&field, message));
                }
                Ok((tool, read(&word, &field)?))
            })
            .collect(),
        word => Ok([(EVERY.to_owned(), read(&word, "on_interrupt")?)].into()),
    }
}

fn read(word: &Value, field: &str) -> Result<OnInterrupt, Problem> {
    match word.as_str() {
        Some("report") => Ok(OnInterrupt::Report),
        Some("retry") => Ok(OnInterrupt::Retry),
        _ => Err(Problem::invalid(
            field,
            format!("`{field}` must be `report` or `retry`"),
        )),
    }
}

/// What becomes of calls whose outcome is unknown: one word if it holds for every
/// tool, else a word for each.
pub fn shown(on_interrupt: &BTreeMap<String, OnInterrupt>) -> Value {
    match on_interrupt.get(EVERY) {
        Some(word) if on_interrupt.len() == 1 => json!(word),
        None if on_interrupt.is_empty() => json!(OnInterrupt::Report),
        _ => json!(on_interrupt),
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequest;
    use session::Egress;

    use super::*;

    async fn after(text: &str, before: Policy) -> Result<Policy, Problem> {
        let body = axum::body::Body::from(text.to_owned());
        let request = axum::extract::Request::new(body);
        policy(&Sent::from_request(request, &()).await.unwrap(), before)
    }

    #[tokio::test]
    async fn a_word_is_for_every_tool_and_an_object_for_each() {
        for (sent, want) in [
            ("{}", json!("report")),
            (r#"{"on_interrupt":"retry"}"#, json!("retry")),
            (r#"{"on_interrupt":null}"#, json!("report")),
            (
                r#"{"on_interrupt":{"bash":"report","*":"retry"}}"#,
                json!({ "bash": "report", "*": "retry" }),
            ),
        ] {
            let policy = after(sent, Policy::default()).await.unwrap();
            assert_eq!(shown(&policy.on_interrupt), want, "{sent}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        for (sent, param) in [
            (r#"{"on_interrupt":"again"}"#, "on_interrupt"),
            (r#"{"on_interrupt":5}"#, "on_interrupt"),
            (r#"{"on_interrupt":{"bash":true}}"#, "on_interrupt.bash"),
            (r#"{"on_interrupt":{"rm":"retry"}}"#, "on_interrupt.rm"),
            (r#"{"caps":{"tokens_per_day":0}}"#, "caps.tokens_per_day"),
            (r#"{"caps":{"usd_per_month":"1"}}"#, "caps.usd_per_month"),
            (r#"{"caps":[]}"#, "caps"),
            (r#"{"caps":{"usd":1}}"#, "caps.usd"),
            (r#"{"egress":"shut"}"#, "egress"),
            (r#"{"secret_store":""}"#, "secret_store"),
        ] {
            let problem = after(sent, Policy::default()).await.unwrap_err();
            assert_eq!(problem.param.as_deref(), Some(param), "{sent}");
        }
    }

    #[tokio::test]
    async fn a_change_leaves_what_it_does_not_name() {
        let sent = r#"{"on_interrupt":"retry","caps":{"tokens_per_day":5,"usd_per_month":0.5},
            "egress":"none","secret_store":"shared"}"#;
        let before = after(sent, Policy::default()).await.unwrap();
        let want = json!({ "tokens_per_day": 5, "usd_per_month": 0.5 });
        assert_eq!(json!(CapsObject::from(before.caps)), want);
        let same = after(r#"{"name":"x"}"#, before.clone()).await.unwrap();
        assert_eq!(same, before);
        let none = after(r#"{"caps":null,"secret_store":null}"#, before);
        let none = none.await.unwrap();
        assert!(none.caps.is_none() && shown(&none.on_interrupt) == "retry");
        assert_eq!((none.egress, none.secret_store), (Egress::None, None));
    }
}
