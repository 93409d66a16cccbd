//! How the engine is started.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::engine::place::DOOR;
use crate::engine::tongue::Plan;
use crate::model::Ask;

/// The variable in which it finds its key.
const KEY: &str = "OC_MODEL_KEY";

/// What it does of its own accord, and is not to do.
const OFF: [&str; 20] = [
    "apps",
    "browser_use",
    "code_mode_host",
    "computer_use",
    "goals",
    "hooks",
    "image_generation",
    "in_app_browser",
    "memories",
    "multi_agent",
    "plugins",
    "remote_plugin",
    "shell_snapshot",
    "shell_tool",
    "skill_search",
    "tool_suggest",
    "unified_exec",
    "view_image",
    "workspace_dependencies",
    "worktrees",
];

/// Its settings but for the features. It retries nothing and waits for as long
/// as the platform does; it cuts no results and summarizes nothing.
const SETTINGS: &str = r#"
model_catalog_json = "models.json"
web_search = "disabled"
approval_policy = "never"
sandbox_mode = "read-only"
check_for_update_on_startup = false
project_doc_max_bytes = 0
include_environment_context = false
include_permissions_instructions = false
include_apps_instructions = false
include_collaboration_mode_instructions = false
model_auto_compact_token_limit = 1000000000
tool_output_token_limit = 1000000
analytics.enabled = false
feedback.enabled = false
history.persistence = "none"
skills.include_instructions = false
skills.bundled.enabled = false
tools.update_plan.enabled = false
tools.experimental_request_user_input.enabled = false
model_provider = "door"
"#;

/// How to start an engine for this ask.
pub(in crate::engine) fn plan(ask: &Ask, token: &SecretString) -> Plan {
    let provider = format!(
        r#"model_providers.door={{name="door",base_url="{DOOR}/v1",env_key="{KEY}",wire_api="responses",supports_websockets=false,request_max_retries=0,stream_max_retries=0,stream_idle_timeout_ms=86400000}}"#
    );
    let command = ["bin/codex", "app-server", "-c", &provider];
    let features: String = OFF
        .iter()
        .map(|name| format!("features.{name} = false\n"))
        .collect();
    let env = [
        // Its working folder.
        ("CODEX_HOME", "."),
        ("RUST_LOG", "error"),
        (KEY, token.expose_secret()),
    ];
    Plan {
        command: command.map(str::to_owned).into(),
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        files: vec![
            (
                "config.toml".to_owned(),
                format!("{SETTINGS}{features}").into_bytes(),
            ),
            (
                "models.json".to_owned(),
                catalog(&ask.model.name).into_bytes(),
            ),
        ],
    }
}

/// What the engine knows of models: this one, that it calls functions, and no
/// limit that it would keep in our place.
fn catalog(model: &str) -> String {
    const PLENTY: u64 = 100_000_000;
    let known = json!({
        "slug": model, "display_name": model, "description": null,
        "visibility": "none", "supported_in_api": true, "priority": 0,
        "upgrade": null, "availability_nux": null,
        "base_instructions": "", "input_modalities": ["text"],
        "supported_reasoning_levels": [], "supports_reasoning_summaries": false,
        "default_reasoning_summary": "none",
        "support_verbosity": false, "default_verbosity": null,
        "shell_type": "disabled", "apply_patch_tool_type": null,
        "experimental_supported_tools": [], "supports_parallel_tool_calls": true,
        "truncation_policy": { "mode": "tokens", "limit": 1_000_000 },
        "context_window": PLENTY, "max_context_window": PLENTY,
    });
    json!({ "models": [known] }).to_string()
}
