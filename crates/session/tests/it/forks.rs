//! Forks: what stays, what begins anew.

use session::fact::{Checkpoint, Fact, Files, YieldReason};
use session::{Command, Duty, Limits, Phase, Stop};

use crate::scene::{SESSION, Scene, answer, asks, end, interrupt, send};

fn fork(scene: &mut Scene) -> Vec<String> {
    scene.did(Command::Fork {
        from: SESSION.to_owned(),
        checkpoint: scene.state.checkpoint.clone(),
    })
}

fn talked() -> Scene {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(Command::Begin);
    scene.replied(answer("done", Stop::EndTurn));
    scene
}

#[test]
fn a_fork_keeps_what_was_said_and_has_used_nothing() {
    let mut scene = talked();
    let said = scene.view();
    assert_eq!(fork(&mut scene), ["session.forked"]);
    assert_eq!(scene.view(), said);
    assert_eq!(scene.state.tokens(), 0);
    assert_eq!(scene.state.own_turns(), 0);
    assert_eq!(scene.phase(), Phase::Idle);
    scene.did(send("more"));
    scene.did(Command::Begin);
    assert_eq!(scene.state.turns, 2, "numbers go on");
    assert_eq!(scene.state.own_turns(), 1);
}

#[test]
fn a_fork_in_the_middle_of_a_turn_closes_it_and_runs_nothing_of_it() {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(Command::Begin);
    scene.replied(asks(&[("a", "bash"), ("b", "bash")]));
    let kinds = fork(&mut scene);
    assert_eq!(
        kinds,
        ["session.forked", "tool.indeterminate", "turn.completed"]
    );
    let ended = scene.state.last_turn.as_ref().unwrap();
    assert_eq!(ended.reason, YieldReason::Canceled);
    assert_eq!(scene.phase(), Phase::Idle);
}

#[test]
fn a_fork_runs_nothing_that_waited_and_the_model_sees_it_when_it_is_told_something() {
    let mut queued = Scene::new();
    queued.did(send("go"));
    let mut steered = Scene::new();
    steered.did(send("go"));
    steered.did(Command::Begin);
    steered.replied(asks(&[("a", "bash")]));
    steered.did(interrupt("and this"));
    let mut late = Scene::limited(Limits {
        auto_continue: Some(1),
        ..Limits::default()
    });
    late.did(send("go"));
    late.did(Command::Begin);
    late.did(end(YieldReason::DeadlineExceeded));
    for mut scene in [queued, steered, late] {
        assert!(!scene.state.waiting.is_empty());
        fork(&mut scene);
        assert_eq!((scene.duty(), scene.phase()), (Duty::Rest, Phase::Idle));
        let past = scene.view();
        scene.did(send("now"));
        scene.did(Command::Begin);
        let body = &scene.last().draft.body;
        assert_eq!(body["input_from_seq"], body["input_to_seq"], "its own only");
        assert_eq!(scene.duty(), Duty::Think);
        let all = scene.view();
        assert_eq!(all[..past.len()], past);
        assert_eq!(all[past.len()..], ["user: now"]);
    }
}

#[test]
fn an_archived_session_lives_again_in_its_fork() {
    let mut scene = talked();
    scene.did(Command::Archive);
    fork(&mut scene);
    assert_eq!(scene.phase(), Phase::Idle);
    scene.did(send("again"));
    assert_eq!(scene.phase(), Phase::Queued);
}

#[test]
fn a_fork_begins_with_the_files_of_the_checkpoint() {
    let mut scene = talked();
    scene.did(Command::Checkpointed(Checkpoint {
        id: "ckp_1".to_owned(),
        why: "turn".to_owned(),
        seq: 5,
        files: 1,
        bytes: 2,
        added: 3,
    }));
    let files = Files {
        id: "ckp_1".to_owned(),
        seq: 5,
        at: scene.now,
    };
    assert_eq!(scene.state.checkpoint, Some(files.clone()));
    assert!(!scene.state.hibernated);
    fork(&mut scene);
    assert!(scene.state.hibernated, "restored when it is needed");
    let facts = scene.facts();
    assert!(matches!(
        facts.last(),
        Some(Fact::Forked { checkpoint: Some(kept), at: 6, .. }) if *kept == files
    ));
}
