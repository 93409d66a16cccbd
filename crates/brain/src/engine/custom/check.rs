//! Whether a program keeps to the brain contract: found out by playing with it,
//! with a rehearsed model and tools that do nothing.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use session::transcript::ToolResult;
use session::{Item, ModelRef, Provider, Reply};
use tokio::time::{Instant, sleep, timeout};

use super::http::{self, Health, Line};
use super::journal::Journal;
use super::mcp::{Asked, asked, outcome};
use super::program::{LOOK, Program, VERSION};
use super::think::{self, Said};
use crate::door::{Knock, TOOLS, Told};
use crate::engine::Engines;
use crate::model::{Ask, Deltas, Purpose};

/// How long a turn of a rehearsal may take, and a program to be free again.
const TURN: Duration = Duration::from_secs(30);
const FREE: Duration = Duration::from_secs(5);
/// What is rehearsed: one call, and words about what came of it.
const COMMAND: &str = "echo check";

/// The sessions that are played.
pub const CHECKED: [&str; 2] = ["check", "check_again"];

/// How well a program keeps to a part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// As it should.
    Well,
    /// It works, or cannot be told.
    Weakly,
    /// Not at all: sessions will fail.
    Not,
}

/// What was found about one part of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which part.
    pub part: &'static str,
    /// How well it is kept.
    pub kept: Kept,
    /// What was seen.
    pub seen: String,
}

/// All that is found.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, part: &'static str, kept: Kept, seen: impl Into<String>) {
        let seen = seen.into();
        self.0.push(Finding { part, kept, seen });
    }

    /// Adds what should be so, or what is instead.
    fn expect(&mut self, part: &'static str, so: bool, well: &str, else_: String) {
        match so {
            true => self.add(part, Kept::Well, well),
            false => self.add(part, Kept::Not, else_),
        }
    }
}

/// What was seen in a turn.
#[derive(Debug, Default)]
struct Watched {
    models: u32,
    listed: bool,
    calls: Vec<(String, Value)>,
    lines: Vec<Line>,
    /// While its first call waited.
    busy: Option<(Result<Health, String>, Result<StatusCode, String>)>,
}

/// How a turn is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To its end.
    Whole,
    /// Until its first call, and then given up.
    Cut,
}

impl Engines {
    /// Plays with the program of that runtime, and tells what was found.
    pub async fn check(&self, runtime: &str) -> Vec<Finding> {
        let mut found = Findings::default();
        let begun = Instant::now();
        let inner = &self.0;
        let room = inner.rest.room().await;
        let start = Program::start(runtime, CHECKED[0], &inner.doors, &inner.spawn, room);
        let mut program = match start.await {
            Ok(program) => program,
            Err(gone) => {
                found.add("start", Kept::Not, gone.0);
                return found.0;
            }
        };
        let took = format!("ready after {} ms", begun.elapsed().as_millis());
        found.add("start", Kept::Well, took);
        self.health(&mut program, &mut found).await;
        if self.turns(&mut program, &mut found).await {
            self.cancelled(&mut program, &mut found).await;
            drop(program);
            self.replayed(runtime, &mut found).await;
        }
        found.0
    }

    async fn health(&self, program: &mut Program, found: &mut Findings) {
        match http::health(&program.reach, &mut program.tasks).await {
            Err(why) => found.add("health", Kept::Not, why),
            Ok(health) if health.contract_version != VERSION => {
                let seen = format!(
                    "contract_version is `{}`, not `{VERSION}`",
                    health.contract_version
                );
                found.add("health", Kept::Not, seen);
            }
            Ok(health) => found.expect(
                "health",
                health.busy == Some(false),
                "ready, contract 1, not busy",
                format!("`busy` is {:?} while nothing runs", health.busy),
            ),
        }
    }

    /// Two turns, one after the other; whether they went well enough to go on.
    async fn turns(&self, program: &mut Program, found: &mut Findings) -> bool {
        let first = match self
            .watch(program, &rehearsal(CHECKED[0]), Way::Whole)
            .await
        {
            Ok(watched) => watched,
            Err(why) => {
                found.add("turn", Kept::Not, why);
                return false;
            }
        };
        judge(&first, found);
        program.turns += 1;
        let ended = first.lines.iter().any(|line| line.kind == "done");
        match self
            .watch(program, &rehearsal(CHECKED[0]), Way::Whole)
            .await
        {
            Ok(_) => found.add(
                "next turn",
                Kept::Well,
                "the same process takes another turn",
            ),
            Err(why) => found.add("next turn", Kept::Not, why),
        }
        ended && !first.calls.is_empty()
    }

