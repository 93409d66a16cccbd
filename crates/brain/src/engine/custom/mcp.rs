//! Tools over the Model Context Protocol, as much of it as a program needs that
//! lists tools and calls them: JSON-RPC, one question at a time.

use serde_json::{Value, json};
use session::tool::Tool;

/// The version that is spoken where a program knows none of ours.
const NEWEST: &str = "2025-06-18";
/// Versions in which what we use is the same.
const KNOWN: [&str; 4] = ["2024-11-05", "2025-03-26", NEWEST, "2025-11-25"];

/// What a question comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    /// It is answered at once.
    Answer(Value),
    /// It needs no answer.
    Nothing,
    /// A tool is called: the question's id, the tool and its arguments.
    Call(Value, String, Value),
}

/// Reads a question.
pub(super) fn asked(body: &[u8], tools: &[Tool]) -> Asked {
    let Ok(question) = serde_json::from_slice::<Value>(body) else {
        return Asked::Answer(error(Value::Null, -32700, "This is no JSON."));
    };
    let (Some(method), Some(id)) = (question["method"].as_str(), question.get("id")) else {
        // A notification, or an answer of the program to nothing of ours.
        return match question.is_object() {
            true => Asked::Nothing,
            false => Asked::Answer(error(Value::Null, -32600, "One question at a time.")),
        };
    };
    let (id, params) = (id.clone(), &question["params"]);
    let result = match method {
        "initialize" => initialized(params),
        "ping" => json!({}),
        "tools/list" => json!({ "tools": tools.iter().map(described).collect::<Vec<_>>() }),
        "tools/call" => {
            let Some(name) = params["name"].as_str() else {
                return Asked::Answer(error(id, -32602, "`name` is missing."));
            };
            let arguments = match &params["arguments"] {
                Value::Null => json!({}),
                arguments => arguments.clone(),
            };
            return Asked::Call(id, name.to_owned(), arguments);
        }
        _ => return Asked::Answer(error(id, -32601, "There is no such method.")),
    };
    Asked::Answer(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// What came of a call.
pub(super) fn outcome(id: Value, texts: &[&str], is_error: bool) -> Value {
    let content: Vec<Value> = texts
        .iter()
        .map(|text| json!({ "type": "text", "text": text }))
        .collect();
    let result = json!({ "content": content, "isError": is_error });
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

fn initialized(params: &Value) -> Value {
    let wanted = params["protocolVersion"].as_str().unwrap_or_default();
    let version = KNOWN.into_iter().find(|known| *known == wanted);
    json!({
        "protocolVersion": version.unwrap_or(NEWEST),
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "opencomputer", "version": env!("CARGO_PKG_VERSION") },
    })
}

fn described(tool: &Tool) -> Value {
    json!({ "name": tool.name, "description": tool.description, "inputSchema": tool.schema })
}

fn error(id: Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(question: Value) -> Value {
        match asked(question.to_string().as_bytes(), &session::tool::native()) {
            Asked::Answer(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_program_meets_us_and_learns_the_tools() {
        let hello = |version: &str| {
            let question = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": version } });
            answer(question)["result"]["protocolVersion"].clone()
        };
        assert_eq!(hello("2025-03-26"), "2025-03-26");
        assert_eq!(hello("1999-01-01"), NEWEST);
        let list = answer(json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/list" }));
        assert_eq!(list["id"], "a");
        assert_eq!(list["result"]["tools"][0]["name"], "bash");
        let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(asked(told.to_string().as_bytes(), &[]), Asked::Nothing);
    }

    #[test]
    fn a_call_is_told_with_its_arguments_and_what_is_none_is_refused() {
        let call = json!({ "id": 7, "method": "tools/call", "params": { "name": "ls" } });
        assert_eq!(
            asked(call.to_string().as_bytes(), &[]),
            Asked::Call(json!(7), "ls".to_owned(), json!({}))
        );
        assert_eq!(
            answer(json!({ "id": 7, "method": "tools/call" }))["error"]["code"],
            -32602
        );
        assert_eq!(
            answer(json!({ "id": 7, "method": "x" }))["error"]["code"],
            -32601
        );
        assert_eq!(answer(json!([]))["error"]["code"], -32600);
        let Asked::Answer(broken) = asked(b"{", &[]) else {
            panic!("broken JSON was taken")
        };
        assert_eq!(broken["error"]["code"], -32700);
    }
}
