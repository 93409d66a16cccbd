//! Changing a session: only its limits can be, all else was frozen at its birth.

use serde::Deserialize;
use session::Command;
use store::SessionRow;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::field::{Object, need};
use crate::http::json::Sent;
use crate::http::problem::{Code, Problem};
use crate::http::v3::command::carry_with;
use crate::http::v3::limits::LimitsChange;
use crate::http::v3::price;

/// What a session keeps from its birth on.
const FIXED: [&str; 6] = ["agent", "model", "key", "metadata", "credential", "input"];

/// A change of a session.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateSession {
    /// Other limits; a limit that is not named stays, null takes it away. One
    /// below what is used already is one that is spent.
    #[schema(value_type = LimitsChange, required = true)]
    limits: Option<Object<LimitsChange>>,
}

/// Changes what can be changed, and shows the session after it.
pub async fn change(app: &App, org: &str, id: &str, sent: &Sent) -> Result<SessionRow, Problem> {
    if let Some(fixed) = FIXED.into_iter().find(|field| sent.has(field)) {
        let message = format!("`{fixed}` cannot be changed; start another session");
        return Err(Problem::invalid(fixed, message));
    }
    let wanted: UpdateSession = sent.parse()?;
    let Object(change) = need(wanted.limits, "limits")?;
    let command = |row: &SessionRow| {
        let limits = change.onto(row.state.limits(&row.frozen));
        price::needed(row.frozen.prices, &row.frozen.model, &limits)?;
        Ok(Command::SetLimits(limits))
    };
    let carried = carry_with(app, org, id, command, None).await;
    carried
        .map(|carried| carried.row)
        .map_err(|problem| match problem.code {
            Code::Conflict => Problem::new(
                Code::Conflict,
                "the session is archived: its limits stay as they are; fork it or start another one",
            ),
            _ => problem,
        })
}
