//! What must be happening, in each state a session can be in; which of two
//! duties comes first.

use session::fact::YieldReason;
use session::{Command, Duty, Limits, Reply, Stop};

use crate::scene::{Scene, answer, asks, send, tokens};

fn begun(limits: Limits) -> Scene {
    let mut scene = Scene::limited(limits);
    scene.did(send("go"));
    scene.did(Command::Begin);
    scene
}

fn acting(limits: Limits) -> Scene {
    let mut scene = begun(limits);
    scene.replied(asks(&[("a", "bash")]));
    scene
}

#[test]
fn a_session_at_rest_rests() {
    let mut scene = Scene::new();
    assert_eq!(scene.duty(), Duty::Rest);
    scene.did(send("go"));
    assert_eq!(scene.duty(), Duty::Begin);
    scene.did(Command::Begin);
    assert_eq!(scene.duty(), Duty::Think);
    scene.replied(answer("hi", Stop::EndTurn));
    assert_eq!(scene.duty(), Duty::Rest);
}

#[test]
fn an_archived_session_rests_with_input_waiting() {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(Command::Archive);
    assert_eq!(scene.duty(), Duty::Rest);
}

#[test]
fn an_open_call_is_named_with_its_intent() {
    let scene = acting(Limits::default());
    let Duty::Act(open) = scene.duty() else {
        panic!("not {:?}", scene.duty())
    };
    assert_eq!(open.seq, scene.newest("tool.call").seq);
    assert_eq!(open.since, scene.now);
    assert_eq!(
        open.call.input["command"], "true",
        "the arguments are there"
    );
}

#[test]
fn a_cancel_comes_before_all_else() {
    let mut scene = acting(Limits {
        tokens: Some(1),
        turn_seconds: Some(1),
        turns: Some(1),
        ..Limits::default()
    });
    scene.did(Command::Cancel);
    scene.wait(1000);
    assert_eq!(scene.duty(), Duty::End(YieldReason::Canceled));
}

#[test]
fn a_deadline_comes_before_the_open_call_and_the_call_before_the_budget() {
    let limits = Limits {
        tokens: Some(1),
        turn_seconds: Some(1),
        turns: None,
        ..Limits::default()
    };
    let mut scene = acting(limits);
    assert!(matches!(scene.duty(), Duty::Act(_)));
    scene.wait(1000);
    assert_eq!(scene.duty(), Duty::End(YieldReason::DeadlineExceeded));
}

#[test]
fn a_clock_that_jumps_back_does_not_end_a_turn() {
    let mut scene = begun(Limits::default());
    scene.wait(-900_000);
    assert_eq!(scene.duty(), Duty::Think);
}

#[test]
fn a_window_nearly_full_is_summarised_first() {
    for (used, want) in [
        (798, Duty::Think),
        (799, Duty::Think),
        (800, Duty::Compact),
        (u64::MAX, Duty::Compact),
    ] {
        let mut scene = begun(Limits::default());
        scene.replied(Reply {
            usage: Some(tokens(used - 1, 1)),
            ..asks(&[("s", "say")])
        });
        assert_eq!(scene.duty(), want, "{used} of 1000");
    }
}

#[test]
fn a_window_filled_by_earlier_turns_is_summarised_as_well() {
    let mut scene = begun(Limits::default());
    scene.replied(Reply {
        usage: Some(tokens(900, 10)),
        ..answer("hi", Stop::EndTurn)
    });
    scene.did(send("more"));
    scene.did(Command::Begin);
    assert_eq!(scene.duty(), Duty::Compact);
}

#[test]
fn the_budget_comes_before_a_summary() {
    let mut scene = begun(Limits {
        tokens: Some(900),
        ..Limits::default()
    });
    scene.replied(Reply {
        usage: Some(tokens(900, 10)),
        ..asks(&[("s", "say")])
    });
    assert_eq!(scene.duty(), Duty::End(YieldReason::BudgetExceeded));
}
