//! An agent on the wire.

use serde::Serialize;
use store::{AgentRow, RevisionRow};
use utoipa::ToSchema;

use super::egress::EgressObject;
use super::policy::{self, CapsIn, CapsObject};
use super::wanted::{OnInterrupt, hash};
use crate::clock;
use crate::config::Config;
use crate::http::agent_url::address;
use crate::http::v3::limits::{LimitsIn, LimitsObject};

/// What runs: a prompt, a model, limits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Agent)]
pub struct AgentObject {
    /// Its id.
    id: String,
    /// Unique within the org.
    name: String,
    /// The agent's own address.
    invoke_url: String,
    /// The system prompt.
    prompt: String,
    /// `sha256:` and the hex digest of the prompt.
    prompt_hash: String,
    /// `provider/name`.
    model: String,
    /// What drives it.
    runtime: String,
    /// `managed`, a credential's id, or null: the org's default.
    credential_id: Option<String>,
    /// Number of the active revision.
    revision: u32,
    /// Its id.
    active_revision_id: String,
    /// The active revision.
    active_revision: RevisionObject,
    /// Defaults for sessions.
    #[schema(value_type = LimitsIn)]
    limits: LimitsObject,
    /// What becomes of a tool call whose outcome is unknown after a crash.
    #[schema(value_type = OnInterrupt)]
    on_interrupt: serde_json::Value,
    /// What all its sessions together may use.
    #[schema(value_type = CapsIn)]
    caps: CapsObject,
    /// What the sandboxes of its sessions may reach.
    #[schema(value_type = EgressObject)]
    egress: session::Egress,
    /// The store, by its name, whose secrets they are given besides the agent's own.
    secret_store: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

/// A frozen revision of an agent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revision)]
pub struct RevisionObject {
    /// Its id.
    id: String,
    /// From 1.
    number: u32,
    /// The same for the same behaviour.
    digest: String,
}

impl RevisionObject {
    /// The revision of that row. Its digest covers what it does: prompt, model, skills.
    pub fn new(row: &RevisionRow) -> Self {
        let mut text = format!("{}\n{}", row.prompt_hash, row.model);
        if let Some(bundle) = &row.skills {
            text = format!("{text}\n{}", bundle.digest);
        }
        Self {
            id: row.id.clone(),
            number: row.number,
            digest: hash(&text),
        }
    }
}

/// A page of agents, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentPage {
    /// The agents.
    pub data: Vec<AgentObject>,
    /// Goes on as `cursor`, if there are more.
    pub next_cursor: Option<String>,
}

impl AgentObject {
    /// The agent of that row.
    pub fn new(row: AgentRow, config: &Config) -> Self {
        let active_revision = RevisionObject::new(&row.active);
        let RevisionRow {
            id: revision,
            number,
            prompt,
            prompt_hash,
            model,
            ..
        } = row.active;
        Self {
            invoke_url: address::of(config, &row.id),
            id: row.id,
            name: row.name,
            prompt,
            prompt_hash,
            model,
            runtime: row.runtime,
            credential_id: row.credential,
            revision: number,
            active_revision_id: revision,
            active_revision,
            limits: row.limits.into(),
            on_interrupt: policy::shown(&row.policy.on_interrupt),
            caps: row.policy.caps.into(),
            egress: row.policy.egress,
            secret_store: row.policy.secret_store,
            created_at: clock::rfc3339(row.created),
            updated_at: clock::rfc3339(row.updated),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session::{Limits, Millis};

    use super::*;
    use crate::config::Settings;

    fn row(model: &str) -> AgentRow {
        AgentRow {
            id: "agt_1".into(),
            org: "org_1".into(),
            name: "coder".into(),
            runtime: "native".into(),
            credential: None,
            limits: Limits {
                tokens: Some(5),
                ..Limits::default()
            },
            policy: store::Policy::default(),
            created: Millis(0),
            updated: Millis(1),
            active: RevisionRow {
                id: "rev_1".into(),
                number: 1,
                prompt: "p".into(),
                prompt_hash: "sha256:00".into(),
                model: model.into(),
                created: Millis(0),
                skills: None,
            },
        }
    }

    #[test]
    fn an_agent_is_the_contract_s() {
        let mut settings = Settings::default();
        settings.node.public_url = Some("https://oc.example/".into());
        let config = settings.hold().unwrap();
        let mut agent = serde_json::to_value(AgentObject::new(row("test/demo"), &config)).unwrap();
        let digest = agent["active_revision"]["digest"].take();
        assert!(digest.as_str().unwrap().starts_with("sha256:"));
        let want = json!({ "id": "agt_1", "name": "coder", "invoke_url": "https://oc.example/agents/agt-1",
            "prompt": "p", "prompt_hash": "sha256:00", "model": "test/demo", "runtime": "native",
            "credential_id": null, "revision": 1, "active_revision_id": "rev_1",
            "active_revision": { "id": "rev_1", "number": 1, "digest": null }, "limits": { "tokens": 5 },
            "on_interrupt": "report", "caps": {}, "egress": "open", "secret_store": null,
            "created_at": "1970-01-01T00:00:00.000Z", "updated_at": "1970-01-01T00:00:00.001Z" });
        assert_eq!(agent, want);
        let mut skilled = row("test/demo");
        skilled.active.skills = Some(store::Bundle {
            digest: "sha256:01".into(),
            skills: Vec::new(),
        });
        for other in [row("test/script"), skilled] {
            let other = serde_json::to_value(AgentObject::new(other, &config)).unwrap();
            assert_ne!(other["active_revision"]["digest"], digest);
        }
    }
}
