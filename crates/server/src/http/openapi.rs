//! The description of the API: its head is written here, all else comes from
//! the handlers. The committed `openapi.json` is a snapshot of it.

use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

/// What the document says before any route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "OpenComputer",
        description = "Durable agent sessions: define an agent, start a session, follow its events, steer it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "http://127.0.0.1:8080", description = "`oc serve` with its default address")),
    security(("api_key" = []), ("x_api_key" = [])),
    tags(
        (name = "Agents", description = "What runs: a prompt, a model, limits."),
        (name = "Schedules", description = "What begins an agent's sessions at set times."),
        (name = "Hooks", description = "Addresses of an agent that begin its sessions for whoever knows them."),
        (name = "Agent URLs", description = "The agents' own addresses: their `invoke_url`, as a path or as a host."),
        (name = "Credentials", description = "Model keys; write-only."),
        (name = "Secrets", description = "Values for sandboxes, which see sealed tokens instead; write-only."),
        (name = "Sessions", description = "Durable conversations."),
        (name = "Events", description = "The log of a session: facts, in order, for ever."),
        (name = "Messages", description = "Steering a session."),
        (name = "Turns", description = "From input to rest."),
        (name = "Webhooks", description = "Who is told of events, and what became of it."),
        (name = "Usage", description = "What was used, and what it costs."),
        (name = "Operations", description = "For the operator's machines.")
    )
)]
struct Head;

/// The document without routes.
pub fn head() -> utoipa::openapi::OpenApi {
    let mut head = Head::openapi();
    let bearer = |what: &str| {
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(what))
                .build(),
        )
    };
    let components = head.components.get_or_insert_default();
    components.add_security_scheme("api_key", bearer("An org's API key, `osb_…`."));
    components.add_security_scheme(
        "x_api_key",
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))),
    );
    components.add_security_scheme(
        "client_token",
        bearer("A client token, `ct_…`: opens one session."),
    );
    let token = SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::new("token")));
    components.add_security_scheme("client_token_in_query", token);
    head
}

/// The whole document as text.
pub fn text() -> String {
    let (_, api) = super::routes().split_for_parts();
    let mut text = api.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");

    fn document() -> Value {
        serde_json::from_str(&text()).unwrap()
    }

    fn operations(document: &Value) -> Vec<(String, String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        let mut all = Vec::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                all.push((path.clone(), method.clone(), operation));
            }
        }
        all
    }

    fn references(value: &Value, found: &mut HashSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(to)) = map.get("$ref") {
                    found.insert(to.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "UPDATE rewrites the snapshot")]
    fn the_committed_document_is_the_generated_one() {
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(SNAPSHOT, text()).unwrap();
        }
        let committed = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
        assert!(
            committed == text(),
            "openapi.json is out of date: run this test with UPDATE=1 and look at the change"
        );
    }

    #[test]
    fn it_is_openapi_3_1_and_every_reference_leads_somewhere() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut found = HashSet::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for to in found {
            let pointer = to.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{to}");
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_a_tag_answers_and_its_path_s_parameters() {
        let document = document();
        let mut names = HashSet::new();
        for (path, method, operation) in operations(&document) {
            let at = format!("{method} {path}");
            assert!(
                names.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{at}: name"
            );
            assert_eq!(
                operation["tags"].as_array().map(Vec::len),
                Some(1),
                "{at}: tag"
            );
            assert!(operation["summary"].is_string(), "{at}: summary");
            assert!(
                !operation["responses"].as_object().unwrap().is_empty(),
                "{at}: answers"
            );
            let declared = operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            for name in path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            {
                let one = declared
                    .iter()
                    .find(|p| p["name"] == name && p["in"] == "path");
                assert_eq!(
                    one.map(|p| &p["required"]),
                    Some(&Value::Bool(true)),
                    "{at}: {name}"
                );
            }
        }
    }

    #[test]
    fn what_a_request_must_have_and_an_answer_always_has_is_told() {
        let document = document();
        for (name, want) in [
            ("CreateAgent", vec!["name", "prompt", "model"]),
            ("UpdateAgent", vec![]),
            ("CreateHook", vec!["name"]),
            ("CreateSession", vec!["agent", "input"]),
            ("Envelope", vec!["text"]),
            ("SendMessage", vec![]),
            ("MintToken", vec![]),
            ("Limits", vec![]),
            ("CreateCredential", vec!["key"]),
            ("CreateSecretStore", vec!["name"]),
            ("SetSecret", vec!["value"]),
            ("SetDefault", vec!["credential"]),
            ("Actor", vec!["id", "type"]),
            ("ErrorEnvelope", vec!["error"]),
        ] {
            let schema = &document["components"]["schemas"][name];
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            assert_eq!(required, want, "{name}");
        }
    }
}
