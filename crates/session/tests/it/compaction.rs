//! A summary in the place of the past: what it replaces and what it leaves.

use session::{Command, Duty, Reply, Stop};

use crate::scene::{Scene, answer, asks, compacted, send, tokens};

fn begun(text: &str) -> Scene {
    let mut scene = Scene::new();
    scene.did(send(text));
    scene.did(Command::Begin);
    scene
}

fn compact(scene: &mut Scene, summary: &str) {
    let saw = scene.state.head;
    scene.did(compacted(saw, summary));
}

fn say(scene: &mut Scene, id: &str) {
    scene.replied(asks(&[(id, "say")]));
}

fn again(scene: &mut Scene, text: &str) {
    scene.replied(answer("ok", Stop::EndTurn));
    scene.did(send(text));
    scene.did(Command::Begin);
}

#[test]
fn the_message_at_work_is_kept_and_its_answers_are_counted() {
    let mut scene = begun("go");
    say(&mut scene, "a");
    say(&mut scene, "b");
    compact(&mut scene, "so far");
    assert_eq!(scene.view(), ["summary of 2: so far", "user: go"]);
    assert_eq!(scene.duty(), Duty::Think);
}

#[test]
fn answers_are_counted_across_two_summaries() {
    let mut scene = begun("go");
    say(&mut scene, "a");
    compact(&mut scene, "one");
    say(&mut scene, "b");
    say(&mut scene, "c");
    compact(&mut scene, "two");
    assert_eq!(scene.view(), ["summary of 3: two", "user: go"]);
    say(&mut scene, "d");
    compact(&mut scene, "three");
    assert_eq!(scene.view()[0], "summary of 4: three");
}

#[test]
fn answers_to_an_older_message_do_not_count_for_the_newest() {
    let mut scene = begun("first");
    say(&mut scene, "a");
    compact(&mut scene, "one");
    again(&mut scene, "second");
    say(&mut scene, "b");
    compact(&mut scene, "two");
    assert_eq!(scene.view(), ["summary of 1: two", "user: second"]);
}

#[test]
fn a_message_without_an_answer_is_kept_beside_the_one_at_work() {
    let mut scene = begun("go");
    scene.replied(asks(&[("a", "bash")]));
    scene.did(send("by the way"));
    scene.done("ok");
    compact(&mut scene, "so far");
    assert_eq!(
        scene.view(),
        ["summary of 1: so far", "user: go", "user: by the way"]
    );
}

#[test]
fn a_message_that_came_during_the_summary_is_kept() {
    let mut scene = begun("go");
    say(&mut scene, "a");
    let saw = scene.state.head;
    scene.did(send("one more"));
    scene.did(compacted(saw, "so far"));
    assert_eq!(
        scene.view(),
        ["summary of 1: so far", "user: go", "user: one more"]
    );
    scene.replied(answer("ok", Stop::EndTurn));
    assert_eq!(scene.state.waiting, [0; 0]);
}

#[test]
fn the_input_of_a_turn_that_begins_with_a_summary_is_kept() {
    let mut scene = begun("first");
    scene.replied(Reply {
        usage: Some(tokens(900, 10)),
        ..answer("ok", Stop::EndTurn)
    });
    scene.did(send("second"));
    scene.did(Command::Begin);
    assert_eq!(scene.duty(), Duty::Compact);
    compact(&mut scene, "so far");
    let view = ["summary of 1: so far", "user: first", "user: second"];
    assert_eq!(scene.view(), view);
    assert_eq!(scene.duty(), Duty::Think);
}

#[test]
fn the_goal_outlives_every_summary() {
    let mut scene = begun("build a boat");
    for text in ["paint it", "name it"] {
        say(&mut scene, "a");
        compact(&mut scene, "so far");
        again(&mut scene, text);
    }
    let transcript = &scene.fold.transcript;
    assert_eq!(transcript.first_message(), Some("build a boat"));
}

#[test]
fn a_word_of_the_platform_does_not_outlive_the_answer_it_was_about() {
    let mut scene = begun("go");
    scene.replied(answer("half", Stop::MaxTokens));
    compact(&mut scene, "so far");
    assert_eq!(scene.view(), ["summary of 1: so far", "user: go"]);
}

#[test]
fn a_summary_costs_tokens_of_the_turn() {
    let mut scene = begun("go");
    say(&mut scene, "a");
    compact(&mut scene, "so far");
    assert_eq!(scene.state.tokens(), 30);
    let mut fresh = begun("go");
    compact(&mut fresh, "so far");
    fresh.did(Command::Archive);
    let usage = &fresh.newest("turn.completed").draft.body["usage"];
    assert_eq!(
        (&usage["reported"], &usage["tokens"]),
        (&true.into(), &10.into())
    );
}

#[test]
fn a_window_that_stays_full_is_a_failure_and_no_loop() {
    let mut scene = begun("go");
    say(&mut scene, "a");
    scene.replied(answer("", Stop::ContextFull));
    assert_eq!(scene.duty(), Duty::Compact);
    compact(&mut scene, "so far");
    assert_eq!(scene.duty(), Duty::Think);
    scene.replied(answer("", Stop::ContextFull));
    assert_eq!(scene.duty(), Duty::Rest);
    assert_eq!(scene.last().draft.body["error"]["code"], "context_full");
}

#[test]
fn a_later_turn_of_a_full_conversation_is_summarised_and_goes_on() {
    let mut scene = begun("first");
    again(&mut scene, "second");
    scene.replied(answer("", Stop::ContextFull));
    assert_eq!(scene.duty(), Duty::Compact);
}
