//! What each kind of answer leads to: how the model stopped, times what it
//! wants done.

use serde_json::json;
use session::fact::{Fact, YieldReason};
use session::{Call, Duty, Event, Level, Phase, Reply, Stop};

use crate::scene::{Scene, answer, asks, call, send};

fn thinking() -> Scene {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(session::Command::Begin);
    scene
}

const STOPS: [Stop; 6] = [
    Stop::EndTurn,
    Stop::ToolUse,
    Stop::MaxTokens,
    Stop::Pause,
    Stop::Refusal,
    Stop::ContextFull,
];

/// How a turn stands after an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Ended(YieldReason),
    Think,
    Compact,
    Act,
}

fn stands(scene: &Scene) -> Then {
    match (scene.duty(), &scene.state.last_turn) {
        (Duty::Think, _) => Then::Think,
        (Duty::Compact, _) => Then::Compact,
        (Duty::Act(_), _) => Then::Act,
        (Duty::Rest, Some(turn)) => Then::Ended(turn.reason),
        (other, _) => panic!("unexpected duty {other:?}"),
    }
}

const DONE: Then = Then::Ended(YieldReason::Completed);
const ASKED: Then = Then::Ended(YieldReason::NeedsInput);
const FAILED: Then = Then::Ended(YieldReason::Error);

fn check(reply: impl Fn(Stop) -> Reply, table: [(&str, Then); 6]) {
    for (stop, (kinds, then)) in STOPS.into_iter().zip(table) {
        let mut scene = thinking();
        let got = scene.replied(reply(stop));
        assert_eq!(got.join(" "), kinds, "{stop:?}");
        assert_eq!(stands(&scene), then, "{stop:?}");
    }
}

#[test]
fn text_alone() {
    let ended = ("model.completed agent.message turn.completed", DONE);
    let failed = (
        "model.completed agent.message error.model turn.completed",
        FAILED,
    );
    let goes_on = ("model.completed agent.message", Then::Think);
    check(
        |stop| answer("hi", stop),
        [ended, ended, goes_on, goes_on, failed, failed],
    );
}

#[test]
fn nothing_at_all() {
    let ended = ("model.completed turn.completed", DONE);
    let failed = ("model.completed error.model turn.completed", FAILED);
    let goes_on = ("model.completed", Then::Think);
    check(
        |stop| answer(" \n", stop),
        [ended, ended, goes_on, goes_on, failed, failed],
    );
}

/// Calls are carried out however the model stopped, except after a refusal.
fn check_calls(calls: &[Call], kinds: &str, then: Then, when_full: Then) {
    let reply = |stop| Reply {
        calls: calls.to_vec(),
        ..answer("", stop)
    };
    let (row, full) = ((kinds, then), (kinds, when_full));
    let refused = ("model.completed error.model turn.completed", FAILED);
    check(reply, [row, row, row, row, refused, full]);
}

#[test]
fn a_call_for_hands() {
    let calls = [call("a", "bash"), call("b", "read")];
    check_calls(&calls, "model.completed tool.call", Then::Act, Then::Act);
}

#[test]
fn say() {
    let kinds = "model.completed agent.message agent.message";
    let calls = [call("a", "say"), call("b", "say")];
    check_calls(&calls, kinds, Then::Think, Then::Compact);
}

#[test]
fn ask() {
    let kinds = "model.completed agent.message turn.completed";
    check_calls(&[call("a", "ask")], kinds, ASKED, ASKED);
}

#[test]
fn an_unknown_tool() {
    let kinds = "model.completed tool.result";
    check_calls(&[call("a", "browse")], kinds, Then::Think, Then::Compact);
}

#[test]
fn a_call_that_was_cut() {
    let cut = Call {
        unusable: Some("The call was cut at the output limit.".to_owned()),
        ..call("a", "bash")
    };
    let kinds = "model.completed tool.result";
    check_calls(&[cut], kinds, Then::Think, Then::Compact);
}

#[test]
fn say_without_words() {
    for (n, input) in [
        json!({}),
        json!(null),
        json!({ "text": 7 }),
        json!({ "text": "  " }),
    ]
    .into_iter()
    .enumerate()
    {
        let mut scene = thinking();
        let wordless = Call {
            input,
            ..call("a", if n % 2 == 0 { "say" } else { "ask" })
        };
        let kinds = scene.replied(Reply {
            calls: vec![wordless],
            ..asks(&[])
        });
        assert_eq!(kinds.join(" "), "model.completed tool.result");
        assert!(scene.last().draft.body["is_error"].as_bool().unwrap());
        assert_eq!(stands(&scene), Then::Think);
    }
}

