//! What holds of every log, whatever its history.

use session::fact::{Fact, Voice};
use session::{Command, Duty, Fold, Item, Phase, Stop, Tokens, id};

use crate::scene::{SESSION, Scene, answer, asks, send};
use crate::view;

/// Checks the log of a session at rest, and forks of it.
pub fn check(scene: &Scene) {
    check_log(scene);
    any_prefix_can_be_frozen_and_forked(scene);
}

/// Checks the log of a session at rest.
pub fn check_log(scene: &Scene) {
    numbers_and_ids(scene);
    turns_open_and_close_in_order(scene);
    each_intent_has_one_receipt(scene);
    nothing_overtaken_runs(scene);
    after_a_cancel_no_turn_begins_by_itself(scene);
    usage_is_the_sum_of_turns(scene);
    every_input_is_taken(scene);
    refolding_gives_the_same(scene);
}

/// At rest nothing waits, unless the session was closed first.
fn every_input_is_taken(scene: &Scene) {
    if scene.state.archived {
        return;
    }
    let messages = (1..).zip(scene.facts());
    let input = |fact: &Fact| {
        matches!(
            fact,
            Fact::UserMessage(_) | Fact::Requested { .. } | Fact::Continued { .. }
        )
    };
    let newest = messages.filter(|(_, fact)| input(fact));
    assert_eq!(scene.state.waiting, [0; 0]);
    assert_eq!(
        scene.state.input_cursor,
        newest.last().map_or(0, |(seq, _)| seq)
    );
}

fn numbers_and_ids(scene: &Scene) {
    for (seq, event) in (1..).zip(&scene.events) {
        assert_eq!(event.seq, seq);
        assert_eq!(event.id, id::event(SESSION, seq));
        assert_eq!(id::event_seq(SESSION, &event.id), Some(seq));
    }
    assert_eq!(scene.state.head, scene.events.len() as u64);
}

fn turns_open_and_close_in_order(scene: &Scene) {
    let (mut begun, mut open) = (0, None);
    for (event, fact) in scene.events.iter().zip(scene.facts()) {
        match &fact {
            Fact::TurnStarted { number, from, to } => {
                assert_eq!(open, None, "one turn at a time");
                assert_eq!(*number, begun + 1);
                assert!(from <= to && *to < event.seq);
                begun += 1;
                open = Some(begun);
            }
            Fact::TurnCompleted(end) => assert_eq!(open, Some(end.number)),
            Fact::UserMessage(_)
            | Fact::Requested { .. }
            | Fact::Archived
            | Fact::Continued { .. } => {
                assert_eq!(event.draft.turn, None);
                continue;
            }
            Fact::LimitsChanged(_) | Fact::Waiting(_) if open.is_none() => continue,
            _ => {}
        }
        let turn = open.map(|number| id::turn(SESSION, number));
        assert_eq!(event.draft.turn, turn, "{fact:?}");
        assert!(turn.is_some(), "work belongs to a turn: {fact:?}");
        if matches!(fact, Fact::TurnCompleted(_)) {
            open = None;
        }
    }
    assert_eq!(open, None, "at rest no turn is open");
    assert_eq!(scene.state.turns, begun);
}

fn each_intent_has_one_receipt(scene: &Scene) {
    let mut open: Option<String> = None;
    for fact in scene.facts() {
        match fact {
            Fact::ToolCall(call) => {
                assert_eq!(open, None, "one call at a time");
                open = Some(call.id);
            }
            Fact::ToolDone(receipt) if open.is_some() => {
                assert_eq!(open.take(), Some(receipt.result.call));
            }
            Fact::ModelCompleted { .. } | Fact::Compacted { .. } | Fact::TurnCompleted(_) => {
                assert_eq!(open, None, "an intent without a receipt");
            }
            _ => {}
        }
    }
}

/// Nothing is begun or said that the model asked for before it had seen an
/// interrupting message, or in a turn that was asked to stop.
fn nothing_overtaken_runs(scene: &Scene) {
    let (mut interrupt, mut seen, mut canceled) = (0, 0, false);
    for (event, fact) in scene.events.iter().zip(scene.facts()) {
        match fact {
            Fact::UserMessage(message) if message.interrupt => interrupt = event.seq,
            Fact::TurnStarted { .. } => canceled = false,
            Fact::CancelRequested => canceled = true,
            Fact::ModelCompleted { saw, .. } => seen = saw,
            Fact::ToolCall(_)
            | Fact::AgentMessage {
                voice: Voice::Say(_) | Voice::Ask(_),
                ..
            } => {
                assert!(interrupt <= seen, "overtaken by {interrupt}, saw {seen}");
                assert!(!canceled);
            }
            _ => {}
        }
    }
}

