//! The driver of the random histories: it asks for the duty and does it, as the
//! real one does, and checks each view before the model is asked with it.

use session::fact::{Outcome, Receipt, YieldReason};
use session::state::OpenCall;
use session::{Call, Command, Duty, Item, Limits, Phase, Refusal, Reply, Stop};

use super::plan::{Comes, Ends, Move, Outside, Plan, Shape};
use crate::scene::{
    Scene, answer, call, compacted, failure, interrupt, receipt, replied, request, send, tokens,
};
use crate::view;

/// Plays a plan to its end, and then on until the session rests.
pub fn play(plan: &Plan) -> Scene {
    let mut world = World {
        scene: Scene::limited(plan.limits),
        asked_with: None,
        answers: 0,
    };
    world.happen(&plan.first);
    for one in &plan.moves {
        if world.scene.duty() == Duty::Rest {
            world.happen(&one.meanwhile);
            world.happen(&[Outside::Send]);
        }
        world.step(one);
    }
    world.come_to_rest();
    world.scene
}

struct World {
    scene: Scene,
    /// The view the model was asked with last, since the last summary.
    asked_with: Option<Vec<Item>>,
    /// Answers so far: makes call ids unlike.
    answers: u32,
}

impl World {
    fn happen(&mut self, outside: &[Outside]) {
        for one in outside {
            let command = match one {
                Outside::Send => send("more"),
                Outside::Interrupt => interrupt("now"),
                Outside::Request => request(serde_json::json!({ "more": true })),
                Outside::Cancel => Command::Cancel,
                Outside::Archive => Command::Archive,
                Outside::Limits(most) => Command::SetLimits(Limits {
                    tokens: Some(*most),
                    ..self.scene.state.limits(&self.scene.frozen)
                }),
            };
            let archived = self.scene.phase() == Phase::Archived;
            match self.scene.tell(command) {
                Ok(_) => {}
                Err(refusal) => assert!(archived && refusal == Refusal::Archived),
            }
        }
    }

    /// With a model that only answers and a world that leaves it alone, every
    /// session comes to rest in a few steps.
    fn come_to_rest(&mut self) {
        let quiet = Move {
            meanwhile: Vec::new(),
            comes: Comes::Reply(Shape {
                stop: Stop::EndTurn,
                text: true,
                tools: Vec::new(),
                usage: Some(20),
            }),
            ends: Ends::Done,
            late: false,
            takes: 1,
        };
        for _ in 0..20 {
            if self.scene.duty() == Duty::Rest {
                assert!(self.scene.phase().at_rest());
                return;
            }
            self.step(&quiet);
        }
        panic!("still busy: {:?}", self.scene.duty());
    }

    /// One duty, done. It must lead somewhere unless it was cut or lost.
    fn step(&mut self, one: &Move) {
        let head = self.scene.state.head;
        let duty = self.scene.duty();
        assert_eq!(duty == Duty::Rest, self.scene.phase().at_rest());
        let whole = match duty {
            Duty::Rest => return,
            Duty::Begin => self.begin(one),
            Duty::Think => self.think(one),
            Duty::Compact => self.compact(one),
            Duty::Act(open) => self.act(one, &open),
            Duty::End(reason) => self.end(one, reason),
        };
        assert!(!whole || self.scene.state.head > head, "no progress");
    }

    /// Lets the time of the step pass. False if the step is cut, or lost in a
    /// crash.
    fn passes(&mut self, one: &Move, began: u64) -> bool {
        self.scene.wait(one.takes);
        self.happen(&one.meanwhile);
        let state = &self.scene.state;
        let turn = state.turn.as_ref();
        let cut = turn.is_none_or(|turn| turn.cancel.is_some())
            || state.interrupted_since(began)
            || matches!(self.scene.duty(), Duty::End(_));
        !matches!(one.comes, Comes::Crash) && (!cut || one.late)
    }

    /// Commits what the step came to. Only a turn that is gone refuses it.
    fn commit(&mut self, command: Command) -> bool {
        match self.scene.tell(command) {
            Ok(kinds) => !kinds.is_empty(),
            Err(refusal) => {
                assert_eq!(refusal, Refusal::NoTurn);
                assert_eq!(self.scene.phase(), Phase::Archived);
                false
            }
        }
    }

    fn begin(&mut self, one: &Move) -> bool {
        self.happen(&one.meanwhile);
        match self.scene.tell(Command::Begin) {
            Ok(_) => true,
            // The input was canceled or the session closed meanwhile.
            Err(refusal) => {
                assert_eq!(refusal, Refusal::NothingToBegin);
                assert!(!one.meanwhile.is_empty());
                false
            }
        }
    }

    fn ask(&mut self) -> u64 {
        let now = self.scene.fold.transcript.view();
        view::check(&now, self.asked_with.as_deref());
        view::shows_what_has_no_answer(&now, &self.scene.facts());
        self.asked_with = Some(now);
        self.scene.state.head
    }

    fn think(&mut self, one: &Move) -> bool {
        let saw = self.ask();
        view::ends_with_a_question(self.asked_with.as_deref().unwrap_or_default());
        if !self.passes(one, saw) {
            return false;
        }
        match &one.comes {
            Comes::Reply(shape) => {
                let reply = self.reply(shape);
                self.commit(replied(saw, reply))
            }
            _ => self.commit(Command::Failed(failure("overloaded"))),
        }
    }

    fn compact(&mut self, one: &Move) -> bool {
        let saw = self.ask();
        if !self.passes(one, saw) {
            return false;
        }
        if matches!(one.comes, Comes::Failure) {
            return self.commit(Command::Failed(failure("overloaded")));
        }
        let whole = self.commit(compacted(saw, "so far"));
        if whole {
            self.asked_with = None;
        }
        whole
    }

    fn act(&mut self, one: &Move, open: &OpenCall) -> bool {
        if self.scene.state.interrupted_since(open.seq) {
            return self.commit(Command::Done(receipt_of(open, one.ends)));
        }
        if !self.passes(one, open.seq) {
            return false;
        }
        self.commit(Command::Done(receipt_of(open, one.ends)))
    }

    fn end(&mut self, one: &Move, reason: YieldReason) -> bool {
        let open = self
            .scene
            .state
            .turn
            .as_ref()
            .and_then(|turn| turn.open.clone());
        self.happen(&one.meanwhile);
        let open = open
            .filter(|_| one.late)
            .map(|open| receipt_of(&open, one.ends));
        self.commit(Command::End { reason, open })
    }

    fn reply(&mut self, shape: &Shape) -> Reply {
        self.answers += 1;
        let calls = shape.tools.iter().enumerate();
        let calls = calls.map(|(n, tool)| one_call(&format!("c{}_{n}", self.answers), tool));
        let text = if shape.text { "words" } else { "" };
        Reply {
            calls: calls.collect(),
            usage: shape.usage.map(|used| tokens(used, 1)),
            ..answer(text, shape.stop)
        }
    }
}

fn one_call(id: &str, tool: &str) -> Call {
    let cut = tool == "cut";
    Call {
        unusable: cut.then(|| "Cut.".to_owned()),
        ..call(id, if cut { "bash" } else { tool })
    }
}

fn receipt_of(open: &OpenCall, ends: Ends) -> Receipt {
    let outcome = match ends {
        Ends::Done => Outcome::Done { exit_code: Some(0) },
        Ends::NotRun => Outcome::NotRun,
        Ends::Indeterminate => Outcome::Indeterminate,
    };
    Receipt {
        tool: open.call.tool.clone(),
        outcome,
        ..receipt(&open.call.id, "ok")
    }
}