#[test]
fn text_beside_calls_is_narration() {
    let mut scene = thinking();
    let reply = Reply {
        text: " I look. \n".to_owned(),
        ..asks(&[("a", "bash")])
    };
    let kinds = scene.replied(reply);
    assert_eq!(kinds.join(" "), "model.completed agent.message tool.call");
    let said = scene.newest("agent.message");
    assert_eq!(said.draft.level, Level::Progress);
    assert_eq!(said.draft.body["text"], "I look.");
}

#[test]
fn calls_run_in_order_whatever_their_kind() {
    let mut scene = thinking();
    let reply = asks(&[
        ("a", "say"),
        ("b", "browse"),
        ("c", "bash"),
        ("d", "ask"),
        ("e", "read"),
    ]);
    assert_eq!(
        scene.replied(reply).join(" "),
        "model.completed agent.message tool.result tool.call"
    );
    // The question is put when its turn comes; what stands behind it still runs.
    assert_eq!(
        scene.done("ok").join(" "),
        "exec.completed agent.message tool.call"
    );
    assert_eq!(scene.phase(), Phase::Running);
    assert_eq!(scene.done("ok").join(" "), "exec.completed turn.completed");
    assert_eq!(scene.phase(), Phase::AwaitingInput);
    assert_eq!(
        scene.view(),
        [
            "user: go",
            "model: ",
            "a: Said.",
            "b: There is no tool `browse`. The tools are: bash, read, write, edit, ls, grep, glob, say, ask.",
            "c: ok",
            "d: Asked. The answer comes as the next message.",
            "e: ok",
        ]
    );
}

fn result_of(scene: &Scene) -> Option<&Event> {
    let seq = scene.state.last_turn.as_ref().unwrap().result?;
    scene.events.get(usize::try_from(seq).unwrap() - 1)
}

#[test]
fn the_result_is_the_last_say_or_else_the_last_text() {
    let say = |text: &str| Reply {
        calls: vec![Call {
            input: json!({ "text": text }),
            ..call("s", "say")
        }],
        ..asks(&[])
    };
    let end = |text: &str| answer(text, Stop::EndTurn);
    let cut = |text: &str| answer(text, Stop::MaxTokens);
    for (replies, want, level) in [
        (vec![end("one")], Some("one"), Some(Level::User)),
        (
            vec![say("one"), say("two"), end("three")],
            Some("two"),
            Some(Level::User),
        ),
        (vec![say("one"), end("")], Some("one"), Some(Level::User)),
        (vec![cut("one"), end("two")], Some("two"), Some(Level::User)),
        (vec![end("")], None, None),
    ] {
        let mut scene = thinking();
        for reply in replies {
            scene.replied(reply);
        }
        let result = result_of(&scene);
        let text = result.and_then(|event| event.draft.body["text"].as_str());
        assert_eq!(text, want);
        assert_eq!(result.map(|event| event.draft.level), level);
        let named = scene.last().draft.body.get("result_event_id").cloned();
        assert_eq!(named, result.map(|event| event.id.clone().into()));
    }
}

#[test]
fn after_a_say_the_closing_text_is_narration() {
    let mut scene = thinking();
    scene.replied(asks(&[("s", "say")]));
    scene.replied(answer("That was all.", Stop::EndTurn));
    assert_eq!(scene.newest("agent.message").draft.level, Level::Progress);
}

#[test]
fn a_cut_answer_is_asked_to_go_on_and_gives_up_at_the_fourth() {
    let mut scene = thinking();
    for n in 1..=3 {
        scene.replied(answer(&format!("part {n}"), Stop::MaxTokens));
        assert!(scene.view().last().unwrap().starts_with("note: "), "{n}");
        assert_eq!(stands(&scene), Then::Think);
    }
    let kinds = scene.replied(answer("part 4", Stop::MaxTokens));
    assert_eq!(kinds.last().unwrap(), "turn.completed");
    assert_eq!(scene.last().draft.body["error"]["code"], "max_tokens");
}

#[test]
fn an_answer_that_ends_well_forgets_the_cuts_before_it() {
    let mut scene = thinking();
    for _ in 0..2 {
        scene.replied(answer("part", Stop::MaxTokens));
    }
    scene.replied(asks(&[("s", "say")]));
    assert_eq!(scene.state.turn.as_ref().unwrap().cuts, 0);
}

#[test]
fn a_refused_answer_leaves_no_call_without_a_result() {
    let mut scene = thinking();
    scene.replied(Reply {
        stop: Stop::Refusal,
        ..asks(&[("a", "bash"), ("b", "say")])
    });
    let facts = scene.facts();
    assert!(!facts.iter().any(|fact| matches!(fact, Fact::ToolCall(_))));
    assert_eq!(
        scene.view()[2..],
        [
            "a: Not run: the turn ended first (error).",
            "b: Not run: the turn ended first (error).",
        ]
    );
    assert_eq!(scene.last().draft.body["error"]["code"], "refusal");
}
