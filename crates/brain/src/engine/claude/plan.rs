//! How the engine is started.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::SERVER;
use super::history::history;
use crate::engine::place::DOOR;
use crate::engine::tongue::Plan;
use crate::model::Ask;

/// Switches that keep it to its work: no traffic but its model's, no use of the
/// conversation but the answer, and nothing that would go around our rules.
const ENV: [(&str, &str); 15] = [
    ("ANTHROPIC_BASE_URL", DOOR),
    ("CLAUDE_CODE_ENTRYPOINT", "sdk-rust"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("CLAUDE_CODE_DISABLE_FEATURE_FLAGS", "1"),
    ("CLAUDE_CODE_ATTRIBUTION_HEADER", "0"),
    ("CLAUDE_CODE_DISABLE_BUNDLED_SKILLS", "1"),
    ("CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK", "1"),
    ("CLAUDE_AGENT_SDK_MCP_NO_PREFIX", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
    // Summaries, retries and deadlines are the platform's.
    ("DISABLE_COMPACT", "1"),
    ("DISABLE_AUTO_COMPACT", "1"),
    ("CLAUDE_CODE_MAX_RETRIES", "0"),
    ("API_TIMEOUT_MS", "86400000"),
];

/// How to start an engine that knows this conversation.
pub(in crate::engine) fn plan(ask: &Ask, token: &SecretString) -> Plan {
    let session = id(&ask.session);
    let lines = history(&session, &ask.model.name, &ask.items);
    let allowed = format!("--allowedTools=mcp__{SERVER}");
    let mut command: Vec<String> = [
        "claude",
        "--bare",
        "--output-format=stream-json",
        "--input-format=stream-json",
        "--verbose",
        "--tools=",
        "--setting-sources=",
        "--strict-mcp-config",
        "--permission-mode=dontAsk",
        &allowed,
    ]
    .map(str::to_owned)
    .into();
    command.push(format!("--model={}", name(ask)));
    let mut files = Vec::new();
    if lines.is_empty() {
        command.push(format!("--session-id={session}"));
    } else {
        let file = format!("{session}.jsonl");
        command.push(format!("--resume={file}"));
        files.push((file, lines));
    }
    let mut env: BTreeMap<String, String> = ENV
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    env.insert(
        "ANTHROPIC_API_KEY".to_owned(),
        token.expose_secret().to_owned(),
    );
    Plan {
        command,
        env,
        files,
    }
}

/// The session's id for the engine, which wants a UUID: the same for each of its
/// engines, since the provider is told of it.
fn id(session: &str) -> String {
    let digest = Sha256::digest(session.as_bytes());
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let part = |from: usize, to: usize| &hex[from..to];
    let (a, b, c, d, e) = (
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32),
    );
    format!("{a}-{b}-4{c}-8{d}-{e}")
}

/// The model's name for the engine: it takes what it does not know for one of
/// the newest.
fn name(ask: &Ask) -> String {
    match ask.model.provider {
        session::Provider::Test => format!("test-{}", ask.model.name),
        _ => ask.model.name.clone(),
    }
}
