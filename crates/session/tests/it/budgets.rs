//! What is left of a budget: in tokens, in money, after a crash, after a raise.

use session::fact::{Lapse, Recovery, YieldReason};
use session::{Command, Duty, Limits, LongPrices, Prices, Stop, Usd};

use crate::scene::{Scene, answer, asks, send, tokens};

const PRICES: Prices = Prices {
    input: 1000,
    output: 5000,
    cache_write: 1250,
    cache_read: 100,
    long: None,
};

fn begun(limits: Limits) -> Scene {
    let mut scene = Scene::limited(limits);
    scene.frozen.prices = Some(PRICES);
    scene.did(send("go"));
    scene.did(Command::Begin);
    scene
}

#[test]
fn money_is_counted_by_the_prices_pinned_at_the_start() {
    let mut scene = begun(Limits {
        usd: Some(Usd(130_000)),
        ..Limits::default()
    });
    assert_eq!(scene.state.left(&scene.frozen), (None, Some(Usd(130_000))));
    // 10 in and 10 out are 60,000.
    scene.replied(asks(&[("a", "bash")]));
    assert_eq!(scene.state.left(&scene.frozen), (None, Some(Usd(70_000))));
    scene.done("ok");
    assert_eq!(scene.duty(), Duty::Think);
    scene.replied(asks(&[("b", "bash")]));
    scene.done("ok");
    assert_eq!(scene.state.left(&scene.frozen), (None, Some(Usd(10_000))));
    scene.replied(asks(&[("c", "bash")]));
    scene.done("ok");
    assert_eq!(scene.duty(), Duty::End(YieldReason::BudgetExceeded));
}

#[test]
fn a_call_cut_by_a_crash_counts_at_its_worst_but_is_no_usage() {
    let mut scene = begun(Limits {
        tokens: Some(100),
        ..Limits::default()
    });
    scene.did(Command::Recovered(Recovery {
        reason: Lapse::Restarted,
        epoch: 2,
        charged: Some(tokens(10, 80)),
    }));
    assert_eq!(scene.state.left(&scene.frozen).0, Some(10));
    assert_eq!(scene.state.tokens(), 0, "nobody reported it");
    scene.did(Command::Recovered(Recovery {
        reason: Lapse::Restarted,
        epoch: 3,
        charged: Some(tokens(10, 0)),
    }));
    assert_eq!(scene.duty(), Duty::End(YieldReason::BudgetExceeded));
}

#[test]
fn a_raised_limit_lets_the_session_go_on_and_a_lowered_one_stops_it() {
    let limits = |tokens| Limits {
        tokens: Some(tokens),
        ..Limits::default()
    };
    let mut scene = begun(limits(20));
    scene.replied(answer("ok", Stop::EndTurn));
    scene.did(send("more"));
    assert_eq!(
        scene.did(Command::Begin),
        ["turn.started", "turn.completed"]
    );
    assert_eq!(
        scene.did(Command::SetLimits(limits(50))),
        ["session.limits_changed"]
    );
    assert!(scene.did(Command::SetLimits(limits(50))).is_empty());
    scene.did(send("more"));
    assert_eq!(scene.did(Command::Begin), ["turn.started"]);
    assert_eq!(scene.duty(), Duty::Think);
    scene.did(Command::SetLimits(limits(5)));
    assert_eq!(scene.duty(), Duty::End(YieldReason::BudgetExceeded));
    assert_eq!(
        scene.state.left(&scene.frozen).0,
        Some(0),
        "less than spent"
    );
}

#[test]
fn steps_of_the_session_bound_a_turn_within_the_platform_s() {
    for (steps, ends) in [(1, 1), (3, 3), (99, 6)] {
        let mut scene = begun(Limits {
            steps: Some(steps),
            ..Limits::default()
        });
        let mut made = 0;
        while scene.duty() == Duty::Think {
            scene.replied(asks(&[(&format!("c{made}"), "bash")]));
            scene.done("ok");
            made += 1;
        }
        assert_eq!(made, ends);
        assert_eq!(scene.duty(), Duty::End(YieldReason::MaxTurns));
    }
}

#[test]
fn a_call_that_was_cut_counts_too_and_a_turn_given_away_says_so() {
    let mut scene = begun(Limits {
        tokens: Some(100),
        ..Limits::default()
    });
    scene.did(Command::ModelCut(tokens(10, 5)));
    assert_eq!(scene.state.left(&scene.frozen).0, Some(85));
    assert_eq!(scene.did(Command::HandOver), ["session.handed_over"]);
    assert!(scene.did(Command::HandOver).is_empty());
    let given = |scene: &Scene| scene.state.turn.as_ref().unwrap().handed_over;
    scene.did(send("more"));
    assert!(given(&scene));
    scene.replied(asks(&[("a", "bash")]));
    assert!(!given(&scene));
}

#[test]
fn a_call_with_a_long_prompt_is_reckoned_at_its_own_price() {
    let mut scene = begun(Limits {
        usd: Some(Usd(500_000)),
        ..Limits::default()
    });
    scene.frozen.prices = Some(Prices {
        long: Some(LongPrices {
            over: 20,
            input: 2000,
            output: 7500,
            cache_write: 2500,
            cache_read: 200,
        }),
        ..PRICES
    });
    let left = |scene: &Scene| scene.state.left(&scene.frozen).1;
    // 10 in and 10 out, then 21 in and 10 out, then 10 and 10 again.
    scene.replied(asks(&[("a", "bash")]));
    scene.done("ok");
    assert_eq!(left(&scene), Some(Usd(440_000)));
    let mut long = asks(&[("b", "bash")]);
    long.usage = Some(tokens(21, 10));
    scene.replied(long);
    scene.done("ok");
    assert_eq!(left(&scene), Some(Usd(440_000 - 42_000 - 75_000)));
    scene.did(Command::ModelCut(tokens(30, 2)));
    assert_eq!(left(&scene), Some(Usd(323_000 - 60_000 - 15_000)));
    scene.replied(answer("done", Stop::EndTurn));
    assert_eq!(left(&scene), Some(Usd(248_000 - 60_000)));
    let used = scene.state.usage.tokens;
    assert_eq!(used.long.output, 10, "of the answered ones only");
    assert_eq!(
        scene.frozen.cost(used),
        Some(Usd(60_000 + 117_000 + 60_000))
    );
}
