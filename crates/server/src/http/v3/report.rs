//! Usage of an org over a span of time: turns, tokens, cost, sandboxes. The rows
//! are written as turns end and while sandboxes run; an open turn is not in it yet.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use session::{Millis, Usd};
use store::{UsageBy, UsageRow};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::usage::{TokensObject, time_cost};
use crate::app::App;
use crate::clock;
use crate::http::auth::Org;
use crate::http::problem::{ErrorEnvelope, Problem};
use crate::http::query::{Params, moment};

/// Milliseconds of a day (UTC).
const DAY: i64 = 24 * 3600 * 1000;
/// Days that are reported if nobody says from when.
const DAYS: i64 = 30;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(usage))
}

/// Which usage.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageParams {
    /// From this moment on (RFC 3339); 30 days before `to` if absent
    from: Option<String>,
    /// Before this moment (RFC 3339); now if absent
    to: Option<String>,
    /// What a row stands for: `agent`, `session` or `day` (UTC, the default)
    group_by: Option<String>,
}

/// Usage over a span of time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct ReportObject {
    /// From when, included.
    from: String,
    /// Until when, excluded.
    to: String,
    /// What a row stands for.
    group_by: String,
    /// The rows, in the order of their groups.
    data: Vec<UsageRowObject>,
    /// All of them together.
    total: UsageRowObject,
}

/// What was used of one group. A turn counts where it ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageRow)]
pub struct UsageRowObject {
    /// An agent's or a session's id, or a day; null for the total.
    group: Option<String>,
    /// Turns that ended.
    turns: u64,
    /// Seconds in which they ran.
    active_seconds: u64,
    #[serde(flatten)]
    #[schema(inline)]
    counts: TokensObject,
    /// The sum of the four counts.
    tokens: u64,
    /// What these tokens cost, in USD, as far as prices are known.
    total_cost_usd: f64,
    /// Turns whose cost is not known.
    unpriced_turns: u64,
    /// What the active seconds cost, in USD.
    cost_usd: f64,
    /// Seconds in which sandboxes ran.
    sandbox_seconds: u64,
    /// The same, times the memory of each in GiB.
    sandbox_gib_seconds: u64,
}

impl UsageRowObject {
    fn new(row: &UsageRow, group: Option<String>, hour: f64) -> Self {
        let active_seconds = row.active_ms / 1000;
        Self {
            group,
            turns: row.turns,
            active_seconds,
            counts: row.tokens.into(),
            tokens: row.tokens.total(),
            total_cost_usd: row.usd.as_dollars(),
            unpriced_turns: row.unpriced_turns,
            cost_usd: time_cost(active_seconds, hour),
            sandbox_seconds: row.sandbox_seconds,
            sandbox_gib_seconds: row.sandbox_gib_seconds,
        }
    }
}

