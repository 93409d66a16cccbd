//! Doom loops and turns that go on by themselves.

use session::fact::YieldReason;
use session::{Command, Duty, Limits, Phase};

use crate::scene::{Scene, asks, end, send};

fn looping(after: u32) -> Scene {
    let mut scene = Scene::new();
    scene.frozen.bounds.loop_after = after;
    scene.frozen.bounds.steps = 100;
    scene.did(send("go"));
    scene.did(Command::Begin);
    scene
}

fn again(scene: &mut Scene, n: usize, result: &str) -> Vec<String> {
    scene.replied(asks(&[(&format!("c{n}"), "bash")]));
    scene.done(result)
}

#[test]
fn the_same_call_with_the_same_result_is_told_and_then_ends_the_turn() {
    let mut scene = looping(3);
    for n in 0..3 {
        assert_eq!(again(&mut scene, n, "no"), ["exec.completed"]);
        let told = scene.view().last().unwrap().contains("3 times in a row");
        assert_eq!(told, n == 2, "call {n}");
    }
    let kinds = again(&mut scene, 3, "no");
    assert_eq!(kinds, ["exec.completed", "error.task", "turn.completed"]);
    let error = &scene.newest("error.task").draft.body;
    assert_eq!(error["code"], "no_progress");
    assert_eq!(scene.phase(), Phase::Idle, "it can be steered on");
}

#[test]
fn another_result_or_another_call_begins_the_count_anew() {
    let mut scene = looping(2);
    for n in 0..8 {
        let result = if n % 2 == 0 { "even" } else { "odd" };
        assert_eq!(again(&mut scene, n, result), ["exec.completed"]);
    }
    let mut scene = looping(2);
    for n in 0..8 {
        let tool = if n % 2 == 0 { "bash" } else { "read" };
        scene.replied(asks(&[(&format!("c{n}"), tool)]));
        scene.done("same");
        assert_eq!(scene.phase(), Phase::Running);
    }
}

#[test]
fn zero_turns_the_watch_off() {
    let mut scene = looping(0);
    for n in 0..20 {
        assert_eq!(again(&mut scene, n, "no"), ["exec.completed"]);
    }
}

#[test]
fn a_turn_at_its_deadline_goes_on_as_often_as_allowed() {
    let mut scene = Scene::limited(Limits {
        auto_continue: Some(2),
        ..Limits::default()
    });
    scene.did(send("go"));
    for number in 1..=3 {
        scene.did(Command::Begin);
        let kinds = scene.did(end(YieldReason::DeadlineExceeded));
        let goes_on = kinds.contains(&"session.continued".to_owned());
        assert_eq!(goes_on, number <= 2, "turn {number}");
        assert_eq!(scene.duty() == Duty::Begin, goes_on);
    }
    assert!(scene.view().last().unwrap().starts_with("note: "));
    scene.did(send("by hand"));
    scene.did(Command::Begin);
    let kinds = scene.did(end(YieldReason::DeadlineExceeded));
    assert!(
        kinds.contains(&"session.continued".to_owned()),
        "counted anew"
    );
}

#[test]
fn other_ends_do_not_go_on() {
    for reason in YieldReason::ALL {
        let mut scene = Scene::limited(Limits {
            auto_continue: Some(9),
            ..Limits::default()
        });
        scene.did(send("go"));
        scene.did(Command::Begin);
        let kinds = scene.did(end(reason));
        let goes_on = kinds.contains(&"session.continued".to_owned());
        assert_eq!(goes_on, reason == YieldReason::DeadlineExceeded);
    }
}

#[test]
fn a_canceled_turn_does_not_go_on_whatever_its_driver_saw_first() {
    for reason in YieldReason::ALL {
        let mut scene = Scene::limited(Limits {
            auto_continue: Some(9),
            ..Limits::default()
        });
        scene.did(send("go"));
        scene.did(Command::Begin);
        scene.replied(asks(&[("a", "bash")]));
        // The driver stops the call at the deadline; the cancel lands while it does.
        scene.did(Command::Cancel);
        let kinds = scene.did(end(reason));
        assert_eq!(
            kinds,
            ["tool.indeterminate", "turn.completed"],
            "{reason:?}"
        );
        assert_eq!(scene.last().draft.body["yield_reason"], "canceled");
        assert_eq!((scene.duty(), scene.phase()), (Duty::Rest, Phase::Idle));
    }
}
