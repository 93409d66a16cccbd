//! A session on the table: its log, and the two folds of it that must agree.
//! Every command goes through [`Scene::tell`], which checks what holds always.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use session::config::Bounds;
use session::fact::{Fact, Failure, Family, Message, Outcome, Receipt, YieldReason};
use session::transcript::ToolResult;
use session::{
    Call, Command, Duty, Event, Fold, Frozen, Item, Limits, Millis, ModelRef, Phase, Provider,
    Refusal, Reply, State, Stop, Tokens, decide, duty,
};

pub const SESSION: &str = "ses_0123456789abcdef01234567";

/// A session, as its log and as its folds.
#[derive(Debug, Clone)]
pub struct Scene {
    pub frozen: Frozen,
    pub events: Vec<Event>,
    pub state: State,
    pub fold: Fold,
    pub now: Millis,
    /// Its own id: a fork's facts have another's than those before them.
    pub id: &'static str,
    /// Heads at which a cancel was acknowledged.
    pub cancels: Vec<u64>,
}

impl Scene {
    pub fn new() -> Self {
        Self::limited(Limits::default())
    }

    pub fn limited(limits: Limits) -> Self {
        Self {
            frozen: frozen(limits),
            events: Vec::new(),
            state: State::default(),
            fold: Fold::default(),
            now: Millis(1_000_000),
            id: SESSION,
            cancels: Vec::new(),
        }
    }

    /// Decides and appends; gives the kinds of the new events.
    pub fn tell(&mut self, command: Command) -> Result<Vec<String>, Refusal> {
        let canceled = matches!(command, Command::Cancel);
        let decided = decide(self.id, &self.frozen, &self.state, command, self.now)?;
        let mut kinds = Vec::new();
        for draft in decided.drafts {
            kinds.push(draft.kind.clone());
            let event = draft.at(self.id, self.state.head + 1, self.now);
            self.append(event);
        }
        if canceled {
            self.cancels.push(self.state.head);
        }
        assert_eq!(self.state, decided.state, "decide and apply disagree");
        Ok(kinds)
    }

    /// Takes in an event that is in the log now.
    pub fn append(&mut self, event: Event) {
        let before = self.state.clone();
        self.state.apply(&event).expect("foldable");
        self.fold.apply(&event).expect("foldable");
        self.events.push(event);
        assert_eq!(self.fold.state, self.state, "the two folds disagree");
        assert_eq!(self.state.head, before.head + 1, "a gap");
        assert!(self.state.input_cursor >= before.input_cursor);
        assert!(self.state.input_cursor <= self.state.head);
        let forked = event_kind(&self.events) == "session.forked";
        assert!(!before.archived || forked, "nothing follows an archive");
        let text = serde_json::to_string(&self.state).unwrap();
        let read: State = serde_json::from_str(&text).unwrap();
        assert_eq!(read, self.state, "a stored state reads back");
    }

    /// The same, for a command that is allowed.
    pub fn did(&mut self, command: Command) -> Vec<String> {
        self.tell(command).expect("allowed")
    }

    pub fn wait(&mut self, ms: i64) {
        self.now = self.now.plus(ms);
    }

    pub fn duty(&self) -> Duty {
        duty(&self.frozen, &self.state, self.now)
    }

    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// The answer to what is in view now.
    pub fn replied(&mut self, reply: Reply) -> Vec<String> {
        let saw = self.state.head;
        self.did(replied(saw, reply))
    }

    /// The open call came to its end.
    pub fn done(&mut self, text: &str) -> Vec<String> {
        let open = self.state.turn.as_ref().and_then(|turn| turn.open.clone());
        let call = open.expect("an open call").call.id;
        self.did(Command::Done(receipt(&call, text)))
    }

    pub fn facts(&self) -> Vec<Fact> {
        let parse = |event| Fact::parse(event).expect("parses");
        self.events.iter().map(parse).collect()
    }

    /// The newest event.
    pub fn last(&self) -> &Event {
        self.events.last().expect("an event")
    }

    /// The newest event of that kind.
    pub fn newest(&self, kind: &str) -> &Event {
        let mut events = self.events.iter().rev();
        events
            .find(|event| event.draft.kind == kind)
            .expect("an event of that kind")
    }

    /// What the next model call is to see, a line for each item.
    pub fn view(&self) -> Vec<String> {
        self.fold.transcript.view().iter().map(line).collect()
    }
}

