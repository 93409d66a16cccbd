//! Limits: what ends a turn before its work is done.

use session::fact::YieldReason;
use session::{Command, Duty, Limits, Phase, Reply, Stop};

use crate::scene::{Scene, answer, asks, end, send, tokens};

fn limits() -> Limits {
    Limits::default()
}

/// A turn of one answer.
fn turn(scene: &mut Scene, text: &str) -> Vec<String> {
    scene.did(send(text));
    let begun = scene.did(Command::Begin);
    if scene.phase() == Phase::Running {
        return scene.replied(answer("ok", Stop::EndTurn));
    }
    begun
}

fn reason(scene: &Scene) -> Option<YieldReason> {
    scene.state.last_turn.as_ref().map(|turn| turn.reason)
}

#[test]
fn a_turn_over_the_limit_of_turns_ends_in_the_same_breath() {
    let mut scene = Scene::limited(Limits {
        turns: Some(2),
        ..limits()
    });
    for _ in 0..2 {
        turn(&mut scene, "go");
        assert_eq!(reason(&scene), Some(YieldReason::Completed));
    }
    assert_eq!(turn(&mut scene, "more"), ["turn.started", "turn.completed"]);
    assert_eq!(reason(&scene), Some(YieldReason::MaxTurns));
    assert_eq!(scene.phase(), Phase::Idle);
    assert_eq!(
        scene.view().last().unwrap(),
        "user: more",
        "nothing is lost"
    );
}

#[test]
fn a_turn_begun_with_the_tokens_spent_ends_in_the_same_breath() {
    for (most, ends) in [
        (19, YieldReason::BudgetExceeded),
        (20, YieldReason::BudgetExceeded),
        (21, YieldReason::Completed),
    ] {
        let mut scene = Scene::limited(Limits {
            tokens: Some(most),
            ..limits()
        });
        turn(&mut scene, "go");
        assert_eq!(reason(&scene), Some(YieldReason::Completed), "20 of {most}");
        turn(&mut scene, "more");
        assert_eq!(reason(&scene), Some(ends), "20 of {most}");
    }
}

#[test]
fn tokens_spent_within_a_turn_end_it_before_the_next_answer() {
    let mut scene = Scene::limited(Limits {
        tokens: Some(20),
        ..limits()
    });
    scene.did(send("go"));
    scene.did(Command::Begin);
    scene.replied(asks(&[("a", "bash"), ("b", "bash")]));
    // What was asked for is carried out: it costs no tokens.
    scene.done("ok");
    scene.done("ok");
    assert_eq!(scene.duty(), Duty::End(YieldReason::BudgetExceeded));
    scene.did(end(YieldReason::BudgetExceeded));
    assert_eq!(scene.phase(), Phase::Idle);
}

#[test]
fn all_four_parts_of_usage_count() {
    let mut scene = Scene::limited(Limits {
        tokens: Some(10),
        ..limits()
    });
    scene.did(send("go"));
    scene.did(Command::Begin);
    let usage = session::Tokens {
        cache_write: 4,
        cache_read: 3,
        ..tokens(2, 1)
    };
    scene.replied(Reply {
        usage: Some(usage),
        ..asks(&[("s", "say")])
    });
    assert_eq!(scene.state.tokens(), 10);
    assert_eq!(scene.duty(), Duty::End(YieldReason::BudgetExceeded));
}

#[test]
fn a_turn_ends_at_its_deadline_and_not_before() {
    for (limit, seconds) in [(None, 1800), (Some(60), 60), (Some(9999), 1800)] {
        let mut scene = Scene::limited(Limits {
            turn_seconds: limit,
            ..limits()
        });
        scene.did(send("go"));
        scene.wait(5_000);
        assert_eq!(session::duty::deadline(&scene.frozen, &scene.state), None);
        scene.did(Command::Begin);
        let at = scene.now.plus(seconds * 1000);
        assert_eq!(
            session::duty::deadline(&scene.frozen, &scene.state),
            Some(at)
        );
        scene.wait(seconds * 1000 - 1);
        assert_eq!(scene.duty(), Duty::Think, "{limit:?}");
        scene.wait(1);
        assert_eq!(
            scene.duty(),
            Duty::End(YieldReason::DeadlineExceeded),
            "{limit:?}"
        );
    }
}

#[test]
fn a_turn_ends_when_its_steps_are_used() {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(Command::Begin);
    for _ in 0..scene.frozen.bounds.steps {
        assert_eq!(scene.duty(), Duty::Think);
        scene.replied(asks(&[("s", "say")]));
    }
    assert_eq!(scene.duty(), Duty::End(YieldReason::MaxTurns));
}

#[test]
fn the_usage_of_a_session_is_the_sum_of_its_turns() {
    let mut scene = Scene::new();
    let silent = |reply: Reply| Reply {
        usage: None,
        ..reply
    };
    // Reported; reported in part; not reported; not even asked.
    scene.wait(10);
    turn(&mut scene, "one");
    assert!(scene.state.usage.complete());
    scene.did(send("two"));
    scene.did(Command::Begin);
    scene.replied(silent(asks(&[("s", "say")])));
    scene.wait(7);
    scene.replied(answer("ok", Stop::EndTurn));
    assert_eq!(scene.last().draft.body["usage"]["complete"], false);
    assert!(!scene.state.usage.complete());
    scene.did(send("three"));
    scene.did(Command::Begin);
    scene.replied(silent(answer("ok", Stop::EndTurn)));
    assert_eq!(scene.last().draft.body["usage"]["reported"], false);
    scene.did(send("four"));
    scene.did(Command::Cancel);
    let usage = scene.state.usage;
    assert_eq!(usage.tokens, tokens(20, 20));
    assert_eq!(
        (
            usage.reported_turns,
            usage.unreported_turns,
            usage.partial_turns
        ),
        (2, 2, 1)
    );
    assert_eq!(usage.active_ms, 7);
}
