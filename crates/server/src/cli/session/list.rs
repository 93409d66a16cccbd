//! `oc session list`.

use std::collections::HashMap;

use clap::Args;
use serde_json::Value;

use super::wait;
use crate::cli::agent;
use crate::cli::api::Ask;
use crate::cli::context::{Context, field, moment};
use crate::cli::error::CliError;

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Sessions of this agent only, by id or name
    #[arg(long, value_name = "ID|NAME")]
    agent: Option<String>,
    /// Sessions of this status only
    #[arg(long, value_parser = ["queued", "running", "awaiting_input", "idle", "failed", "archived"])]
    status: Option<String>,
    /// The session of this key only
    #[arg(long)]
    key: Option<String>,
    /// Most sessions to list
    #[arg(long)]
    limit: Option<u32>,
    /// Where to go on, as a list before said
    #[arg(long)]
    cursor: Option<String>,
}

pub(super) async fn run(context: &Context, list: List) -> Result<(), CliError> {
    let agent = match &list.agent {
        Some(reference) => Some(agent::find(&context.api()?, reference).await?),
        None => None,
    };
    let ask = Ask::get("/v3/sessions")
        .with("agent", agent)
        .with("status", list.status)
        .with("key", list.key)
        .with("limit", list.limit)
        .with("cursor", list.cursor);
    let answer = context.ask("listing sessions", ask).await?;
    let heading = [
        "ID", "STATUS", "WAITS ON", "AGENT", "MODEL", "EVENTS", "CREATED",
    ];
    let names = names(context, &answer.value).await;
    context.page(
        &answer,
        &heading,
        |session| row(session, &names),
        "No sessions here: oc session create --agent NAME --input …",
    )
}

/// The names of the agents, by id: sessions have ids only. An agent that is
/// deleted, or far down the list, goes by its id.
async fn names(context: &Context, page: &Value) -> HashMap<String, String> {
    let some = page["data"].as_array().is_some_and(|data| !data.is_empty());
    if context.out.json || !some {
        return HashMap::new();
    }
    let ask = Ask::get("/v3/agents").with("limit", Some(100));
    let agents = context.ask("looking for the agents' names", ask).await;
    let agents = agents.map(|answer| answer.value).unwrap_or_default();
    let all = agents["data"].as_array().into_iter().flatten();
    all.map(|agent| (field(agent, "id"), field(agent, "name")))
        .collect()
}

fn row(session: &Value, names: &HashMap<String, String>) -> Vec<String> {
    let of = |name| field(session, name);
    vec![
        of("id"),
        of("status").replace('_', " "),
        wait::short(session),
        names
            .get(&of("agent_id"))
            .cloned()
            .unwrap_or(of("agent_id")),
        field(&session["agent_snapshot"], "model"),
        of("head"),
        moment(session, "created_at"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_tells_what_a_person_looks_for() {
        let session = json!({ "id": "ses_1", "status": "awaiting_input", "agent_id": "agt_1", "head": 7,
            "waiting_on": { "what": "human" },
            "agent_snapshot": { "model": "test/demo" }, "created_at": "2026-01-02T03:04:05.000Z" });
        for (names, agent) in [
            (HashMap::new(), "agt_1"),
            (
                HashMap::from([("agt_1".to_owned(), "coder".to_owned())]),
                "coder",
            ),
        ] {
            let want = [
                "ses_1",
                "awaiting input",
                "human",
                agent,
                "test/demo",
                "7",
                "2026-01-02 03:04:05",
            ];
            assert_eq!(row(&session, &names), want);
        }
    }
}
