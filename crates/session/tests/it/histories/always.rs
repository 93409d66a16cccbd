//! What holds of every log, whatever its history.

use session::fact::{Fact, Voice};
use session::{Command, Duty, Fold, Tokens, decide, duty, id};

use crate::scene::{SESSION, Scene};

/// Checks the log of a session at rest.
pub fn check(scene: &Scene) {
    numbers_and_ids(scene);
    turns_open_and_close_in_order(scene);
    each_intent_has_one_receipt(scene);
    nothing_overtaken_runs(scene);
    usage_is_the_sum_of_turns(scene);
    every_input_is_taken(scene);
    refolding_gives_the_same(scene);
    any_prefix_can_be_frozen_and_forked(scene);
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

/// At any point of a log: the fold reads back as it was frozen, and a fork
/// made there has no turn open and goes on by the same rules.
fn any_prefix_can_be_frozen_and_forked(scene: &Scene) {
    const FORK: &str = "ses_fffffffffffffffffffffff0";
    // Not at every point of each log, but of all the logs together.
    let every = 1 + scene.events.len() / 4;
    let mut fold = Fold::default();
    for event in &scene.events {
        fold.apply(event).unwrap();
        if !event.seq.is_multiple_of(every as u64) {
            continue;
        }
        assert_eq!(Fold::thaw(&fold.freeze()).as_ref(), Some(&fold));
        let command = Command::Fork {
            from: SESSION.to_owned(),
            checkpoint: None,
        };
        let decided = decide(FORK, &scene.frozen, &fold.state, command, scene.now).unwrap();
        let mut fork = fold.clone();
        for draft in decided.drafts {
            let event = draft.at(FORK, fork.state.head + 1, scene.now);
            fork.apply(&event).unwrap();
        }
        assert_eq!(fork.state, decided.state);
        assert!(fork.state.turn.is_none() && !fork.state.archived);
        assert_eq!(fork.state.waiting, fold.state.waiting, "what waits is kept");
        let next = duty(&scene.frozen, &fork.state, scene.now);
        assert_eq!(next == Duty::Rest, fork.state.waiting.is_empty());
        assert!(matches!(next, Duty::Rest | Duty::Begin));
    }
}
