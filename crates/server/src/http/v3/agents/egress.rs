//! What an agent's sandboxes may reach, as it is sent and shown: `open`, `none`,
//! or an object with an allowlist.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use session::Egress;
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::secrets::hosts;

/// A word, or a list of hosts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Egress)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub enum EgressObject {
    /// `open` (the public internet) or `none`.
    Word(String),
    /// These hosts alone.
    Hosts(Allowlist),
}

/// The hosts that may be reached.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Allowlist {
    /// As `api.example.com` or `*.example.com`; empty for none.
    allowlist: Vec<String>,
}

/// What a request asks for; null for `open`.
///
/// # Errors
/// 422 naming the field.
pub fn read(sent: Value) -> Result<Egress, Problem> {
    let wrong = || {
        let message = "`egress` must be `open`, `none` or an object such as \
            {\"allowlist\": [\"api.example.com\", \"*.github.com\"]}";
        Problem::invalid("egress", message)
    };
    match sent {
        Value::Null => Ok(Egress::Open),
        Value::String(word) => match word.as_str() {
            "open" => Ok(Egress::Open),
            "none" => Ok(Egress::None),
            _ => Err(wrong()),
        },
        Value::Object(_) => {
            let list: Allowlist = serde_json::from_value(sent).map_err(|_| wrong())?;
            hosts(list.allowlist, "egress.allowlist").map(Egress::Allowlist)
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_or_a_list_comes_back_as_it_was_sent() {
        for sent in [
            json!("open"),
            json!("none"),
            json!({ "allowlist": ["api.test", "*.github.com"] }),
            json!({ "allowlist": [] }),
        ] {
            assert_eq!(json!(read(sent.clone()).unwrap()), sent);
        }
        assert_eq!(read(Value::Null).unwrap(), Egress::Open);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (sent, param) in [
            (json!("closed"), "egress"),
            (json!(["api.test"]), "egress"),
            (json!({}), "egress"),
            (json!({ "allowlist": "api.test" }), "egress"),
            (json!(true), "egress"),
            (
                json!({ "allowlist": ["api.test", "https://x"] }),
                "egress.allowlist[1]",
            ),
        ] {
            let problem = read(sent.clone()).unwrap_err();
            assert_eq!(problem.param.as_deref(), Some(param), "{sent}");
        }
    }
}
