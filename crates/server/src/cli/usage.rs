//! `oc usage`: what was used, and what it costs.

use clap::Args;
use serde_json::Value;

use super::api::Ask;
use super::context::{Context, field};
use super::error::CliError;
use super::table;

#[derive(Debug, Args)]
pub(super) struct Usage {
    /// From this day or moment on (RFC 3339); 30 days before the end if absent
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this day or moment; now if absent
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// What a row stands for
    #[arg(long, default_value = "day", value_parser = ["agent", "session", "day"])]
    by: String,
}

pub(super) async fn run(context: &Context, usage: Usage) -> Result<(), CliError> {
    let ask = Ask::get("/v3/usage")
        .with("from", usage.from.map(moment))
        .with("to", usage.to.map(moment))
        .with("group_by", Some(&usage.by));
    let answer = context.ask("adding up usage", ask).await?;
    context.show(&answer, |report| {
        let mut rows: Vec<_> = report["data"]
            .as_array()
            .into_iter()
            .flatten()
            .map(row)
            .collect();
        if !rows.is_empty() {
            rows.push(row(&report["total"]));
        }
        let heading = [
            "GROUP",
            "TURNS",
            "ACTIVE S",
            "TOKENS",
            "TOKENS USD",
            "TIME USD",
            "SANDBOX S",
            "GIB S",
        ];
        let none = "Nothing was used in this time.";
        table::columns(context.out.paint, &heading, rows, none)
    })
}

/// A day is its first moment.
fn moment(text: String) -> String {
    if text.len() == "2026-01-31".len() {
        format!("{text}T00:00:00Z")
    } else {
        text
    }
}

fn row(row: &Value) -> Vec<String> {
    let usd = |name: &str| format!("{:.4}", row[name].as_f64().unwrap_or(0.0));
    // A sum over turns without a price is only a part.
    let tokens = match row["unpriced_turns"].as_u64() {
        Some(0) | None => usd("total_cost_usd"),
        Some(turns) if row["turns"].as_u64() == Some(turns) => "-".to_owned(),
        Some(_) => format!("{}+", usd("total_cost_usd")),
    };
    let group = match &row["group"] {
        Value::Null => "total".to_owned(),
        _ => field(row, "group"),
    };
    let of = |name| field(row, name);
    vec![
        group,
        of("turns"),
        of("active_seconds"),
        of("tokens"),
        tokens,
        usd("cost_usd"),
        of("sandbox_seconds"),
        of("sandbox_gib_seconds"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_where_a_cost_is_not_known() {
        let shown = |turns: u64, unpriced: u64| {
            let row = row(
                &json!({ "group": null, "turns": turns, "active_seconds": 7, "tokens": 9,
                "total_cost_usd": 0.5, "unpriced_turns": unpriced, "cost_usd": 0.012,
                "sandbox_seconds": 1, "sandbox_gib_seconds": 2 }),
            );
            row[4].clone()
        };
        assert_eq!(shown(2, 0), "0.5000");
        assert_eq!(shown(2, 1), "0.5000+");
        assert_eq!(shown(2, 2), "-");
    }

    #[test]
    fn a_day_is_a_moment_too() {
        assert_eq!(moment("2026-01-31".into()), "2026-01-31T00:00:00Z");
        assert_eq!(
            moment("2026-01-31T01:00:00Z".into()),
            "2026-01-31T01:00:00Z"
        );
    }
}
