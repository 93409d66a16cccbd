//! Every command in every situation a session can be in: what is written, or
//! why it is refused, and what the client is told after it.

use session::fact::{Checkpoint, Restored, YieldReason};
use session::{Command, Millis, Phase, Refusal, Stop};

use crate::scene::{Scene, answer, asks, compacted, end, failure, receipt, replied, send};

/// Situations, each reached by the shortest way.
#[derive(Debug, Clone, Copy)]
enum Given {
    /// Nothing has happened.
    Empty,
    /// Input waits.
    Queued,
    /// A turn runs and the model is asked.
    Thinking,
    /// A turn runs, call `c1` is open and `c2` waits.
    Acting,
    /// The same, and a cancel was asked for.
    Stopping,
    /// The last turn completed.
    Idle,
    /// The last turn asked something.
    Awaiting,
    /// Closed.
    Archived,
}

use Given::{Acting, Archived, Awaiting, Empty, Idle, Queued, Stopping, Thinking};

const ALL: [Given; 8] = [
    Empty, Queued, Thinking, Acting, Stopping, Idle, Awaiting, Archived,
];

impl Given {
    fn scene(self) -> Scene {
        let mut scene = Scene::new();
        if matches!(self, Empty) {
            return scene;
        }
        scene.did(send("go"));
        if matches!(self, Queued) {
            return scene;
        }
        scene.did(Command::Begin);
        match self {
            Empty | Queued | Thinking => {}
            Acting => drop(scene.replied(asks(&[("c1", "bash"), ("c2", "bash")]))),
            Stopping => {
                scene.replied(asks(&[("c1", "bash"), ("c2", "bash")]));
                scene.did(Command::Cancel);
            }
            Idle => drop(scene.replied(answer("hi", Stop::EndTurn))),
            Awaiting => drop(scene.replied(asks(&[("c1", "ask")]))),
            Archived => drop(scene.did(Command::Archive)),
        }
        scene
    }
}

