//! The talk over the engine's standard input and output.

use serde_json::{Value, json};
use session::tool::Tool;

use super::{GO, SERVER};
use crate::engine::lines::Lines;
use crate::engine::live::Gone;
use crate::engine::place::Stream;
use crate::engine::tongue::{Feed, Shown};
use crate::model::Ask;

/// The tool protocol's version that the engine wants to be told at once.
const PROTOCOL: &str = "2025-11-25";

/// A talk with one engine.
pub(in crate::engine) struct Talk {
    lines: Lines,
    tools: Value,
    /// Names of the tools, as the engine has to list them.
    names: Vec<String>,
    /// Results of the newest calls.
    results: Vec<Shown>,
    /// Calls whose results are not known yet: the engine's id of its question,
    /// that of the tool protocol, and the call's.
    held: Vec<(Value, Value, String)>,
}

impl Talk {
    /// Begins the talk: tells of our tools and of the system prompt.
    pub fn new(stdio: Box<dyn Stream>, ask: &Ask) -> Self {
        let mut lines = Lines::new(stdio);
        let tools = ask.tools.iter().map(described).collect();
        let server = json!({ "name": SERVER, "version": "1" });
        let initialize = json!({ "protocolVersion": PROTOCOL, "capabilities": { "tools": {} }, "serverInfo": server });
        let manifest =
            json!({ "initializeResult": initialize, "toolsListResult": { "tools": tools } });
        let mut request = json!({ "subtype": "initialize", "sdkMcpServers": [SERVER], "sdkMcpServerManifests": { SERVER: manifest } });
        if !ask.system.trim().is_empty() {
            request["systemPrompt"] = json!([&*ask.system]);
        }
        lines.put(&json!({ "type": "control_request", "request_id": "1", "request": request }));
        Self {
            lines,
            tools,
            names: ask.tools.iter().map(|tool| tool.name.to_owned()).collect(),
            results: vec![],
            held: vec![],
        }
    }

    /// Tells the engine what it needs to ask its model again.
    pub fn feed(&mut self, feed: Feed) {
        match feed {
            Feed::Go => self.lines.put(&json!({ "type": "user", "session_id": "",
                "message": { "role": "user", "content": [{ "type": "text", "text": GO }] },
                "parent_tool_use_id": null })),
            Feed::Results(results) => {
                self.results = results;
                for (question, id, call) in std::mem::take(&mut self.held) {
                    self.answer_call(question, id, call);
                }
            }
        }
    }

    /// Listens and answers until the engine is of no more use.
    pub async fn run(&mut self) -> Gone {
        loop {
            let line = match self.lines.next().await {
                Ok(Some(line)) => line,
                Ok(None) => return Gone::new("it ended"),
                Err(error) => return Gone::new(error.to_string()),
            };
            let told = match line["type"].as_str() {
                Some("control_request") => {
                    self.asked(&line);
                    Ok(())
                }
                Some("control_response") => greeted(&line),
                Some("system") if line["subtype"] == "init" => self.introduced(&line),
                Some("result") if line["is_error"] == true => Err(failed(&line)),
                _ => Ok(()),
            };
            if let Err(gone) = told {
                return gone;
            }
        }
    }

    /// What it says of itself at the beginning of each turn. A version that no
    /// longer heeds our switches is not let go on.
    fn introduced(&self, line: &Value) -> Result<(), Gone> {
        let tools: Vec<&str> = line["tools"]
            .as_array()
            .map(|tools| tools.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let ours = tools.len() == self.names.len()
            && self.names.iter().all(|name| tools.contains(&name.as_str()));
        match ours {
            true => Ok(()),
            false => Err(Gone(format!(
                "version {} of it has other tools than it was given: {}",
                line["claude_code_version"].as_str().unwrap_or("?"),
                tools.join(", ")
            ))),
        }
    }

    /// A question of the engine to us.
    fn asked(&mut self, line: &Value) {
        let question = line["request_id"].clone();
        let message = &line["request"]["message"];
        let (id, params) = (message["id"].clone(), &message["params"]);
        let result = match message["method"].as_str() {
            Some("tools/call") => {
                let call = params["_meta"]["claudecode/toolUseId"].as_str();
                return self.answer_call(question, id, call.unwrap_or_default().to_owned());
            }
            Some("initialize") => {
                json!({ "protocolVersion": params["protocolVersion"], "capabilities": { "tools": {} },
                    "serverInfo": { "name": SERVER, "version": "1" } })
            }
            Some("tools/list") => json!({ "tools": self.tools }),
            _ => json!({}),
        };
        self.answer(&question, &id, &result);
    }

    fn answer_call(&mut self, question: Value, id: Value, call: String) {
        match self.results.iter().find(|shown| shown.call == call) {
            Some(Shown { text, is_error, .. }) => {
                let content = json!([{ "type": "text", "text": text }]);
                let result = json!({ "content": content, "isError": is_error });
                self.answer(&question, &id, &result);
            }
            None => self.held.push((question, id, call)),
        }
    }

    fn answer(&mut self, question: &Value, id: &Value, result: &Value) {
        let rpc = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        let response = json!({ "subtype": "success", "request_id": question, "response": { "mcp_response": rpc } });
        self.lines
            .put(&json!({ "type": "control_response", "response": response }));
    }
}

fn described(tool: &Tool) -> Value {
    json!({ "name": tool.name, "description": tool.description, "inputSchema": tool.schema })
}

fn greeted(line: &Value) -> Result<(), Gone> {
    match line["response"]["subtype"].as_str() {
        Some("error") => Err(Gone(format!(
            "it refused our greeting: {}",
            line["response"]["error"].as_str().unwrap_or_default()
        ))),
        _ => Ok(()),
    }
}

/// A turn that failed before it asked its model.
fn failed(line: &Value) -> Gone {
    let words = line["result"].as_str().map(str::to_owned);
    let words = words.unwrap_or_else(|| line["errors"].to_string());
    Gone(format!("it gave up: {}", crate::error::plain(&words)))
}
