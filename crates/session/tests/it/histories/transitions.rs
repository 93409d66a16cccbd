//! The rules as a picture: from which situation which event leads where. The
//! random histories must take every transition of the table and no other.

use std::collections::BTreeSet;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use session::{Event, Phase, State};

use super::{driver, plan};

/// Histories that are played; the same ones each time.
const HISTORIES: usize = 2000;

/// A situation: the phase, and within a turn what it is at.
fn situation(state: &State) -> &'static str {
    match (&state.turn, state.phase()) {
        (_, Phase::Archived) => "archived",
        (Some(turn), _) if turn.cancel.is_some() => "stopping",
        (Some(turn), _) if turn.open.is_some() => "acting",
        (Some(turn), _) if !turn.pending.is_empty() => "choosing",
        (Some(_), _) => "thinking",
        (None, Phase::Queued) => "queued",
        (None, Phase::AwaitingInput) => "awaiting",
        (None, _) => "idle",
    }
}

/// From, by, to. `choosing` is passed through within one append only.
const TABLE: &str = include_str!("transitions.txt");

fn taken(events: &[Event], all: &mut BTreeSet<String>) {
    let mut state = State::default();
    for event in events {
        let from = situation(&state);
        state.apply(event).unwrap();
        let to = situation(&state);
        all.insert(format!("{from:9} {:25} {to}", event.draft.kind));
    }
}

#[test]
fn every_transition_of_the_table_is_taken_and_no_other() {
    let mut runner = TestRunner::deterministic();
    let mut got = BTreeSet::new();
    for _ in 0..HISTORIES {
        let plan = plan::plans().new_tree(&mut runner).unwrap().current();
        taken(&driver::play(&plan).events, &mut got);
    }
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/histories/transitions.txt"
        );
        let lines: Vec<_> = got.iter().map(String::as_str).collect();
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
        return;
    }
    let want: BTreeSet<String> = TABLE.lines().map(str::to_owned).collect();
    let never: Vec<_> = want.difference(&got).collect();
    let unknown: Vec<_> = got.difference(&want).collect();
    assert!(never.is_empty(), "never taken: {never:#?}");
    assert!(unknown.is_empty(), "not in the table: {unknown:#?}");
}
