//! A request that was made before: its receipt is given again, whatever has become
//! of the agent since, and nothing happens twice.

use serde_json::Value;
use session::id::Noun;
use sha2::{Digest, Sha256};
use store::{Created, Once, SessionRow};

use crate::app::App;
use crate::begin::{Born, Wish, begin};
use crate::http::canonical::canonical;
use crate::http::problem::{Code, Problem};

/// A key by which a request with that payload happens once. `of` is what keeps the
/// keys of one address apart from those of others.
pub fn once(key: Option<String>, scope: &'static str, of: &str, payload: &Value) -> Option<Once> {
    let request = Sha256::digest(canonical(payload, ""));
    let request = request.iter().map(|byte| format!("{byte:02x}")).collect();
    key.map(|key| Once {
        scope,
        key: format!("{of}:{key}"),
        request,
    })
}

/// The session that this request made before, if it did.
///
/// # Errors
/// 409 if another request had its key.
pub async fn before(
    app: &App,
    org: &str,
    once: Option<&Once>,
) -> Result<Option<SessionRow>, Problem> {
    let Some(once) = once else { return Ok(None) };
    match app.store.made_before(org, once).await? {
        Some(Created::Replay(row)) => Ok(Some(*row)),
        Some(Created::Conflict(_)) => Err(other()),
        Some(Created::New { .. }) | None => Ok(None),
    }
}

/// Begins the session; who comes second finds what the first one began.
///
/// # Errors
/// As [`begin`].
pub async fn begun(app: &App, wish: Wish) -> Result<Born, Problem> {
    let keyed = wish.once.is_some();
    begin(app, wish)
        .await
        .map_err(|problem| match keyed && problem.code == Code::Conflict {
            true => other(),
            false => problem,
        })
}

/// Names the request that began a session, the same for ever.
pub fn receipt(session: &str) -> String {
    let suffix = session
        .split_once('_')
        .map_or(session, |(_, suffix)| suffix);
    format!("{}_{suffix}", Noun::Request.prefix())
}

fn other() -> Problem {
    Problem::new(
        Code::Conflict,
        "this key was used before, with other JSON: a key stands for one request",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_its_address_s_own_and_equal_json_is_equal_however_it_is_written() {
        let made = |of: &str, payload: &Value| once(Some("k".into()), "hook", of, payload);
        let (one, two) = (json!({ "a": 1, "b": 2 }), json!({ "b": 2, "a": 1 }));
        assert_eq!(made("hk_1", &one), made("hk_1", &two));
        assert_ne!(made("hk_1", &one), made("hk_2", &one));
        let request = |payload| made("hk_1", &payload).unwrap().request;
        assert_ne!(request(json!({ "key": 1 })), request(json!({ "key": 2 })));
        assert_ne!(request(json!(null)), request(json!("")));
        assert_eq!(once(None, "hook", "hk_1", &one), None);
    }

    #[test]
    fn a_receipt_is_named_after_what_it_began() {
        assert_eq!(receipt("ses_0abc"), "req_0abc");
    }
}
