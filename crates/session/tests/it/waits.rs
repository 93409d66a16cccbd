//! What a session says that it waits on.

use session::fact::YieldReason;
use session::{Command, Limits, Stop, Waiting, What, waiting};

use crate::scene::{Scene, answer, asks, end, send};

fn waits(scene: &Scene) -> Option<Waiting> {
    waiting(&scene.frozen, &scene.state, scene.now)
}

fn what(scene: &Scene) -> Option<What> {
    waits(scene).map(|waiting| waiting.what)
}

/// A wait that begins now and lasts so many milliseconds at most.
fn wait(scene: &Scene, what: What, within: i64, next: &str) -> Waiting {
    Waiting {
        what,
        since: scene.now,
        deadline: Some(scene.now.plus(within)),
        next: next.to_owned(),
        place: None,
    }
}

#[test]
fn each_phase_says_what_it_waits_on() {
    let mut scene = Scene::new();
    assert_eq!(what(&scene), None);
    scene.did(send("go"));
    assert_eq!(what(&scene), Some(What::Quota));
    scene.did(Command::Begin);
    assert_eq!(what(&scene), Some(What::Model));
    scene.replied(asks(&[("a", "bash")]));
    assert_eq!(what(&scene), Some(What::Tool));
    scene.done("ok");
    assert_eq!(what(&scene), Some(What::Model));
    scene.replied(asks(&[("b", "ask")]));
    let human = waits(&scene).unwrap();
    assert_eq!((human.what, human.deadline), (What::Human, None));
    scene.did(send("blue"));
    scene.did(Command::Begin);
    scene.replied(answer("ok", Stop::EndTurn));
    assert_eq!(what(&scene), None);
    scene.did(Command::Archive);
    assert_eq!(what(&scene), None);
}

#[test]
fn since_is_the_beginning_of_the_step_whatever_is_said_meanwhile() {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(Command::Begin);
    scene.wait(1000);
    scene.replied(asks(&[("a", "bash")]));
    let since = scene.now;
    scene.wait(1000);
    scene.did(send("more"));
    scene.did(Command::SetLimits(Limits {
        turns: Some(9),
        ..Limits::default()
    }));
    assert_eq!(waits(&scene).unwrap().since, since);
}

#[test]
fn the_nearer_deadline_counts_and_says_what_it_does() {
    for (turn_seconds, seconds, next) in [
        (None, 600, "the model is asked again"),
        (Some(60), 60, "the turn ends with deadline_exceeded"),
    ] {
        let mut scene = Scene::limited(Limits {
            turn_seconds,
            ..Limits::default()
        });
        scene.did(send("go"));
        scene.did(Command::Begin);
        let waiting = waits(&scene).unwrap();
        assert_eq!(waiting.deadline, Some(scene.now.plus(seconds * 1000)));
        assert_eq!(waiting.next, next);
    }
}

#[test]
fn a_lasting_wait_is_told_once_and_forgotten_with_its_step() {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(Command::Begin);
    let retry = wait(&scene, What::Retry, 30_000, "the model is asked again");
    assert_eq!(
        scene.did(Command::Waiting(retry.clone())),
        ["session.waiting"]
    );
    assert!(scene.did(Command::Waiting(retry.clone())).is_empty());
    assert_eq!(waits(&scene), Some(retry.clone()));
    scene.replied(asks(&[("a", "bash")]));
    assert_eq!(what(&scene), Some(What::Tool));
    scene.did(end(YieldReason::Canceled));
    assert!(scene.tell(Command::Waiting(retry)).is_err(), "at rest");
}

#[test]
fn a_wait_that_was_told_is_shown_until_it_is_over() {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(Command::Begin);
    let retry = wait(&scene, What::Retry, 1000, "the model is asked again");
    scene.did(Command::Waiting(retry));
    assert_eq!(what(&scene), Some(What::Retry));
    scene.wait(1000);
    assert_eq!(what(&scene), Some(What::Model), "it was asked again");
    scene.replied(asks(&[("a", "bash")]));
    let sandbox = wait(
        &scene,
        What::Sandbox,
        30_000,
        "the call is reported as not run",
    );
    scene.did(Command::Waiting(sandbox));
    assert_eq!(what(&scene), Some(What::Sandbox));
    scene.did(Command::SandboxStarted("sbx_1".to_owned()));
    assert_eq!(what(&scene), Some(What::Tool), "it runs now");
}
