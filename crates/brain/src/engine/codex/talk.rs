//! The talk over the engine's standard input and output.

use serde_json::{Value, json};

use crate::engine::lines::Lines;
use crate::engine::live::Gone;
use crate::engine::place::Stream;
use crate::engine::tongue::{Feed, Shown};
use crate::model::Ask;

/// The numbers of our own questions: one of each kind is open at a time.
const GREETING: u64 = 1;
const THREAD: u64 = 2;
const TURN: u64 = 3;

/// What it says and nobody listens to.
const UNHEARD: [&str; 12] = [
    "account/rateLimits/updated",
    "item/agentMessage/delta",
    "item/completed",
    "item/reasoning/summaryPartAdded",
    "item/reasoning/summaryTextDelta",
    "item/reasoning/textDelta",
    "item/started",
    "rawResponseItem/completed",
    "remoteControl/status/changed",
    "thread/started",
    "thread/status/changed",
    "thread/tokenUsage/updated",
];

/// A talk with one engine.
pub(in crate::engine) struct Talk {
    lines: Lines,
    /// The thread, once it is there.
    thread: Option<Value>,
    /// Whether a turn runs.
    busy: bool,
    /// Whether a turn is to begin as soon as one can.
    go: bool,
    /// Results of the newest calls.
    results: Vec<Shown>,
    /// Calls whose results are not known yet: the number of the engine's
    /// question, and the call's id.
    held: Vec<(Value, String)>,
}

impl Talk {
    /// Begins the talk: tells of our tools and of the system prompt.
    pub fn new(stdio: Box<dyn Stream>, ask: &Ask) -> Self {
        let mut lines = Lines::new(stdio);
        let client = json!({ "name": "opencomputer", "title": "OpenComputer", "version": env!("CARGO_PKG_VERSION") });
        let able = json!({ "experimentalApi": true, "optOutNotificationMethods": UNHEARD });
        lines.put(&json!({ "id": GREETING, "method": "initialize",
            "params": { "clientInfo": client, "capabilities": able } }));
        lines.put(&json!({ "method": "initialized" }));
        let tools: Vec<Value> = ask
            .tools
            .iter()
            .map(|tool| {
                json!({ "type": "function", "name": tool.name,
                    "description": tool.description, "inputSchema": tool.schema })
            })
            .collect();
        lines.put(&json!({ "id": THREAD, "method": "thread/start", "params": {
            "model": ask.model.name, "baseInstructions": &*ask.system,
            "dynamicTools": tools, "environments": [], "ephemeral": true } }));
        Self {
            lines,
            thread: None,
            busy: false,
            go: false,
            results: vec![],
            held: vec![],
        }
    }

    /// Tells the engine what it needs to ask its model again.
    pub fn feed(&mut self, feed: Feed) {
        match feed {
            Feed::Go => {
                self.go = true;
                self.begin();
            }
            Feed::Results(results) => {
                self.results = results;
                for (number, call) in std::mem::take(&mut self.held) {
                    self.answer(number, call);
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
            if let Err(gone) = self.heard(&line) {
                return gone;
            }
        }
    }

    fn heard(&mut self, line: &Value) -> Result<(), Gone> {
        let (number, method) = (&line["id"], line["method"].as_str());
        match method {
            Some("item/tool/call") => {
                let call = line["params"]["callId"].as_str().unwrap_or_default();
                self.answer(number.clone(), call.to_owned());
            }
            // Whatever else it asks, it has to do without.
            Some(_) if !number.is_null() => self.lines.put(&json!({ "id": number,
                "error": { "code": -32601, "message": "There is nobody to answer this." } })),
            Some("turn/completed") => return self.ended(&line["params"]["turn"]),
            Some(_) => {}
            None => return self.answered(line),
        }
        Ok(())
    }

    /// An answer to a question of ours.
    fn answered(&mut self, line: &Value) -> Result<(), Gone> {
        if let Some(error) = line["error"]["message"].as_str() {
            let why = crate::error::plain(error);
            return Err(Gone(format!("it refused what it was told: {why}")));
        }
        if line["id"] == THREAD {
            self.thread = Some(line["result"]["thread"]["id"].clone());
            self.begin();
        }
        Ok(())
    }

    fn ended(&mut self, turn: &Value) -> Result<(), Gone> {
        self.busy = false;
        if turn["status"] != "completed" {
            let why = turn["error"]["message"].as_str().unwrap_or_default();
            return Err(Gone(format!("it gave up: {}", crate::error::plain(why))));
        }
        self.begin();
        Ok(())
    }

    /// Begins a turn, if one is wanted and can be.
    fn begin(&mut self) {
        if !self.go || self.busy {
            return;
        }
        if let Some(thread) = &self.thread {
            self.lines.put(&json!({ "id": TURN, "method": "turn/start",
                "params": { "threadId": thread, "input": [] } }));
            (self.go, self.busy) = (false, true);
        }
    }

    fn answer(&mut self, number: Value, call: String) {
        let Some(shown) = self.results.iter().find(|shown| shown.call == call) else {
            self.held.push((number, call));
            return;
        };
        let content = json!([{ "type": "inputText", "text": shown.text }]);
        let result = json!({ "contentItems": content, "success": !shown.is_error });
        self.lines.put(&json!({ "id": number, "result": result }));
    }
}

#[cfg(test)]
mod tests;
