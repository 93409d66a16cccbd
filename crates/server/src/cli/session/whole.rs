//! The whole text of an event that carries only a part of it: long texts stand
//! beside the log, at the event's `content` route.

use serde_json::Value;

use super::{path, plain};
use crate::cli::api::{Api, Ask};
use crate::cli::error::CliError;

/// Whether an event that is shown to people says only a part of what was said.
/// Of a tool's output a part is all that is shown anyway.
pub(super) fn cut(event: &Value) -> bool {
    event["body_truncated"] == true && event["type"] == "agent.message"
}

/// Puts the whole text of a message in the place of the part.
///
/// # Errors
/// Those of reading it.
pub(super) async fn fill(api: &Api, session: &str, event: &mut Value) -> Result<(), CliError> {
    if !cut(event) {
        return Ok(());
    }
    // Our own words for the address: a key goes nowhere that an answer names.
    let below = format!(
        "/events/{}/content",
        plain(event["id"].as_str().unwrap_or_default())
    );
    let whole = api.send(Ask::get(path(session, &below))).await?;
    event["body"]["text"] = whole.text.into();
    event["body_truncated"] = false.into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_is_whole_is_not_asked_for() {
        let nobody = Api::new("http://127.0.0.1:1", None).unwrap();
        for mut event in [
            json!({ "type": "agent.message", "body": { "text": "all" } }),
            json!({ "type": "exec.completed", "body_truncated": true }),
            Value::Null,
        ] {
            let before = event.clone();
            fill(&nobody, "ses_1", &mut event).await.unwrap();
            assert_eq!(event, before);
        }
        let mut part = json!({ "id": "evt_1", "type": "agent.message", "body_truncated": true });
        assert!(fill(&nobody, "ses_1", &mut part).await.is_err());
    }
}
