//! The tools of the native runtime: what the model may call, and what kind of
//! thing each call is. How a call is carried out is not known here.

use serde_json::{Value, json};

/// What kind of thing a tool call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Runs a command in the sandbox.
    Exec,
    /// Changes files in the sandbox.
    Write,
    /// Looks at files in the sandbox; may safely be asked again.
    Read,
    /// Says something to the user; carried out by the rules alone.
    Say,
    /// Asks the user something and ends the turn.
    Ask,
}

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// The name the model calls it by.
    pub name: &'static str,
    /// What kind of thing it is.
    pub kind: Kind,
    /// What it does, in words for the model.
    pub description: &'static str,
    /// JSON schema of the arguments.
    pub schema: Value,
}

/// The kind of the tool of that name, if there is one.
#[must_use]
pub fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "bash" => Kind::Exec,
        "write" | "edit" => Kind::Write,
        "read" | "ls" | "grep" | "glob" => Kind::Read,
        "say" => Kind::Say,
        "ask" => Kind::Ask,
        _ => return None,
    })
}

/// Names of all tools, in the order the model is told of them.
pub const NAMES: [&str; 9] = [
    "bash", "read", "write", "edit", "ls", "grep", "glob", "say", "ask",
];

/// The tools of the native runtime. The order and the words are part of what
/// providers bind signed thinking to: change them only for new sessions.
#[must_use]
pub fn native() -> Vec<Tool> {
    NAMES.iter().filter_map(|name| describe(name)).collect()
}

fn describe(name: &'static str) -> Option<Tool> {
    let (description, fields, required): (_, Value, &[&str]) = match name {
        "bash" => (
            "Run a shell command in the sandbox. Every call gets a fresh shell in /workspace; files persist, variables and \
             the current directory do not. Output is stdout and stderr together; long output is shortened in the middle. \
             With background: true the command keeps running and the call returns at once.",
            json!({
                "command": { "type": "string", "description": "The command line, for bash." },
                "timeout_seconds": { "type": "integer", "minimum": 1, "maximum": 1800, "description": "Stop the command after this long. Default 120." },
                "background": { "type": "boolean", "description": "Return at once and leave the command running." }
            }),
            &["command"],
        ),
        "read" => (
            "Read a text file. Lines are numbered from 1.",
            json!({
                "path": { "type": "string", "description": "Absolute, or relative to /workspace." },
                "offset": { "type": "integer", "minimum": 1, "description": "First line to read." },
                "limit": { "type": "integer", "minimum": 1, "description": "Most lines to read. Default 2000." }
            }),
            &["path"],
        ),
        "write" => (
            "Write a file, making its folders. An existing file is replaced.",
            json!({ "path": { "type": "string" }, "content": { "type": "string" } }),
            &["path", "content"],
        ),
        "edit" => (
            "Replace text in a file. old must occur exactly once, unless all is true.",
            json!({
                "path": { "type": "string" },
                "old": { "type": "string", "description": "The exact text to replace." },
                "new": { "type": "string", "description": "The text to put in its place." },
                "all": { "type": "boolean", "description": "Replace every occurrence." }
            }),
            &["path", "old", "new"],
        ),
        "ls" => (
            "List a folder.",
            json!({ "path": { "type": "string", "description": "Default /workspace." } }),
            &[],
        ),
        "grep" => (
            "Search files for a regular expression. Ignored and hidden files are passed over.",
            json!({
                "pattern": { "type": "string" },
                "path": { "type": "string", "description": "File or folder. Default /workspace." },
                "glob": { "type": "string", "description": "Only files whose name matches, such as *.rs." },
                "ignore_case": { "type": "boolean" }
            }),
            &["pattern"],
        ),
        "glob" => (
            "Find files by name pattern, such as src/**/*.ts.",
            json!({ "pattern": { "type": "string" }, "path": { "type": "string", "description": "Default /workspace." } }),
            &["pattern"],
        ),
        "say" => (
            "Say something to the user now, and go on working. The last thing you say is the result of the turn.",
            json!({ "text": { "type": "string" } }),
            &["text"],
        ),
        "ask" => (
            "Ask the user a question and stop until they answer.",
            json!({ "text": { "type": "string", "description": "The question." } }),
            &["text"],
        ),
        _ => return None,
    };
    let schema = json!({ "type": "object", "properties": fields, "required": required });
    Some(Tool {
        name,
        kind: kind(name)?,
        description,
        schema,
    })
}

/// Seconds a command may take unless its call says otherwise.
pub const COMMAND: u64 = 120;

/// Seconds a call may take, where none may take more than `longest`.
#[must_use]
pub fn seconds(tool: &str, input: &Value, longest: u64) -> u64 {
    if kind(tool) != Some(Kind::Exec) {
        return longest;
    }
    let asked = ["timeout_seconds", "timeout"]
        .iter()
        .find_map(|field| input.get(field)?.as_u64());
    asked.unwrap_or(COMMAND).clamp(1, longest.max(1))
}

/// A line about a call's arguments, for people: what it is about, not all of it.
#[must_use]
pub fn summary(tool: &str, input: &Value) -> String {
    const MOST: usize = 200;
    let field = match tool {
        "bash" => "command",
        "grep" | "glob" => "pattern",
        "say" | "ask" => "text",
        _ => "path",
    };
    let text = input.get(field).and_then(Value::as_str).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_kind_and_a_schema_whose_required_fields_exist() {
        let tools = native();
        assert_eq!(tools.len(), NAMES.len());
        for tool in tools {
            assert_eq!(kind(tool.name), Some(tool.kind));
            let required = tool.schema["required"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            for field in required {
                let field = field.as_str().unwrap_or_default().to_owned();
                assert!(
                    tool.schema["properties"].get(&field).is_some(),
                    "{}: {field}",
                    tool.name
                );
            }
        }
    }

    #[test]
    fn a_call_takes_as_long_as_it_asked_for_within_what_is_allowed() {
        for (tool, input, want) in [
            ("bash", json!({}), 120),
            ("bash", json!({ "timeout_seconds": 5 }), 5),
            ("bash", json!({ "timeout": 7 }), 7),
            ("bash", json!({ "timeout_seconds": 0 }), 1),
            ("bash", json!({ "timeout_seconds": 99_999 }), 1800),
            ("bash", json!({ "timeout_seconds": "soon" }), 120),
            ("read", json!({ "timeout_seconds": 5 }), 1800),
        ] {
            assert_eq!(seconds(tool, &input, 1800), want, "{tool} {input}");
        }
        assert_eq!(seconds("bash", &json!({}), 60), 60);
    }

    #[test]
    fn a_summary_is_one_short_line() {
        for (tool, input, want) in [
            ("bash", json!({"command": "ls -l"}), "ls -l"),
            ("bash", json!({"command": "one\ntwo"}), "one…"),
            ("read", json!({"path": "a.txt"}), "a.txt"),
            ("bash", json!({"command": 7}), ""),
            ("bash", json!(null), ""),
        ] {
            assert_eq!(summary(tool, &input), want);
        }
        let long = summary("say", &json!({ "text": "ä".repeat(999) }));
        assert_eq!(long.chars().count(), 201);
    }
}