fn event_kind(events: &[Event]) -> &str {
    events.last().map_or("", |event| &event.draft.kind)
}

/// One item of the transcript in a line.
pub fn line(item: &Item) -> String {
    match item {
        Item::User { text, .. } => format!("user: {text}"),
        Item::Note(text) => format!("note: {text}"),
        Item::Assistant(reply) => format!("model: {}", reply.text),
        Item::Result(result) => format!("{}: {}", result.call, result.text),
        Item::Summary { text, replies } => format!("summary of {replies}: {text}"),
    }
}

pub fn frozen(limits: Limits) -> Frozen {
    Frozen {
        agent: "agt_0123456789abcdef01234567".to_owned(),
        revision: 1,
        prompt: "Be brief.".to_owned(),
        prompt_hash: "sha256:00".to_owned(),
        model: ModelRef {
            provider: Provider::Test,
            name: "script".to_owned(),
        },
        runtime: "native".to_owned(),
        credential: "managed".to_owned(),
        limits,
        bounds: Bounds {
            turn_seconds: 1800,
            steps: 6,
            max_tokens: 100,
            window: 1000,
            loop_after: 0,
            ..Bounds::default()
        },
        on_interrupt: std::collections::BTreeMap::new(),
        prices: None,
        caps: session::Caps::default(),
        egress: session::Egress::Open,
        secret_stores: Vec::new(),
        skills: None,
        cause: None,
    }
}

pub fn send(text: &str) -> Command {
    sent(text, false)
}

/// A message that cuts the step it finds running.
pub fn interrupt(text: &str) -> Command {
    sent(text, true)
}

/// A program asks.
pub fn request(payload: serde_json::Value) -> Command {
    Command::Request {
        payload,
        actor: None,
    }
}

fn sent(text: &str, interrupt: bool) -> Command {
    Command::Send {
        message: Message {
            text: text.to_owned(),
            raw: None,
            interrupt,
        },
        actor: None,
        refs: Map::new(),
    }
}

pub fn replied(saw: u64, reply: Reply) -> Command {
    Command::Replied {
        saw,
        reply: Arc::new(reply),
    }
}

pub fn compacted(saw: u64, summary: &str) -> Command {
    Command::Compacted {
        saw,
        summary: summary.to_owned(),
        usage: Some(tokens(5, 5)),
    }
}

pub fn end(reason: YieldReason) -> Command {
    Command::End { reason, open: None }
}

pub fn failure(code: &str) -> Failure {
    Failure {
        family: Family::Model,
        code: code.to_owned(),
        message: format!("It failed: {code}."),
        retriable: true,
    }
}

pub fn tokens(input: u64, output: u64) -> Tokens {
    Tokens {
        input,
        output,
        ..Tokens::default()
    }
}

/// An answer without calls.
pub fn answer(text: &str, stop: Stop) -> Reply {
    Reply {
        raw: json!([{ "type": "text", "text": text }]).to_string().into(),
        text: text.to_owned(),
        calls: Vec::new(),
        stop,
        usage: Some(tokens(10, 10)),
        request_id: None,
    }
}

/// An answer that only calls tools, each given as its id and name.
pub fn asks(calls: &[(&str, &str)]) -> Reply {
    let calls = calls.iter().map(|(id, tool)| call(id, tool)).collect();
    Reply {
        calls,
        ..answer("", Stop::ToolUse)
    }
}

/// A call with arguments its tool can use.
pub fn call(id: &str, tool: &str) -> Call {
    let input: Value = match tool {
        "bash" => json!({ "command": "true" }),
        "say" | "ask" => json!({ "text": format!("{tool} {id}") }),
        _ => json!({ "path": "a.txt" }),
    };
    Call {
        id: id.to_owned(),
        tool: tool.to_owned(),
        input,
        unusable: None,
    }
}

pub fn receipt(call: &str, text: &str) -> Receipt {
    Receipt {
        tool: "bash".to_owned(),
        command: "true".to_owned(),
        result: ToolResult {
            call: call.to_owned(),
            text: text.to_owned(),
            is_error: false,
        },
        outcome: Outcome::Done { exit_code: Some(0) },
        output: None,
        bytes: text.len() as u64,
        duration_ms: Some(3),
        known: None,
        repeat: None,
    }
}