    async fn cancelled(&self, program: &mut Program, found: &mut Findings) {
        if let Err(why) = self.watch(program, &rehearsal(CHECKED[0]), Way::Cut).await {
            return found.add("cancel", Kept::Not, why);
        }
        let until = Instant::now() + FREE;
        while Instant::now() < until {
            let health = http::health(&program.reach, &mut program.tasks).await;
            if health.is_ok_and(|health| health.busy == Some(false)) {
                return found.add("cancel", Kept::Well, "a turn that is given up ends");
            }
            sleep(LOOK).await;
        }
        let seen = "a turn that is given up goes on: the process is killed";
        found.add("cancel", Kept::Weakly, seen);
    }

    /// Kills the program in the middle of a turn, and lets another go on.
    async fn replayed(&self, runtime: &str, found: &mut Findings) {
        let Some(model) = self.for_runtime(runtime) else {
            return;
        };
        let mut ask = rehearsal(CHECKED[1]);
        let think = |ask: Ask| {
            let model = model.clone();
            async move {
                let (deltas, _unheard) = Deltas::new(1);
                let thought = timeout(TURN, model.think(ask, deltas)).await;
                let thought = thought.map_err(|_| "the turn did not go on".to_owned())?;
                thought.map_err(|error| error.to_string())
            }
        };
        let first = match think(ask.clone()).await {
            Ok(reply) => reply,
            Err(why) => return found.add("replay", Kept::Not, why),
        };
        let results = first.calls.iter().map(|call| {
            Item::Result(ToolResult {
                call: call.id.clone(),
                text: "check".to_owned(),
                is_error: false,
            })
        });
        let results: Vec<Item> = results.collect();
        ask.items.push(Item::Assistant(Arc::new(first.clone())));
        ask.items.extend(results);
        self.end(&ask.session);
        match think(ask).await {
            Err(why) => found.add("replay", Kept::Not, why),
            Ok(reply) => replay(&first, &reply, found),
        }
        self.end(CHECKED[1]);
    }

    /// Plays a turn with the program.
    async fn watch(&self, program: &mut Program, ask: &Ask, way: Way) -> Result<Watched, String> {
        program.begin(ask).await.map_err(|gone| gone.0)?;
        let Some(mut turn) = program.turn.take() else {
            return Err("there is no turn".to_owned());
        };
        let mut watched = Watched::default();
        let play = async {
            loop {
                tokio::select! {
                    knock = program.porter.knock() => {
                        let called = self.answer(knock, ask, &mut watched).await?;
                        if let Some((knock, number)) = called {
                            if way == Way::Cut {
                                return Ok(());
                            }
                            if watched.busy.is_none() {
                                watched.busy = Some(busy(&program.reach, &mut program.tasks, ask).await);
                            }
                            let answer = outcome(number, &["check"], false);
                            knock.tell(Told::Document(StatusCode::OK, Some(answer)));
                        }
                    }
                    line = turn.lines.next() => match line? {
                        Some(line) => watched.lines.push(line),
                        None => return Ok(()),
                    },
                }
            }
        };
        match timeout(TURN, play).await {
            Ok(Ok(())) => Ok(watched),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("a turn did not end in {} s", TURN.as_secs())),
        }
    }

    /// Answers what is asked at the door; gives back a call.
    async fn answer(
        &self,
        knock: Knock,
        ask: &Ask,
        watched: &mut Watched,
    ) -> Result<Option<(Knock, Value)>, String> {
        if knock.path != TOOLS {
            watched.models += 1;
            let (deltas, _unheard) = Deltas::new(1);
            let models = &self.0.models;
            let said = think::ask(&knock, ask, models, &deltas).await;
            return match said.map_err(|error| error.to_string())? {
                Said::Answer { told, .. } => {
                    knock.tell(told);
                    Ok(None)
                }
                Said::No(status, why) => {
                    Err(format!("its question to the model is {status}: {why}"))
                }
            };
        }
        match asked(&knock.body, &ask.tools) {
            Asked::Call(number, tool, input) => {
                watched.calls.push((tool, input));
                return Ok(Some((knock, number)));
            }
            Asked::Nothing => knock.tell(Told::Document(StatusCode::ACCEPTED, None)),
            Asked::Answer(answer) => {
                watched.listed |= answer["result"]["tools"].is_array();
                knock.tell(Told::Document(StatusCode::OK, Some(answer)))
            }
        };
        Ok(None)
    }
}

