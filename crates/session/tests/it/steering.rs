//! Messages and cancels that meet a turn at work.

use serde_json::json;
use session::fact::{Outcome, YieldReason};
use session::{Actor, Command, Duty, Phase, Refusal, Reply, Stop};

use crate::scene::{Scene, answer, asks, end, interrupt, receipt, replied, request, send};

fn begun() -> Scene {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(Command::Begin);
    scene
}

#[test]
fn a_message_during_a_call_joins_the_turn_behind_the_results() {
    let mut scene = begun();
    scene.replied(asks(&[("a", "bash"), ("b", "bash")]));
    scene.did(send("by the way"));
    scene.done("ok");
    scene.did(send("and also"));
    scene.done("ok");
    assert_eq!(scene.duty(), Duty::Think);
    assert_eq!(scene.state.waiting, [5, 8], "not seen by the model yet");
    let view = [
        "user: go",
        "model: ",
        "a: ok",
        "b: ok",
        "user: by the way",
        "user: and also",
    ];
    assert_eq!(scene.view(), view);
    scene.replied(answer("hi", Stop::EndTurn));
    assert_eq!(scene.state.input_cursor, 8);
    assert_eq!(scene.phase(), Phase::Idle);
}

#[test]
fn a_request_is_an_input_as_a_message_is_and_the_model_sees_its_json() {
    let mut scene = Scene::new();
    scene.did(request(json!({ "b": [1], "a": "x" })));
    assert_eq!(scene.phase(), Phase::Queued);
    scene.did(Command::Begin);
    scene.replied(asks(&[("a", "bash")]));
    scene.did(Command::Request {
        payload: json!("more"),
        actor: Some(Actor::trigger("hk_1", "issues")),
    });
    assert_eq!(scene.last().draft.actor.kind, "trigger");
    scene.done("ok");
    let view = [
        "user: {\"a\":\"x\",\"b\":[1]}",
        "model: ",
        "a: ok",
        "user: \"more\"",
    ];
    assert_eq!(scene.view(), view);
    scene.replied(answer("hi", Stop::EndTurn));
    assert_eq!((scene.phase(), scene.state.input_cursor), (Phase::Idle, 5));
    scene.did(Command::Archive);
    assert_eq!(scene.tell(request(json!(1))), Err(Refusal::Archived));
}

#[test]
fn a_message_that_races_with_the_last_answer_starts_the_next_turn() {
    let mut scene = begun();
    let saw = scene.state.head;
    scene.did(send("wait"));
    scene.did(replied(saw, answer("hi", Stop::EndTurn)));
    assert_eq!(scene.phase(), Phase::Queued);
    assert_eq!(scene.view(), ["user: go", "model: hi", "user: wait"]);
    scene.did(Command::Begin);
    let body = &scene.last().draft.body;
    assert_eq!(
        (&body["input_from_seq"], &body["input_to_seq"]),
        (&3.into(), &3.into())
    );
}

#[test]
fn inputs_that_wait_are_taken_together() {
    let mut scene = Scene::new();
    for text in ["one", "two", "three"] {
        scene.did(send(text));
    }
    scene.did(Command::Begin);
    let body = &scene.last().draft.body;
    assert_eq!(
        (&body["input_from_seq"], &body["input_to_seq"]),
        (&1.into(), &3.into())
    );
    assert_eq!(scene.state.input_cursor, 3);
}

#[test]
fn a_message_after_a_question_is_its_answer() {
    let mut scene = begun();
    scene.replied(asks(&[("q", "ask")]));
    assert_eq!(scene.phase(), Phase::AwaitingInput);
    scene.did(send("blue"));
    assert_eq!(scene.phase(), Phase::Queued);
    scene.did(Command::Begin);
    let asked = "q: Asked. The answer comes as the next message.";
    assert_eq!(scene.view()[2..], [asked, "user: blue"]);
}

#[test]
fn an_interrupt_cuts_the_open_call_and_those_behind_it() {
    for outcome in [
        Outcome::Killed {
            reason: "interrupted".to_owned(),
        },
        Outcome::NotRun,
        Outcome::Indeterminate,
        Outcome::Done { exit_code: Some(0) },
    ] {
        let mut scene = begun();
        scene.replied(asks(&[("a", "bash"), ("b", "bash"), ("c", "ask")]));
        let began = scene
            .state
            .turn
            .as_ref()
            .unwrap()
            .open
            .as_ref()
            .unwrap()
            .seq;
        assert!(!scene.state.interrupted_since(began));
        scene.did(interrupt("stop that"));
        assert!(scene.state.interrupted_since(began));
        let kinds = scene.did(Command::Done(session::fact::Receipt {
            outcome,
            ..receipt("a", "stopped")
        }));
        assert_eq!(kinds.len(), 1, "no intent follows");
        assert_eq!(scene.duty(), Duty::Think);
        let overtaken = "Not run: a new message from the user came first.";
        assert_eq!(
            scene.view()[2..],
            [
                "a: stopped".to_owned(),
                format!("b: {overtaken}"),
                format!("c: {overtaken}"),
                "user: stop that".to_owned()
            ]
        );
    }
}