fn usage_is_the_sum_of_turns(scene: &Scene) {
    let ends = scene.facts().into_iter().filter_map(|fact| match fact {
        Fact::TurnCompleted(end) => Some(end),
        _ => None,
    });
    let (mut sum, mut reported, mut partial, mut all) = (Tokens::default(), 0, 0, 0);
    for end in ends {
        sum = sum.plus(end.usage.unwrap_or_default());
        reported += u32::from(end.usage.is_some());
        partial += u32::from(end.usage.is_some() && !end.complete);
        all += 1;
    }
    let usage = scene.state.usage;
    assert_eq!(usage.tokens, sum);
    assert_eq!(
        (
            usage.reported_turns,
            usage.partial_turns,
            usage.unreported_turns
        ),
        (reported, partial, all - reported)
    );
    assert_eq!(usage.complete(), partial == 0 && reported == all);
}

fn refolding_gives_the_same(scene: &Scene) {
    let mut fold = Fold::default();
    for event in &scene.events {
        fold.apply(event).unwrap();
    }
    assert_eq!(fold.state, scene.state);
    assert_eq!(fold.used_hands, scene.fold.used_hands);
    assert_eq!(fold.transcript.view(), scene.fold.transcript.view());
}

/// A turn that begins after a cancel was acknowledged has an input that someone
/// gave after it.
fn after_a_cancel_no_turn_begins_by_itself(scene: &Scene) {
    let facts = scene.facts();
    let given = |from: u64, to: u64| {
        let some = facts
            .iter()
            .zip(1..)
            .filter(|(fact, _)| matches!(fact, Fact::UserMessage(_) | Fact::Requested { .. }));
        some.into_iter().any(|(_, seq)| from < seq && seq <= to)
    };
    for (seq, fact) in (1..).zip(&facts) {
        let Fact::TurnStarted { to, .. } = fact else {
            continue;
        };
        if let Some(cancel) = scene.cancels.iter().rfind(|at| **at < seq) {
            assert!(given(*cancel, *to), "turn at {seq}, canceled at {cancel}");
        }
    }
}

/// At any point of a log: the fold reads back as it was frozen, and a fork
/// made there has no turn open, rests, and goes on by the same rules.
fn any_prefix_can_be_frozen_and_forked(scene: &Scene) {
    // At every point of a short log; of the long ones at all their points together.
    let every = 1 + scene.events.len() / 16;
    let mut prefix = Scene {
        frozen: scene.frozen.clone(),
        ..Scene::new()
    };
    for event in &scene.events {
        prefix.append(event.clone());
        if !event.seq.is_multiple_of(every as u64) {
            continue;
        }
        assert_eq!(Fold::thaw(&prefix.fold.freeze()), Some(prefix.fold.clone()));
        goes_on_as_a_fork(&prefix);
    }
}

fn goes_on_as_a_fork(origin: &Scene) {
    let mut fork = Scene {
        id: "ses_fffffffffffffffffffffff0",
        ..origin.clone()
    };
    fork.did(Command::Fork {
        from: SESSION.to_owned(),
        checkpoint: None,
    });
    assert!(fork.state.turn.is_none() && fork.phase().at_rest());
    assert_eq!((fork.duty(), fork.state.tokens()), (Duty::Rest, 0));
    let seen = seen(&origin.fold.transcript.view());
    let past = fork.fold.transcript.view();
    assert_eq!(past[..seen.len()], seen, "what the model has seen changed");

    fork.did(send("from here"));
    fork.did(Command::Begin);
    let asked_with = fork.fold.transcript.view();
    assert_eq!(asked_with[..past.len()], past);
    view::check(&asked_with, Some(&seen));
    view::shows_what_has_no_answer(&asked_with, &fork.facts());
    view::ends_with_a_question(&asked_with);
    if fork.duty() != Duty::Think {
        return;
    }
    fork.replied(asks(&[("fork", "bash")]));
    fork.done("ok");
    let then = fork.fold.transcript.view();
    view::check(&then, Some(&asked_with));
    if fork.phase() == Phase::Running {
        fork.replied(answer("done", Stop::EndTurn));
        view::check(&fork.fold.transcript.view(), Some(&then));
    }
    assert_eq!(
        fork.state.last_turn.map(|turn| turn.number),
        Some(fork.state.turns)
    );
}

/// What the model of that view has seen for certain: all up to its newest answer.
fn seen(view: &[Item]) -> Vec<Item> {
    let answers = |item: &Item| matches!(item, Item::Assistant(_) | Item::Summary { .. });
    let newest = view.iter().rposition(answers);
    view[..newest.map_or(0, |at| at + 1)].to_vec()
}