/// How a program is that is in a turn, and what it says to another one.
async fn busy(
    reach: &crate::engine::place::Reach,
    tasks: &mut http::Connections,
    ask: &Ask,
) -> (Result<Health, String>, Result<StatusCode, String>) {
    let health = http::health(reach, tasks).await;
    let journal = Journal::of(&ask.items);
    let input: Vec<Value> = journal
        .input
        .iter()
        .map(|text| json!({ "role": "user", "content": text }))
        .collect();
    let again = json!({ "contract_version": VERSION, "turn_id": "check.second", "input": input,
        "config": { "model": ask.model.name, "max_turns": 1 } });
    let again = timeout(http::AT_ONCE, http::turn(reach, tasks, &again)).await;
    let status = match again {
        Err(_) => Err("no answer in time".to_owned()),
        Ok(Err(why)) => Err(why),
        Ok(Ok(Ok(_))) => Ok(StatusCode::OK),
        Ok(Ok(Err(status))) => Ok(status),
    };
    (health, status)
}

/// What a whole turn shows.
fn judge(watched: &Watched, found: &mut Findings) {
    let lines = &watched.lines;
    let done = lines.iter().position(|line| line.kind == "done");
    let last = done.is_some_and(|at| at + 1 == lines.len());
    let why = "the answer to /turn does not end with one `done` line".to_owned();
    found.expect("turn", last, "ends with a `done` line", why);
    let numbers: Vec<_> = lines.iter().filter_map(|line| line.seq).collect();
    let messages = lines.iter().filter(|line| line.kind != "done");
    let rising = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    let shaped = messages
        .clone()
        .all(|line| !line.kind.is_empty() && line.seq.is_some());
    let why = "a line lacks `kind` or `seq`, or `seq` does not rise".to_owned();
    let count = format!("{} lines, numbered", messages.count());
    found.expect("lines", rising && shaped, &count, why);
    if let Some(line) = done.map(|at| &lines[at]) {
        let reason = line.reason.as_deref().unwrap_or("nothing");
        let known = matches!(reason, "quiescent" | "awaiting_input");
        let error = line
            .error
            .as_ref()
            .map(|error| format!(": {error}"))
            .unwrap_or_default();
        found.expect(
            "done",
            known,
            reason,
            format!("the reason is {reason}{error}"),
        );
    }
    match watched.models {
        0 => found.add("model", Kept::Weakly, "asked no model"),
        times => found.add(
            "model",
            Kept::Well,
            format!("asked the session's model {times} times"),
        ),
    }
    match (watched.listed, watched.calls.first()) {
        (_, Some((tool, input))) if tool == "bash" && input["command"] == COMMAND => {
            found.add("tools", Kept::Well, "called the tool that the model wanted");
        }
        (_, Some((tool, _))) => found.add(
            "tools",
            Kept::Weakly,
            format!("called `{tool}`, which was not wanted"),
        ),
        (true, None) => found.add(
            "tools",
            Kept::Weakly,
            "listed tools and called none: the rest cannot be told",
        ),
        (false, None) => found.add(
            "tools",
            Kept::Weakly,
            "asked for no tools: the rest cannot be told",
        ),
    }
    if let Some((health, again)) = &watched.busy {
        let told = health
            .as_ref()
            .is_ok_and(|health| health.busy == Some(true));
        let refused = *again == Ok(StatusCode::CONFLICT);
        let why = format!("busy in /healthz: {told}; a second turn: {again:?}, not 409");
        found.expect(
            "busy",
            told && refused,
            "says so, and a second turn is 409",
            why,
        );
    }
}

fn replay(first: &Reply, then: &Reply, found: &mut Findings) {
    let same = |reply: &Reply| {
        reply
            .calls
            .first()
            .map(|call| (call.tool.clone(), call.input.clone()))
    };
    match same(then) {
        None => found.add(
            "replay",
            Kept::Well,
            "makes the same calls again, and goes on from there",
        ),
        Some(call) if Some(&call) == same(first).as_ref() => {
            found.add(
                "replay",
                Kept::Not,
                "made a call a second time that has its result",
            );
        }
        Some((tool, _)) => {
            let seen = format!("does something else when started anew (`{tool}`)");
            found.add("replay", Kept::Weakly, seen);
        }
    }
}

fn rehearsal(session: &str) -> Ask {
    let call = json!({ "tool": "bash", "args": { "command": COMMAND } });
    let play = json!([{ "call": [call] }, { "say": "checked" }]);
    Ask {
        model: ModelRef {
            provider: Provider::Test,
            name: "script".to_owned(),
        },
        system: Arc::from("You are checked."),
        tools: session::tool::native().into(),
        items: vec![Item::User {
            seq: 1,
            text: format!("Please play.\n@steps\n{play}"),
        }],
        max_tokens: 1000,
        key: Some("rehearsal".into()),
        session: session.to_owned(),
        purpose: Purpose::Turn,
        metered: false,
    }
}
