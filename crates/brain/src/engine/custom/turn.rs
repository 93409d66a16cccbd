//! A turn of a program: it thinks with models and calls tools until it is done,
//! and each call of a tool that was not made before is one answer of ours.

use std::collections::VecDeque;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use session::{Call, Item, Reply};
use tokio::time::{MissedTickBehavior, interval};

use super::http::{self, Line, Lines};
use super::journal::{Outcome, Recorded};
use super::mcp::{Asked, asked, outcome};
use super::program::Program;
use super::think;
use crate::door::{Knock, TOOLS, Told};
use crate::engine::live::Gone;
use crate::model::{Ask, Deltas};
use crate::{ErrorKind, ModelError, Models};

/// Between two looks whether a program that works still answers.
const PROBE: Duration = Duration::from_secs(5);
/// So often it may not, before it counts as hanging.
const SILENT: u32 = 2;
/// Time to learn that a program has ended whose turn broke.
const GRACE: Duration = Duration::from_secs(1);
/// What a program is told that calls a tool after it asked the user.
const OVER: &str = "The user was asked: end the turn now. They answer in the next one.";
/// What a program is told that asked the user.
const PUT: &str = "The question was put to the user. End the turn now.";

/// A turn that runs.
pub(in crate::engine) struct Turn {
    pub(super) lines: Lines,
    /// Calls that were made and answered before the program was started anew.
    recorded: VecDeque<Recorded>,
    /// The call that became our newest answer, and waits for what came of it.
    pending: Option<Pending>,
    /// The question to the user with which the turn is to end.
    question: Option<Call>,
    /// Whether the program said anything to the user.
    said: bool,
    /// What a model said last in this turn.
    last: String,
}

struct Pending {
    knock: Knock,
    number: Value,
    call: String,
}

/// Why there is no answer.
pub(super) enum Trouble {
    /// The program is of no more use; another may go on.
    Gone(Gone),
    /// The turn has failed.
    Failed(ModelError),
}

impl Turn {
    pub fn new(lines: Lines, recorded: VecDeque<Recorded>) -> Self {
        Self {
            lines,
            recorded,
            pending: None,
            question: None,
            said: false,
            last: String::new(),
        }
    }
}

impl Program {
    /// The program's next answer. May be given up at any moment, and the program
    /// with it.
    pub(super) async fn step(
        &mut self,
        ask: &Ask,
        models: &Models,
        deltas: &Deltas,
    ) -> Result<Reply, Trouble> {
        match self.turn.as_mut().and_then(|turn| turn.pending.take()) {
            Some(pending) => pending.settle(self.new_items(ask)),
            None => {
                // What is left of the turn before came to nothing.
                self.turn = None;
                if let Err(Gone(why)) = self.begin(ask).await {
                    return Err(self.broke(&why).await);
                }
            }
        }
        let mut probe = interval(PROBE);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        probe.reset();
        let mut silent = 0;
        loop {
            let Some(turn) = &mut self.turn else {
                return Err(Trouble::Gone(Gone::new("its turn is over")));
            };
            let event = tokio::select! {
                knock = self.porter.knock() => Event::Knock(knock),
                line = turn.lines.next() => Event::Line(line),
                _ = probe.tick() => Event::Probe,
            };
            let reply = match event {
                Event::Knock(knock) if knock.path == TOOLS => turn.called(knock, ask),
                Event::Knock(knock) => {
                    turn.asked(knock, ask, models, deltas).await?;
                    None
                }
                Event::Line(Ok(Some(line))) if line.kind == "done" => {
                    let reply = turn.done(&line, ask)?;
                    self.over().await;
                    Some(reply)
                }
                Event::Line(Ok(Some(_))) => None,
                Event::Line(Ok(None)) => {
                    return Err(self.broke("its turn ended without a `done` line").await);
                }
                Event::Line(Err(why)) => return Err(self.broke(&why).await),
                Event::Probe => {
                    match http::health(&self.reach, &mut self.tasks).await {
                        Ok(_) => silent = 0,
                        Err(why) if silent + 1 >= SILENT => return Err(self.broke(&why).await),
                        Err(_) => silent += 1,
                    }
                    None
                }
            };
            if let Some(mut reply) = reply {
                let meter = deltas.meter();
                // What a limit is held against is all that was asked, or nothing.
                reply.usage = (!ask.metered || !meter.is_open()).then(|| meter.used());
                return Ok(reply);
            }
        }
    }

    /// The turn is over; a moment for the program to see it that way, too.
    async fn over(&mut self) {
        self.turns += 1;
        if let Some(mut turn) = self.turn.take() {
            let rest = async { while let Ok(Some(_)) = turn.lines.next().await {} };
            let _ = tokio::time::timeout(http::AT_ONCE, rest).await;
        }
    }