/// Report what was used
#[utoipa::path(get, path = "/v3/usage", operation_id = "usage", tag = "Usage", params(UsageParams),
    responses((status = 200, description = "What the org used", body = ReportObject),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
async fn usage(
    State(app): State<App>,
    Org(org): Org,
    Params(params): Params<UsageParams>,
) -> Result<Json<ReportObject>, Problem> {
    let (from, to) = span(&params, clock::now())?;
    let name = params.group_by.as_deref().unwrap_or("day");
    let by = by(name)?;
    let rows = app.store.usage(&org, from, to, by).await?;
    let hour = app.config.budgets.session_hour_usd;
    let row = |row: &UsageRow| UsageRowObject::new(row, Some(group(by, &row.group)), hour);
    Ok(Json(ReportObject {
        from: clock::rfc3339(from),
        to: clock::rfc3339(to),
        group_by: name.to_owned(),
        data: rows.iter().map(row).collect(),
        total: UsageRowObject::new(&sum(&rows), None, hour),
    }))
}

fn by(name: &str) -> Result<UsageBy, Problem> {
    match name {
        "agent" => Ok(UsageBy::Agent),
        "session" => Ok(UsageBy::Session),
        "day" => Ok(UsageBy::Day),
        _ => Err(Problem::malformed(
            "group_by",
            "`group_by` must be `agent`, `session` or `day`",
        )),
    }
}

/// The span asked for.
fn span(params: &UsageParams, now: Millis) -> Result<(Millis, Millis), Problem> {
    let to = moment(params.to.as_deref(), "to")?.unwrap_or(now.plus(1));
    let from = moment(params.from.as_deref(), "from")?;
    let from = from.unwrap_or_else(|| to.plus(-DAYS * DAY));
    if from >= to {
        return Err(Problem::malformed("from", "`from` must be before `to`"));
    }
    Ok((from, to))
}

/// A group as the wire names it: days as dates.
fn group(by: UsageBy, name: &str) -> String {
    match (by, name.parse::<i64>()) {
        (UsageBy::Day, Ok(day)) => {
            let date = clock::rfc3339(Millis(day.saturating_mul(DAY)));
            date.get(..10).unwrap_or(name).to_owned()
        }
        _ => name.to_owned(),
    }
}

fn sum(rows: &[UsageRow]) -> UsageRow {
    rows.iter().fold(UsageRow::default(), |sum, row| UsageRow {
        group: String::new(),
        turns: sum.turns + row.turns,
        active_ms: sum.active_ms + row.active_ms,
        tokens: sum.tokens.plus(row.tokens),
        usd: Usd::plus(sum.usd, row.usd),
        unpriced_turns: sum.unpriced_turns + row.unpriced_turns,
        sandbox_seconds: sum.sandbox_seconds + row.sandbox_seconds,
        sandbox_gib_seconds: sum.sandbox_gib_seconds + row.sandbox_gib_seconds,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session::Tokens;

    use super::*;

    fn params(from: Option<&str>, to: Option<&str>) -> UsageParams {
        UsageParams {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            group_by: None,
        }
    }

    #[test]
    fn a_span_is_the_last_thirty_days_up_to_now_or_what_was_asked() {
        let now = Millis(DAYS * DAY);
        assert_eq!(
            span(&params(None, None), now).unwrap(),
            (Millis(1), now.plus(1))
        );
        let one = params(Some("1970-01-01T00:00:00Z"), Some("1970-01-02T00:00:00Z"));
        assert_eq!(span(&one, now).unwrap(), (Millis(0), Millis(DAY)));
        for (from, to, param) in [
            (Some("noon"), None, "from"),
            (None, Some("noon"), "to"),
            (
                Some("2026-01-02T00:00:00Z"),
                Some("2026-01-02T00:00:00Z"),
                "from",
            ),
        ] {
            let problem = span(&params(from, to), now).unwrap_err();
            assert_eq!(problem.param.as_deref(), Some(param));
        }
        assert_eq!(by("week").unwrap_err().param.as_deref(), Some("group_by"));
    }

    #[test]
    fn a_day_is_a_date_and_the_total_is_the_sum() {
        assert_eq!(group(UsageBy::Day, "1"), "1970-01-02");
        assert_eq!(group(UsageBy::Agent, "agt_1"), "agt_1");
        let row = |n| UsageRow {
            turns: n,
            active_ms: n * 1_800_000,
            tokens: Tokens {
                input: n,
                ..Tokens::default()
            },
            usd: Usd(n * 500_000_000),
            ..UsageRow::default()
        };
        let total = json!(UsageRowObject::new(&sum(&[row(1), row(2)]), None, 0.012));
        assert_eq!((&total["turns"], &total["tokens"]), (&json!(3), &json!(3)));
        assert_eq!(total["total_cost_usd"], 1.5);
        assert_eq!(
            (&total["active_seconds"], &total["cost_usd"]),
            (&json!(5400), &json!(0.018))
        );
    }
}
