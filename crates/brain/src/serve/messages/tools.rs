//! The rules for descriptions of tools.

use serde_json::Value;

use crate::serve::fault::Fault;

/// Longest name of a tool.
const LONGEST: usize = 128;

/// Checks the descriptions of all tools.
pub(super) fn check(tools: &[Value]) -> Result<(), Fault> {
    let mut names = Vec::new();
    for (at, tool) in tools.iter().enumerate() {
        let bad = |words: &str| Err(Fault::bad(format!("tools.{at}: {words}")));
        // Tools of the provider's own have a kind and no schema.
        let custom = matches!(tool["type"].as_str(), None | Some("custom"));
        let name = tool["name"].as_str().unwrap_or_default();
        if !is_name(name) {
            return bad(&format!("name: `{name}` is no name of a tool"));
        }
        if names.contains(&name) {
            return bad("Tool names must be unique.");
        }
        names.push(name);
        if custom && tool["input_schema"]["type"] != "object" {
            return bad("input_schema.type: Input should be 'object'");
        }
    }
    Ok(())
}

/// Whether this is a name of a tool, for either provider.
pub(in crate::serve) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=LONGEST).contains(&name.len()) && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tool_has_a_name_of_its_own_and_a_schema() {
        let schema = json!({ "type": "object" });
        let tool = |name: &str| json!({ "name": name, "input_schema": schema });
        for (tools, words) in [
            (vec![tool("a"), tool("b")], None),
            (
                vec![json!({ "type": "bash_20250124", "name": "bash" })],
                None,
            ),
            (vec![tool("a"), tool("a")], Some("unique")),
            (vec![tool("a b")], Some("no name")),
            (vec![tool("")], Some("no name")),
            (vec![json!({ "name": "a" })], Some("input_schema")),
        ] {
            let got = check(&tools).err();
            assert_eq!(got.is_some(), words.is_some(), "{tools:?}");
            if let (Some(fault), Some(words)) = (got, words) {
                assert!(fault.message.contains(words), "{fault:?}");
            }
        }
    }
}