/// What a command leads to: kinds of events and the phase, or a refusal.
type Then = Result<(&'static str, Phase), Refusal>;

fn check(command: impl Fn(&Scene) -> Command, table: [Then; 8]) {
    for (given, then) in ALL.into_iter().zip(table) {
        let mut scene = given.scene();
        let before = scene.state.clone();
        let got = scene.tell(command(&scene));
        match (got, then) {
            (Ok(kinds), Ok((want, phase))) => {
                assert_eq!(kinds.join(" "), want, "{given:?}");
                assert_eq!(scene.phase(), phase, "{given:?}");
            }
            (Err(got), Err(want)) => {
                assert_eq!(got, want, "{given:?}");
                assert_eq!(scene.state, before, "a refusal changes nothing");
            }
            (got, then) => panic!("{given:?}: got {got:?}, not {then:?}"),
        }
    }
}

#[test]
fn a_message() {
    check(
        |_| send("more"),
        [
            Ok(("user.message", Phase::Queued)),
            Ok(("user.message", Phase::Queued)),
            Ok(("user.message", Phase::Running)),
            Ok(("user.message", Phase::Running)),
            Ok(("user.message", Phase::Running)),
            Ok(("user.message", Phase::Queued)),
            Ok(("user.message", Phase::Queued)),
            Err(Refusal::Archived),
        ],
    );
}

#[test]
fn a_cancel() {
    check(
        |_| Command::Cancel,
        [
            Ok(("", Phase::Idle)),
            Ok(("turn.started turn.completed", Phase::Idle)),
            Ok(("session.cancel_requested", Phase::Running)),
            Ok(("session.cancel_requested", Phase::Running)),
            Ok(("", Phase::Running)),
            Ok(("", Phase::Idle)),
            Ok(("", Phase::AwaitingInput)),
            Ok(("", Phase::Archived)),
        ],
    );
}

#[test]
fn an_archive() {
    let at_once = Ok(("session.archived", Phase::Archived));
    let acting = Ok((
        "tool.indeterminate turn.completed session.archived",
        Phase::Archived,
    ));
    check(
        |_| Command::Archive,
        [
            at_once,
            at_once,
            Ok(("turn.completed session.archived", Phase::Archived)),
            acting,
            acting,
            at_once,
            at_once,
            Ok(("", Phase::Archived)),
        ],
    );
}

#[test]
fn a_begin() {
    let no = Err(Refusal::NothingToBegin);
    check(
        |_| Command::Begin,
        [
            no,
            Ok(("turn.started", Phase::Running)),
            no,
            no,
            no,
            no,
            no,
            no,
        ],
    );
}

/// A command that belongs to a turn, where no call is open.
fn only_thinking(command: impl Fn(&Scene) -> Command, thinking: Then) {
    let (none, open) = (Err(Refusal::NoTurn), Err(Refusal::NotOpen));
    check(
        command,
        [none, none, thinking, open, open, none, none, none],
    );
}

#[test]
fn an_answer() {
    only_thinking(
        |scene| replied(scene.state.head, answer("hi", Stop::EndTurn)),
        Ok(("model.completed agent.message turn.completed", Phase::Idle)),
    );
}

#[test]
fn a_summary() {
    only_thinking(
        |scene| compacted(scene.state.head, "so far"),
        Ok(("context.compacted", Phase::Running)),
    );
}

#[test]
fn a_failure() {
    let (none, acting) = (
        Err(Refusal::NoTurn),
        Ok(("error.model tool.indeterminate turn.completed", Phase::Idle)),
    );
    check(
        |_| Command::Failed(failure("overloaded")),
        [
            none,
            none,
            Ok(("error.model turn.completed", Phase::Idle)),
            acting,
            acting,
            none,
            none,
            none,
        ],
    );
}

#[test]
fn the_receipt_of_the_open_call() {
    let none = Err(Refusal::NoTurn);
    check(
        |_| Command::Done(receipt("c1", "ok")),
        [
            none,
            none,
            Err(Refusal::NotOpen),
            Ok(("exec.completed tool.call", Phase::Running)),
            // After a cancel the next call gets no intent.
            Ok(("exec.completed", Phase::Running)),
            none,
            none,
            none,
        ],
    );
}

#[test]
fn the_receipt_of_another_call() {
    let (none, open) = (Err(Refusal::NoTurn), Err(Refusal::NotOpen));
    check(
        |_| Command::Done(receipt("c2", "ok")),
        [none, none, open, open, open, none, none, none],
    );
}

#[test]
fn an_end_without_word_of_the_open_call() {
    let none = Err(Refusal::NoTurn);
    let acting = Ok(("tool.indeterminate turn.completed", Phase::Idle));
    check(
        |_| end(YieldReason::Canceled),
        [
            none,
            none,
            Ok(("turn.completed", Phase::Idle)),
            acting,
            acting,
            none,
            none,
            none,
        ],
    );
}

#[test]
fn an_end_with_the_receipt_of_the_open_call() {
    let none = Err(Refusal::NoTurn);
    let acting = Ok(("exec.completed turn.completed", Phase::Idle));
    check(
        |_| Command::End {
            reason: YieldReason::Canceled,
            open: Some(receipt("c1", "stopped")),
        },
        [
            none,
            none,
            Err(Refusal::NotOpen),
            acting,
            acting,
            none,
            none,
            none,
        ],
    );
}

#[test]
fn a_message_keeps_who_sent_it_and_what_it_refers_to() {
    let mut scene = Scene::new();
    let Command::Send { message, .. } = send("go") else {
        unreachable!("send is a Send")
    };
    let actor = session::Actor {
        id: "nightly".to_owned(),
        kind: "schedule".to_owned(),
        display: Some("Nightly".to_owned()),
    };
    let refs = serde_json::json!({ "source": "cron" });
    scene.did(Command::Send {
        message,
        actor: Some(actor.clone()),
        refs: refs.as_object().cloned().unwrap_or_default(),
    });
    assert_eq!(scene.last().draft.actor, actor);
    assert_eq!(
        serde_json::Value::Object(scene.last().draft.refs.clone()),
        refs
    );
}

#[test]
fn the_files_of_a_session_are_those_its_sandbox_was_restored_with() {
    let mut scene = Scene::new();
    scene.did(send("hi"));
    let made = |id: &str, seq| {
        Command::Checkpointed(Checkpoint {
            id: id.to_owned(),
            why: "turn".to_owned(),
            seq,
            files: 1,
            bytes: 1,
            added: 1,
        })
    };
    scene.did(made("ckp_1", 1));
    scene.did(made("ckp_2", 2));
    let restored = |checkpoint: Option<&str>| {
        Command::Restored(Restored {
            sandbox: "sbx_1".to_owned(),
            checkpoint: checkpoint.map(str::to_owned),
            seq: 1,
            made: Some(Millis(7)),
            reason: "lost".to_owned(),
            skipped: vec!["ckp_2".to_owned()],
        })
    };
    scene.did(restored(Some("ckp_1")));
    let files = scene.state.checkpoint.clone().unwrap();
    assert_eq!((&*files.id, files.seq, files.at), ("ckp_1", 1, Millis(7)));
    scene.did(restored(None));
    assert_eq!(scene.state.checkpoint, None);
}