#[test]
fn an_interrupt_cuts_the_calls_of_an_answer_on_its_way() {
    let mut scene = begun();
    let saw = scene.state.head;
    scene.did(interrupt("do not"));
    let kinds = scene.did(replied(saw, asks(&[("a", "bash"), ("b", "ask")])));
    assert_eq!(kinds, ["model.completed"]);
    assert_eq!(scene.duty(), Duty::Think);
    let overtaken = "Not run: a new message from the user came first.";
    assert_eq!(
        scene.view()[2..],
        [
            format!("a: {overtaken}"),
            format!("b: {overtaken}"),
            "user: do not".to_owned()
        ]
    );
}

#[test]
fn an_interrupt_the_model_has_seen_cuts_nothing_more() {
    let mut scene = begun();
    scene.did(interrupt("do this"));
    let kinds = scene.replied(asks(&[("a", "bash"), ("b", "bash")]));
    assert_eq!(kinds, ["model.completed", "tool.call"]);
    assert_eq!(scene.done("ok"), ["exec.completed", "tool.call"]);
}

#[test]
fn a_cancel_of_a_call_tells_the_model_how_it_ended() {
    let mut scene = begun();
    scene.replied(asks(&[("a", "bash"), ("b", "bash")]));
    scene.did(Command::Cancel);
    assert_eq!(scene.duty(), Duty::End(YieldReason::Canceled));
    scene.did(Command::End {
        reason: YieldReason::Canceled,
        open: Some(receipt("a", "killed")),
    });
    assert_eq!(scene.phase(), Phase::Idle);
    assert_eq!(
        scene.view()[2..],
        ["a: killed", "b: Not run: the turn ended first (canceled)."]
    );
}

#[test]
fn a_call_nobody_can_tell_of_is_indeterminate() {
    let mut scene = begun();
    scene.replied(asks(&[("a", "bash")]));
    scene.did(end(YieldReason::DeadlineExceeded));
    let event = scene.newest("tool.indeterminate");
    assert_eq!(event.draft.body["outcome"], "indeterminate");
    assert!(scene.view()[2].contains("how far it came is unknown"));
}

#[test]
fn an_answer_that_meets_a_cancel_begins_nothing() {
    let mut scene = begun();
    scene.did(Command::Cancel);
    let kinds = scene.replied(asks(&[("a", "bash")]));
    assert_eq!(kinds, ["model.completed"]);
    scene.did(end(YieldReason::Canceled));
    assert_eq!(
        scene.view()[2..],
        ["a: Not run: the turn ended first (canceled)."]
    );
}

#[test]
fn a_cancel_takes_what_waits_and_leaves_what_comes_later() {
    let mut scene = begun();
    scene.did(send("and this"));
    scene.did(Command::Cancel);
    let mut later = scene.clone();
    scene.did(end(YieldReason::Canceled));
    assert_eq!(scene.phase(), Phase::Idle, "no turn follows by itself");
    later.did(send("something else"));
    later.did(end(YieldReason::Canceled));
    assert_eq!(later.phase(), Phase::Queued);
    assert_eq!(
        later.view(),
        ["user: go", "user: and this", "user: something else"],
        "the model sees all of it"
    );
}

#[test]
fn a_second_cancel_takes_what_came_after_the_first() {
    let mut scene = begun();
    scene.did(Command::Cancel);
    assert_eq!(scene.did(Command::Cancel), [""; 0], "nothing new to stop");
    scene.did(interrupt("something else"));
    assert_eq!(scene.did(Command::Cancel), ["session.cancel_requested"]);
    assert_eq!(scene.did(Command::Cancel), [""; 0]);
    let mut later = scene.clone();
    scene.did(end(YieldReason::Canceled));
    assert_eq!((scene.duty(), scene.phase()), (Duty::Rest, Phase::Idle));
    assert_eq!(scene.view(), ["user: go", "user: something else"]);
    later.did(send("after all"));
    later.did(end(YieldReason::Canceled));
    assert_eq!(later.duty(), Duty::Begin);
}

#[test]
fn a_canceled_input_stands_in_the_conversation() {
    let mut scene = Scene::new();
    scene.did(send("never mind"));
    assert_eq!(
        scene.did(Command::Cancel),
        ["turn.started", "turn.completed"]
    );
    assert_eq!(scene.last().draft.body["yield_reason"], "canceled");
    scene.did(send("do that"));
    scene.did(Command::Begin);
    assert_eq!(scene.view(), ["user: never mind", "user: do that"]);
}

#[test]
fn an_answer_to_a_turn_that_is_gone_is_refused() {
    let mut scene = begun();
    let saw = scene.state.head;
    scene.did(Command::Archive);
    let late = scene.tell(replied(saw, answer("hi", Stop::EndTurn)));
    assert_eq!(late, Err(Refusal::NoTurn));
}

#[test]
fn one_call_id_in_two_answers_is_two_calls() {
    let mut scene = begun();
    for text in ["one", "two"] {
        scene.replied(Reply {
            text: text.to_owned(),
            ..asks(&[("same", "bash")])
        });
        scene.done(text);
    }
    assert_eq!(
        scene.view()[1..],
        ["model: one", "same: one", "model: two", "same: two"]
    );
}
