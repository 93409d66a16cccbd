//! Logs of any length, written as a driver would have: each fact is decided by
//! the rules. Made before the server starts, straight into its file.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, json};
use session::fact::{Message, Outcome, Receipt};
use session::transcript::ToolResult;
use session::{Call, Command, Draft, Frozen, Millis, Reply, State, Stop, Tokens, decide};
use store::{Append, Database, LeaseChange, MasterKey, NewSession, Options, Projection, Store};

use crate::appends;
use crate::server::KEY;

/// Tool calls of a turn.
const STEPS: usize = 31;
/// Turns between two summaries.
const SUMMARY: usize = 10;

/// The store of a folder that a server will be started on, and its org.
pub async fn open(data: &Path) -> (Store, String) {
    let master = MasterKey::load_or_create(&data.join("master.key")).unwrap();
    let store = Store::open(Options {
        database: Database::Sqlite(data.join("oc.db")),
        blobs: data.join("blobs"),
        master,
        passed: None,
    })
    .await
    .unwrap();
    store.bootstrap(KEY, true, Millis(1)).await.unwrap();
    let org = store.orgs().await.unwrap().remove(0).id;
    (store, org)
}

/// Makes a session at rest whose log has about that many facts; gives its id.
pub async fn session(store: &Store, org: &str, facts: usize) -> String {
    let id = appends::id(facts);
    let mut log = Log {
        frozen: appends::frozen(),
        session: id.clone(),
        state: State::default(),
        drafts: Vec::new(),
        calls: 0,
    };
    let (mut head, mut turns) = (0, 0);
    while head < facts {
        let before = log.state.clone();
        log.turn(turns % SUMMARY == SUMMARY - 1);
        let drafts = std::mem::take(&mut log.drafts);
        let count = drafts.len();
        let project = Projection::of(&log.frozen, &before, &log.state, Millis(1));
        match head {
            0 => {
                let new = NewSession {
                    drafts,
                    project,
                    ..appends::new(id.clone(), org)
                };
                appends::made(store, new).await;
            }
            _ => append(store, &id, head, drafts, project).await,
        }
        head += count;
        turns += 1;
    }
    id
}

async fn append(
    store: &Store,
    session: &str,
    head: usize,
    drafts: Vec<Draft>,
    project: Projection,
) {
    let append = Append {
        session,
        head: head as u64,
        epoch: None,
        at: Millis(1),
        drafts,
        project,
        lease: LeaseChange::Keep,
        dedupe: None,
        settle: None,
        checkpoint: None,
    };
    store.append(append).await.unwrap();
}

/// A log that is being written.
struct Log {
    frozen: Frozen,
    session: String,
    state: State,
    drafts: Vec<Draft>,
    calls: usize,
}

impl Log {
    /// One turn: a message, calls and their results, and an answer.
    fn turn(&mut self, summary: bool) {
        let message = Message {
            text: "Go on with the next part.".into(),
            ..Message::default()
        };
        self.take(Command::Send {
            message,
            actor: None,
            refs: Map::new(),
        });
        self.take(Command::Begin);
        if summary {
            self.take(Command::Compacted {
                saw: self.state.head,
                summary: "What happened so far, in a few words. ".repeat(20),
                usage: None,
            });
        }
        for _ in 0..STEPS {
            let call = self.call();
            self.reply(String::new(), vec![call.clone()]);
            self.take(Command::Done(receipt(call)));
        }
        self.reply("Done with that part.".into(), vec![]);
    }

    fn call(&mut self) -> Call {
        self.calls += 1;
        Call {
            id: format!("toolu_{}", self.calls),
            tool: "bash".into(),
            input: json!({ "command": format!("make part-{}", self.calls) }),
            unusable: None,
        }
    }

    fn reply(&mut self, text: String, calls: Vec<Call>) {
        let tokens = Tokens {
            input: 10,
            output: 10,
            ..Tokens::default()
        };
        let content = calls.iter().map(|call| {
            json!({ "type": "tool_use", "id": call.id, "name": call.tool, "input": call.input })
        });
        let said = (!text.is_empty()).then(|| json!({ "type": "text", "text": text }));
        let raw: Vec<_> = said.into_iter().chain(content).collect();
        let reply = Reply {
            raw: json!(raw).to_string().into(),
            stop: if calls.is_empty() {
                Stop::EndTurn
            } else {
                Stop::ToolUse
            },
            text,
            calls,
            usage: Some(tokens),
            request_id: None,
        };
        self.take(Command::Replied {
            saw: self.state.head,
            reply: Arc::new(reply),
        });
    }

    fn take(&mut self, command: Command) {
        let decided = decide(&self.session, &self.frozen, &self.state, command, Millis(1));
        let decided = decided.unwrap();
        self.state = decided.state;
        self.drafts.extend(decided.drafts);
    }
}

fn receipt(call: Call) -> Receipt {
    Receipt {
        command: call.input["command"].as_str().unwrap_or_default().into(),
        tool: call.tool,
        result: ToolResult {
            text: format!(
                "{}: made, with some twelve words about how it went and why",
                call.id
            ),
            call: call.id,
            is_error: false,
        },
        outcome: Outcome::Done { exit_code: Some(0) },
        output: None,
        bytes: 60,
        duration_ms: Some(3),
        known: None,
        repeat: None,
    }
}