    /// Its turn broke: because the program has ended, or does not keep to the
    /// contract.
    async fn broke(&mut self, why: &str) -> Trouble {
        let gone = tokio::time::timeout(GRACE, self.gone()).await;
        Trouble::Gone(gone.unwrap_or_else(|_| Gone::new(why)))
    }
}

enum Event {
    Probe,
    Knock(Knock),
    Line(Result<Option<Line>, String>),
}

impl Turn {
    /// A tool is called, or what there are is asked. Some answer of ours, if it
    /// is a call that was not made before.
    fn called(&mut self, knock: Knock, ask: &Ask) -> Option<Reply> {
        let (number, tool, input) = match asked(&knock.body, &ask.tools) {
            Asked::Call(number, tool, input) => (number, tool, input),
            Asked::Answer(answer) => {
                knock.tell(Told::Document(StatusCode::OK, Some(answer)));
                return None;
            }
            Asked::Nothing => {
                knock.tell(Told::Document(StatusCode::ACCEPTED, None));
                return None;
            }
        };
        let told = |knock: Knock, text: &str, is_error| {
            let answer = outcome(number.clone(), &[text], is_error);
            knock.tell(Told::Document(StatusCode::OK, Some(answer)));
        };
        if self.question.is_some() {
            told(knock, OVER, true);
            return None;
        }
        self.said |= tool == "say";
        if let Some(before) = self.before(&tool, &input) {
            let answer = before.outcome.answer(number);
            knock.tell(Told::Document(StatusCode::OK, Some(answer)));
            return None;
        }
        let call = Call {
            id: format!("call_{}", ask.items.len()),
            tool,
            input,
            unusable: None,
        };
        if call.tool == "ask" {
            told(knock, PUT, false);
            self.question = Some(call);
            return None;
        }
        let reply = think::reply(ask, "", vec![call.clone()]);
        self.pending = Some(Pending {
            knock,
            number,
            call: call.id,
        });
        Some(reply)
    }

    /// The call as it was made before, if the program does the same again. Once
    /// it does something else, what it did before counts no more.
    fn before(&mut self, tool: &str, input: &Value) -> Option<Recorded> {
        let next = self.recorded.pop_front()?;
        if next.call.tool == tool && next.call.input == *input {
            return Some(next);
        }
        tracing::info!(tool, "a program that was started anew does something else");
        self.recorded.clear();
        None
    }

    /// A model is asked.
    async fn asked(
        &mut self,
        knock: Knock,
        ask: &Ask,
        models: &Models,
        deltas: &Deltas,
    ) -> Result<(), Trouble> {
        let asked = think::ask(&knock, ask, models, deltas).await;
        match asked.map_err(Trouble::Failed)? {
            think::Said::Answer { told, reply } => {
                if !reply.text.is_empty() {
                    self.last = reply.text;
                }
                knock.tell(told);
            }
            think::Said::No(status, why) => {
                let error = json!({ "type": "invalid_request_error", "message": why });
                let document = json!({ "type": "error", "error": error });
                knock.tell(Told::Document(status, Some(document)));
            }
        }
        Ok(())
    }

    /// The program says that its turn is over.
    fn done(&mut self, line: &Line, ask: &Ask) -> Result<Reply, Trouble> {
        if line.reason.as_deref() == Some("error") {
            let why = match &line.error {
                Some(Value::String(text)) => text.clone(),
                Some(error) => error["message"]
                    .as_str()
                    .map_or_else(|| error.to_string(), str::to_owned),
                None => "it did not say why".to_owned(),
            };
            let words = format!(
                "The runtime's program failed: {}",
                crate::error::plain(&why)
            );
            return Err(Trouble::Failed(ModelError::new(
                ErrorKind::BadRequest,
                words,
            )));
        }
        Ok(match self.question.take() {
            Some(call) => think::reply(ask, "", vec![call]),
            None if self.said => think::reply(ask, "", vec![]),
            None => think::reply(ask, &std::mem::take(&mut self.last), vec![]),
        })
    }
}

impl Pending {
    /// Tells the program what came of its call.
    fn settle(self, after: &[Item]) {
        let outcome = Outcome::of(&self.call, after).unwrap_or_else(|| Outcome {
            text: "No result of this call was recorded, so its outcome is unknown.".to_owned(),
            is_error: true,
            meanwhile: vec![],
        });
        let answer = outcome.answer(self.number);
        self.knock
            .tell(Told::Document(StatusCode::OK, Some(answer)));
    }
}

impl Outcome {
    fn answer(&self, number: Value) -> Value {
        let meanwhile: Vec<String> = self
            .meanwhile
            .iter()
            .map(|text| format!("The user said meanwhile: {text}"))
            .collect();
        let texts = std::iter::once(self.text.as_str()).chain(meanwhile.iter().map(String::as_str));
        outcome(number, &texts.collect::<Vec<_>>(), self.is_error)
    }
}
